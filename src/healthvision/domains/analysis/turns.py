# SPDX-License-Identifier: Apache-2.0
"""The SQL behind turns and clocks: who waits, who may be stopped, whose notice is out.

These look over all organisations, because slots are shared; nothing of it is shown to a caller
but times.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from healthvision.clinical.result import Priority
from healthvision.domains.analysis.repository import OPEN
from healthvision.domains.analysis.tables import OutputRow, ResultRow, Task
from healthvision.kernel.db import Session


@dataclass(frozen=True, slots=True)
class Place:
    """One open task in the order of work."""

    id: UUID
    priority: str
    state: str


async def open_places(session: Session, most: int = 5000) -> list[Place]:
    """Return the open tasks of all organisations: they share the slots. Never shown to anybody."""
    statement = select(Task.id, Task.priority, Task.state).where(Task.state.in_(OPEN))
    rows = await session.execute(statement.order_by(Task.id).limit(most))
    return [Place(*row) for row in rows]


async def run_seconds(session: Session, org_id: UUID, application_id: str) -> list[float]:
    """Return how long the last twenty finished tasks of an application took, in seconds."""
    statement = (
        select(Task.started_at, Task.finished_at)
        .where(
            Task.org_id == org_id,
            Task.application_id == application_id,
            Task.state == "done",
            Task.preemptions == 0,
        )
        .order_by(Task.id.desc())
        .limit(20)
    )
    rows = await session.execute(statement)
    return [(end - begin).total_seconds() for begin, end in rows if begin and end]


async def waiting_stat(session: Session, before: datetime) -> Sequence[Task]:
    """Return STAT tasks of all organisations that wait since then, for which no room was made."""
    statement = (
        select(Task)
        .where(
            Task.state == "queued",
            Task.priority == Priority.STAT.value,
            Task.room_made.is_(False),
            Task.queued_at < before,
        )
        .order_by(Task.queued_at)
        .limit(20)
        .with_for_update(skip_locked=True)
    )
    return (await session.scalars(statement)).all()


async def preemptible(session: Session, most: int, count: int) -> Sequence[Task]:
    """Return running bulk, then routine tasks without a staged result, the youngest first.

    ``most``: those stopped so often already are left alone.
    """
    staged = select(ResultRow.id).where(ResultRow.task_id == Task.id).exists()
    statement = (
        select(Task)
        .where(
            Task.state == "running",
            Task.priority.in_((Priority.ROUTINE.value, Priority.BULK.value)),
            Task.preemptions < most,
            Task.cancel_requested.is_(False),
            ~staged,
        )
        .order_by(Task.priority, Task.queued_at.desc())
        .limit(count)
        .with_for_update(skip_locked=True, of=Task)
    )
    return (await session.scalars(statement)).all()


async def waiting_notices(session: Session, most: int = 200) -> list[tuple[Task, UUID]]:
    """Return finished tasks of all organisations whose notice has not left, with their result."""
    statement = (
        select(Task, ResultRow.id)
        .join(ResultRow, ResultRow.task_id == Task.id)
        .where(Task.notice == "waiting")
        .order_by(Task.finished_at)
        .limit(most)
        .with_for_update(skip_locked=True, of=Task)
    )
    return [(task, result_id) for task, result_id in await session.execute(statement)]


async def named_outputs(session: Session, store: str, keys: Collection[str]) -> set[str]:
    """Return those of some keys in a store that belong to an output of any organisation."""
    statement = select(OutputRow.object_key).where(
        OutputRow.store == store, OutputRow.object_key.in_(keys)
    )
    return set(await session.scalars(statement))
