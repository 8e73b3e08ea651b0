# SPDX-License-Identifier: Apache-2.0
"""All SQL of the analysis room, always filtered by organisation."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, case, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.elements import ColumnElement

from healthvision.domains.analysis import history
from healthvision.domains.analysis.schemas import ResultQuery
from healthvision.domains.analysis.tables import (
    AnalysisRule,
    Batch,
    BatchItem,
    FindingRow,
    OutputRow,
    ResultRow,
    Task,
)
from healthvision.kernel.db import Session

OPEN = ("queued", "running")


async def insert_task(session: Session, row: Task) -> bool:
    """Insert a task; False when one with its key and run exists (the constraint decides)."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return False
    return True


async def newest_task(session: Session, org_id: UUID, task_key: str) -> Task | None:
    """Return the newest run of a key."""
    mine = (Task.org_id == org_id, Task.task_key == task_key)
    return await session.scalar(select(Task).where(*mine).order_by(Task.run.desc()).limit(1))


async def find_task(
    session: Session, org_id: UUID, task_id: UUID, *, lock: bool = False
) -> Task | None:
    """Return one task; ``lock`` holds its row until the transaction ends (PostgreSQL)."""
    statement = select(Task).where(Task.org_id == org_id, Task.id == task_id)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return await session.scalar(statement)


async def task_of_job(session: Session, task_id: UUID) -> Task | None:
    """Return one task by the id in one of our own jobs, locked."""
    statement = select(Task).where(Task.id == task_id).with_for_update()
    return await session.scalar(statement)


async def count_open(session: Session, org_id: UUID) -> int:
    """Return how many tasks of the organisation wait or run."""
    mine = (Task.org_id == org_id, Task.state.in_(OPEN))
    return await session.scalar(select(func.count()).select_from(Task).where(*mine)) or 0


def _after(statement: Select[Any], table: Any, cursor: Sequence[Any] | None) -> Select[Any]:
    if cursor is not None:
        statement = statement.where(table.id < UUID(str(cursor[0])))
    return statement


def _task_like(name: str, value: Any) -> ColumnElement[bool]:
    found: ColumnElement[bool]
    if name == "due_from":
        found = Task.deadline_at >= value
    elif name == "due_before":
        found = Task.deadline_at < value
    else:
        found = getattr(Task, name) == value
    return found


async def list_tasks(
    session: Session,
    org_id: UUID,
    space_ids: Collection[UUID],
    *,
    filters: dict[str, Any],
    cursor: Sequence[Any] | None,
    limit: int,
) -> Sequence[Task]:
    """Return tasks, newest first, one more than ``limit`` when there are more."""
    statement = select(Task).where(Task.org_id == org_id, Task.space_id.in_(space_ids))
    for name, value in filters.items():
        if value is not None:
            statement = statement.where(_task_like(name, value))
    statement = _after(statement, Task, cursor).order_by(Task.id.desc()).limit(limit + 1)
    return (await session.scalars(statement)).all()


async def note_progress(
    session: Session, task_id: UUID, fence: int, progress: float, stage: str
) -> bool:
    """Write the progress of the current attempt; False when it is not the current one."""
    done = await session.execute(
        update(Task)
        .where(Task.id == task_id, Task.fence == fence, Task.state == "running")
        .values(progress=progress, stage=stage, revision=Task.revision + 1)
    )
    if not done.rowcount:  # type: ignore[attr-defined]
        return False
    await history.note(session, task_id)
    return True


async def watch(session: Session, task_id: UUID, fence: int) -> bool:
    """Tell whether this attempt is still the current one and not cancelled."""
    found = await session.scalar(
        select(Task.id).where(
            Task.id == task_id,
            Task.fence == fence,
            Task.state == "running",
            Task.cancel_requested.is_(False),
        )
    )
    return found is not None


async def overdue(session: Session, at: datetime, limit: int = 100) -> Sequence[Task]:
    """Return tasks of all organisations not told in time, whose deadline passed unnoticed."""
    statement = (
        select(Task)
        .where(
            or_(Task.state.in_(OPEN), Task.notice == "waiting"),
            Task.deadline_at < at,
            Task.deadline_missed.is_(False),
        )
        .order_by(Task.deadline_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return (await session.scalars(statement)).all()


@dataclass(frozen=True, slots=True)
class DueCount:
    """Tasks of one priority that were due on one day (its number).

    ``missed``: late, whatever became of them. ``failed``: without a result, in time. ``open``:
    not done, or the notice of the result has not left yet. ``kept``: the others.
    """

    day: int
    priority: str
    kept: int
    missed: int
    failed: int
    open: int


async def count_due(
    session: Session,
    org_id: UUID,
    space_ids: Collection[UUID],
    *,
    starts: Sequence[datetime],
    application: str | None,
) -> list[DueCount]:
    """Count tasks by the day of their deadline; ``starts``: of the days and of the day after."""
    whens = [(Task.deadline_at < end, number) for number, end in enumerate(starts[1:])]
    day = case(*whens, else_=len(starts))
    missed = Task.deadline_missed
    kind = case(
        (missed, "missed"),
        (or_(Task.state.in_(OPEN), func.coalesce(Task.notice, "") == "waiting"), "open"),
        (Task.state == "failed", "failed"),
        else_="kept",
    )
    mine = [
        Task.org_id == org_id,
        Task.space_id.in_(space_ids),
        Task.deadline_at >= starts[0],
        Task.deadline_at < starts[-1],
        or_(Task.state != "cancelled", missed),
    ]
    if application is not None:
        mine.append(Task.application_id == application)
    counted = [
        func.sum(case((kind == name, 1), else_=0)) for name in ("kept", "missed", "failed", "open")
    ]
    statement = select(day.label("day"), Task.priority, *counted).where(*mine)
    statement = statement.group_by("day", Task.priority).order_by("day", Task.priority)
    rows = (await session.execute(statement)).all()
    return [DueCount(int(r[0]), r[1], *(int(n) for n in r[2:])) for r in rows]


async def open_tasks_of_study(session: Session, org_id: UUID, study_id: UUID) -> Sequence[Task]:
    """Return the tasks of a study that wait or run."""
    mine = (Task.org_id == org_id, Task.study_id == study_id, Task.state.in_(OPEN))
    return (await session.scalars(select(Task).where(*mine).with_for_update())).all()


async def result_ids(session: Session, task_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Return task id -> id of its published result."""
    if not task_ids:
        return {}
    rows = await session.execute(
        select(ResultRow.task_id, ResultRow.id).where(
            ResultRow.task_id.in_(task_ids), ResultRow.published, ~ResultRow.hidden
        )
    )
    return {task_id: result_id for task_id, result_id in rows}


async def result_of_task(session: Session, task_id: UUID) -> ResultRow | None:
    """Return the result of a task, published or only staged."""
    return await session.scalar(select(ResultRow).where(ResultRow.task_id == task_id))


async def find_result(session: Session, org_id: UUID, result_id: UUID) -> ResultRow | None:
    """Return a published result of a study that is not deleted."""
    return await session.scalar(
        select(ResultRow).where(
            ResultRow.org_id == org_id,
            ResultRow.id == result_id,
            ResultRow.published,
            ~ResultRow.hidden,
        )
    )


async def latest_results(
    session: Session, org_id: UUID, study_id: UUID, application_id: str, *, lock: bool
) -> Sequence[ResultRow]:
    """Return all results of a study and application, newest version first, also staged ones."""
    statement = (
        select(ResultRow)
        .where(
            ResultRow.org_id == org_id,
            ResultRow.study_id == study_id,
            ResultRow.application_id == application_id,
        )
        .order_by(ResultRow.version.desc())
    )
    if lock:
        statement = statement.with_for_update()
    return (await session.scalars(statement)).all()


async def insert_result(
    session: Session, row: ResultRow, findings: list[FindingRow], outputs: list[OutputRow]
) -> bool:
    """Insert a staged result; False when the task or the version has one already."""
    try:
        async with session.begin_nested():
            session.add(row)
            await session.flush()
            session.add_all([*findings, *outputs])
    except IntegrityError:
        return False
    return True


async def outputs_of(session: Session, result_id: UUID) -> Sequence[OutputRow]:
    """Return the outputs of a result, in the order they were written."""
    statement = select(OutputRow).where(OutputRow.result_id == result_id).order_by(OutputRow.id)
    return (await session.scalars(statement)).all()


def _equal(query: ResultQuery) -> list[Any]:
    pairs = (
        (ResultRow.patient_ref, query.patient),
        (ResultRow.patient_id, query.patient_id),
        (ResultRow.study_id, query.study),
        (ResultRow.study_uid, query.study_uid),
        (ResultRow.task_id, query.task),
        (ResultRow.application_id, query.application),
        (ResultRow.application_version, query.application_version),
        (ResultRow.status, query.status),
        (ResultRow.verification, query.verification),
    )
    return [column == value for column, value in pairs if value is not None]


def _ranges(query: ResultQuery) -> list[Any]:
    out: list[Any] = []
    if query.study_date_from is not None:
        out.append(ResultRow.study_date >= query.study_date_from)
    if query.study_date_to is not None:
        out.append(ResultRow.study_date <= query.study_date_to)
    if query.made_from is not None:
        out.append(ResultRow.created_at >= query.made_from)
    if query.made_to is not None:
        out.append(ResultRow.created_at <= query.made_to)
    if query.current:
        out.append(ResultRow.superseded_by.is_(None))
    return out


def _finding(query: ResultQuery) -> list[Any]:
    """One and the same finding must fulfil code, category and confidence together."""
    wanted: list[Any] = []
    if query.code is not None:
        wanted.append(FindingRow.code == query.code)
    if query.category is not None:
        wanted.append(FindingRow.category == query.category)
    if query.confidence_min is not None:
        wanted.append(FindingRow.confidence >= query.confidence_min)
    if query.confidence_max is not None:
        wanted.append(FindingRow.confidence <= query.confidence_max)
    if not wanted:
        return []
    joined = and_(FindingRow.result_id == ResultRow.id, *wanted)
    return [select(FindingRow.result_id).where(joined).exists()]


async def search_results(
    session: Session,
    org_id: UUID,
    space_ids: Collection[UUID],
    query: ResultQuery,
    cursor: Sequence[Any] | None,
) -> Sequence[ResultRow]:
    """Return published results, newest first, one more than the limit when there are more."""
    where = [
        ResultRow.org_id == org_id,
        ResultRow.space_id.in_(space_ids),
        ResultRow.published,
        ~ResultRow.hidden,
        *_equal(query),
        *_ranges(query),
        *_finding(query),
    ]
    if cursor is not None:
        at, last = datetime.fromisoformat(str(cursor[0])), UUID(str(cursor[1]))
        older = and_(ResultRow.created_at == at, ResultRow.id < last)
        where.append(or_(ResultRow.created_at < at, older))
    order = (ResultRow.created_at.desc(), ResultRow.id.desc())
    statement = select(ResultRow).where(*where).order_by(*order).limit(query.limit + 1)
    return (await session.scalars(statement)).all()


async def hide_results(session: Session, org_id: UUID, study_id: UUID) -> None:
    """Take the results of a deleted study out of sight."""
    await session.execute(
        update(ResultRow)
        .where(ResultRow.org_id == org_id, ResultRow.study_id == study_id)
        .values(hidden=True)
    )


async def purge_study(session: Session, org_id: UUID, study_id: UUID) -> None:
    """Remove everything about a purged study; results and outputs go with their task."""
    results = select(ResultRow.id).where(ResultRow.org_id == org_id, ResultRow.study_id == study_id)
    await session.execute(delete(FindingRow).where(FindingRow.result_id.in_(results)))
    await session.execute(delete(OutputRow).where(OutputRow.result_id.in_(results)))
    mine = (ResultRow.org_id == org_id, ResultRow.study_id == study_id)
    await session.execute(delete(ResultRow).where(*mine))
    await session.execute(delete(Task).where(Task.org_id == org_id, Task.study_id == study_id))


async def rules_of(
    session: Session, org_id: UUID, space_ids: Collection[UUID]
) -> Sequence[AnalysisRule]:
    """Return the rules of some spaces, oldest first."""
    mine = (AnalysisRule.org_id == org_id, AnalysisRule.space_id.in_(space_ids))
    return (
        await session.scalars(select(AnalysisRule).where(*mine).order_by(AnalysisRule.id))
    ).all()


async def find_rule(session: Session, org_id: UUID, rule_id: UUID) -> AnalysisRule | None:
    """Return one rule."""
    mine = (AnalysisRule.org_id == org_id, AnalysisRule.id == rule_id)
    return await session.scalar(select(AnalysisRule).where(*mine))


async def insert_rule(session: Session, row: AnalysisRule) -> bool:
    """Insert a rule; False when its name is taken in the space."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return False
    return True


async def remove_rules(session: Session, org_id: UUID, space_id: UUID) -> None:
    """Remove all rules of a space."""
    mine = (AnalysisRule.org_id == org_id, AnalysisRule.space_id == space_id)
    await session.execute(delete(AnalysisRule).where(*mine))


async def find_batch(session: Session, org_id: UUID, batch_id: UUID) -> Batch | None:
    """Return one batch."""
    mine = (Batch.org_id == org_id, Batch.id == batch_id)
    return await session.scalar(select(Batch).where(*mine))


async def list_batches(
    session: Session, org_id: UUID, cursor: Sequence[Any] | None, limit: int
) -> Sequence[Batch]:
    """Return batches, newest first, one more than ``limit`` when there are more."""
    statement = _after(select(Batch).where(Batch.org_id == org_id), Batch, cursor)
    return (await session.scalars(statement.order_by(Batch.id.desc()).limit(limit + 1))).all()


async def batch_items(
    session: Session, batch_id: UUID
) -> list[tuple[BatchItem, Task | None, ResultRow | None]]:
    """Return the studies of a batch with their task and published result."""
    statement = (
        select(BatchItem, Task, ResultRow)
        .outerjoin(Task, Task.id == BatchItem.task_id)
        .outerjoin(
            ResultRow,
            and_(ResultRow.task_id == Task.id, ResultRow.published, ~ResultRow.hidden),
        )
        .where(BatchItem.batch_id == batch_id)
        .order_by(BatchItem.number)
    )
    return [(item, task, result) for item, task, result in await session.execute(statement)]
