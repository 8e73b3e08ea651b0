# SPDX-License-Identifier: Apache-2.0
"""The steps of a task: what a watcher could see after each change, kept for those who were away.

Every new ``revision`` of a task leaves one row in the transaction that made it, whoever made it:
the mapper events below hear of rows that are flushed, ``note`` is for plain UPDATEs.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, event, insert, inspect, select, update
from sqlalchemy.orm import Mapper

from healthvision.domains.analysis.schemas import TaskRead
from healthvision.domains.analysis.tables import Task, TaskStep
from healthvision.kernel.clock import now
from healthvision.kernel.db import Session

TOLD = (
    "state",
    "stage",
    "priority",
    "progress",
    "attempts",
    "error_code",
    "error_detail",
    "error_ref",
    "preemptions",
    "requeued_reason",
)
LATER = ("finished_at", "expected_at", "notified_at", "notice")  # not known while a task is open
MOST_STEPS = 1000


def _values(row: Any) -> dict[str, Any]:
    """Return the columns of the step of a task as it is now."""
    return {
        "task_id": row.id,
        "revision": row.revision,
        "org_id": row.org_id,
        "at": now(),
        "told": {name: getattr(row, name) for name in TOLD},
    }


@event.listens_for(Task, "after_insert")
def _first(_mapper: Mapper[Task], connection: Connection, row: Task) -> None:
    connection.execute(insert(TaskStep).values(_values(row)))


@event.listens_for(Task, "after_update")
def _next(_mapper: Mapper[Task], connection: Connection, row: Task) -> None:
    """Keep a new revision; a later flush of the same one completes its step."""
    changed = inspect(row).attrs
    if changed.revision.history.has_changes():
        connection.execute(insert(TaskStep).values(_values(row)))
    elif any(changed[name].history.has_changes() for name in TOLD):
        its = (TaskStep.task_id == row.id, TaskStep.revision == row.revision)
        connection.execute(update(TaskStep).where(*its).values(told=_values(row)["told"]))


async def note(session: Session, task_id: UUID) -> None:
    """Keep the step of a task that was changed by a plain UPDATE in this transaction."""
    columns = (Task.id, Task.revision, Task.org_id, *(getattr(Task, name) for name in TOLD))
    row = (await session.execute(select(*columns).where(Task.id == task_id))).one()
    await session.execute(insert(TaskStep).values(_values(row)))


async def steps_after(
    session: Session, org_id: UUID, task_id: UUID, revision: int
) -> Sequence[TaskStep]:
    """Return the steps behind a revision, oldest first, at most ``MOST_STEPS``."""
    mine = (TaskStep.org_id == org_id, TaskStep.task_id == task_id, TaskStep.revision > revision)
    query = select(TaskStep).where(*mine).order_by(TaskStep.revision).limit(MOST_STEPS)
    return (await session.scalars(query)).all()


def as_it_was(task: TaskRead, step: TaskStep) -> TaskRead:
    """Return a task as it was told after a step; times that came later are left out."""
    is_open, left = step.told["state"] in ("queued", "running"), None
    if is_open and task.deadline_at is not None:
        left = round((task.deadline_at - step.at).total_seconds(), 1)
    values = task.model_dump() | step.told
    values |= {"revision": step.revision, "seconds_left": left}
    if is_open:
        values |= dict.fromkeys(LATER)
    if step.told["state"] != "done":
        values["result_id"] = None
    if step.told["state"] == "queued" and not step.told["attempts"]:
        values["started_at"] = None
    return TaskRead.model_validate(values)
