# SPDX-License-Identifier: Apache-2.0
"""SQL of the worklist; every query filters by organisation.

SQLite knows no figures of the data and takes the index with the most equal columns, which costs a
sort of all that match; columns that must not choose the index are written with a unary plus there.
"""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    delete,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    union,
)
from sqlalchemy.exc import IntegrityError

from healthvision.domains.patients.service import fold
from healthvision.domains.reading.schemas import WorklistQuery
from healthvision.domains.reading.tables import (
    ReportRow,
    VerdictRow,
    WorklistFill,
    WorklistRow,
    WorklistSpace,
)
from healthvision.kernel.db import Session

Condition = ColumnElement[bool]
Keys = Sequence[Any]


async def find(
    session: Session, org_id: UUID, study_id: UUID, *, lock: bool = False
) -> WorklistRow | None:
    """Return the row of a study, also of a deleted one."""
    statement = select(WorklistRow).where(
        WorklistRow.org_id == org_id, WorklistRow.study_id == study_id
    )
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return await session.scalar(statement)


async def hold(session: Session, study_id: UUID) -> None:
    """Keep all others from writing this study's row, be there one or not, till the end.

    On SQLite a writing transaction does so by itself.
    """
    if session.get_bind().dialect.name == "postgresql":
        key = int.from_bytes(study_id.bytes[8:], signed=True)  # its random half
        await session.execute(select(func.pg_advisory_xact_lock(key)))


async def insert(session: Session, row: WorklistRow) -> bool:
    """Insert a row; False when the study has one (the key decides)."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return False
    return True


async def set_spaces(session: Session, study_id: UUID, space_ids: Collection[UUID]) -> None:
    """Make the spaces of a study these."""
    had = set(
        await session.scalars(
            select(WorklistSpace.space_id).where(WorklistSpace.study_id == study_id)
        )
    )
    left = had - set(space_ids)
    if left:
        mine = (WorklistSpace.study_id == study_id, WorklistSpace.space_id.in_(left))
        await session.execute(delete(WorklistSpace).where(*mine))
    session.add_all(WorklistSpace(study_id=study_id, space_id=s) for s in space_ids if s not in had)
    await session.flush()


async def remove(session: Session, org_id: UUID, study_id: UUID) -> None:
    """Remove the row of a purged study."""
    mine = (WorklistRow.org_id == org_id, WorklistRow.study_id == study_id)
    await session.execute(delete(WorklistSpace).where(WorklistSpace.study_id == study_id))
    await session.execute(delete(WorklistRow).where(*mine))


def seen(org_id: UUID, places: Collection[UUID] | None) -> list[Condition]:
    """Return the conditions for live studies in some spaces; None: in any space."""
    where: list[Condition] = [WorklistRow.org_id == org_id, WorklistRow.gone.is_(False)]
    if places is not None:
        one_of_several = exists().where(
            WorklistSpace.study_id == WorklistRow.study_id, WorklistSpace.space_id.in_(places)
        )
        several = WorklistRow.only_space.is_(None) & one_of_several
        where.append(WorklistRow.only_space.in_(places) | several)
    return where


def matching(
    session: Session,
    query: WorklistQuery,
    org_id: UUID,
    person: str,
    running: Collection[UUID],
) -> list[Condition]:
    """Return the conditions of a search; ``running``: studies with a running task."""
    aside = session.get_bind().dialect.name == "sqlite"
    return [
        *_words(query.text),
        *_equal(query, aside),
        *_ai(query, running, aside),
        *_tab(query, org_id, person, aside),
    ]


def _aside(column: Any, aside: bool) -> Any:
    """Return a column as SQLite uses no index for it, or the plain column."""
    name = f"+{column.table.name}.{column.name}"
    return literal_column(name, column.type) if aside else column


def _words(text: str) -> list[Condition]:
    return [
        WorklistRow.search.contains(f" {fold(word)}", autoescape=True) for word in text.split()[:8]
    ]


def _equal(query: WorklistQuery, aside: bool) -> list[Condition]:
    out: list[Condition] = []
    if query.modality is not None:
        out.append(WorklistRow.modalities.contains(f"\\{query.modality}\\", autoescape=True))
    day = _aside(WorklistRow.study_date, aside and query.order == "urgency")
    if query.date_from is not None:
        out.append(day >= query.date_from)
    if query.date_to is not None:
        out.append(day <= query.date_to)
    pairs = (
        (WorklistRow.priority, query.priority),
        (WorklistRow.verdict_state, query.verdict),
        (_aside(WorklistRow.report_state, aside), query.report),
        (WorklistRow.patient_ref, query.patient),
    )
    return out + [column == value for column, value in pairs if value is not None]


def _ai(query: WorklistQuery, running: Collection[UUID], aside: bool) -> list[Condition]:
    """A row says 'pending' for every open task; which of them run is known from the tasks."""
    if query.ai_state == "running":
        return [WorklistRow.study_id.in_(running)]
    if query.ai_state is None:
        return []
    out: list[Condition] = [_aside(WorklistRow.ai_state, aside) == query.ai_state]
    if query.ai_state == "pending" and running:
        out.append(WorklistRow.study_id.not_in(running))
    return out


def _tab(query: WorklistQuery, org_id: UUID, person: str, aside: bool) -> list[Condition]:
    state = _aside(WorklistRow.report_state, aside)
    if query.tab == "todo":
        return [state != "final"]
    if query.tab == "done":
        return [state == "final"]
    if query.tab == "review":
        return [waiting(person)]
    return [mine(org_id, person)] if query.tab == "mine" else []


def waiting(person: str) -> Condition:
    """Return the condition for studies whose report waits for another doctor than its author."""
    return (WorklistRow.report_state == "submitted") & (WorklistRow.author != person)


def mine(org_id: UUID, person: str) -> Condition:
    """Return the condition for studies with a verdict or a report of a person."""
    judged = select(VerdictRow.study_id).where(
        VerdictRow.org_id == org_id, VerdictRow.reader == person, VerdictRow.active
    )
    written = select(ReportRow.study_id).where(
        ReportRow.org_id == org_id, or_(ReportRow.author == person, ReportRow.reviewer == person)
    )
    return WorklistRow.study_id.in_(union(judged, written))


async def page(
    session: Session, where: Sequence[Condition], query: WorklistQuery, after: Keys | None
) -> Sequence[WorklistRow]:
    """Return rows in the order of the list, one more than the limit when there are more."""
    statement = select(WorklistRow).where(*where)
    if query.order == "newest":
        keys = tuple_(WorklistRow.study_date, WorklistRow.study_id)
        order = (WorklistRow.study_date.desc(), WorklistRow.study_id.desc())
        if after is not None:
            statement = statement.where(keys < tuple_(*_literals(after)))
        return (await session.scalars(statement.order_by(*order).limit(query.limit + 1))).all()
    few = query.patient is not None and session.get_bind().dialect.name == "sqlite"
    rank = _aside(WorklistRow.rank, few)  # one patient's studies are sooner sorted than walked to
    three = tuple_(rank, WorklistRow.order_key, WorklistRow.study_id)
    if after is not None:
        statement = statement.where(three > tuple_(*_literals(after)))
    ascending = (rank, WorklistRow.order_key, WorklistRow.study_id)
    return (await session.scalars(statement.order_by(*ascending).limit(query.limit + 1))).all()


def _literals(values: Keys) -> list[Any]:
    columns = {1: WorklistRow.order_key.type, 2: WorklistRow.study_id.type}
    if len(values) == 2:
        columns = {0: WorklistRow.study_date.type, 1: WorklistRow.study_id.type}
    return [literal(v, columns.get(i)) for i, v in enumerate(values)]


async def spaces_of(session: Session, study_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """Return study id -> ids of its spaces."""
    statement = select(WorklistSpace).where(WorklistSpace.study_id.in_(study_ids))
    found: dict[UUID, list[UUID]] = {}
    for row in await session.scalars(statement.order_by(WorklistSpace.space_id)):
        found.setdefault(row.study_id, []).append(row.space_id)
    return found


async def priors(
    session: Session, where: Sequence[Condition], patients: Collection[UUID]
) -> dict[UUID, list[tuple[str, UUID]]]:
    """Return patient -> (date, study id) of the studies that the conditions let through."""
    columns = (WorklistRow.patient_ref, WorklistRow.study_date, WorklistRow.study_id)
    statement = select(*columns).where(*where, WorklistRow.patient_ref.in_(patients))
    found: dict[UUID, list[tuple[str, UUID]]] = {}
    for patient, day, study in await session.execute(statement):
        found.setdefault(patient, []).append((day, study))
    return found


async def counted(session: Session, where: Sequence[Condition]) -> Sequence[Any]:
    """Return (ai, report, verdict, rank, number) of all combinations of states."""
    columns = (
        WorklistRow.ai_state,
        WorklistRow.report_state,
        WorklistRow.verdict_state,
        WorklistRow.rank,
    )
    statement = select(*columns, func.count()).where(*where).group_by(*columns)
    return (await session.execute(statement)).all()


async def number(session: Session, where: Sequence[Condition]) -> int:
    """Return how many rows there are."""
    return await session.scalar(select(func.count()).select_from(WorklistRow).where(*where)) or 0


async def changed_after(
    session: Session, org_id: UUID, moment: int, limit: int
) -> Sequence[WorklistRow]:
    """Return rows changed after a moment (microseconds), also of deleted studies."""
    statement = (
        select(WorklistRow)
        .where(WorklistRow.org_id == org_id, WorklistRow.changed > moment)
        .order_by(WorklistRow.changed, WorklistRow.study_id)
        .limit(limit)
    )
    return (await session.scalars(statement)).all()


async def some(
    session: Session, where: Sequence[Condition], study_ids: Collection[UUID]
) -> Sequence[WorklistRow]:
    """Return the rows of some studies that the conditions let through."""
    statement = select(WorklistRow).where(*where, WorklistRow.study_id.in_(study_ids))
    return (await session.scalars(statement)).all()


async def fill_state(session: Session, org_id: UUID) -> WorklistFill | None:
    """Return how far the older studies of an organisation were taken in."""
    return await session.get(WorklistFill, org_id)


async def fill_of(session: Session, org_id: UUID) -> WorklistFill:
    """Return the same to be changed; a new row when there is none."""
    row = await session.get(WorklistFill, org_id)
    if row is None:
        row = WorklistFill(org_id=org_id, cursor=None, done_at=None)
        session.add(row)
    return row
