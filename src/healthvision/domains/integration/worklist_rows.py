# SPDX-License-Identifier: Apache-2.0
"""All SQL of worklist entries and performed steps; every query filters by organisation."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError

from healthvision.domains.integration.errors import StepExists, WorklistEntryExists
from healthvision.domains.integration.tables import PerformedStep, WorklistEntry
from healthvision.kernel.db import Session


@dataclass(frozen=True, slots=True)
class Narrowed:
    """Conditions an index serves; empty ones match everything. Days are 'YYYYMMDD'."""

    states: Collection[str] = ()
    from_day: str = ""
    to_day: str = ""
    modality: str = ""
    station_ae: str = ""
    patient_id: str = ""


async def add(session: Session, row: WorklistEntry) -> None:
    """Insert an entry; raises WorklistEntryExists."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise WorklistEntryExists("an entry with this step id exists") from None


async def entry(session: Session, org_id: UUID, wanted: UUID) -> WorklistEntry | None:
    """Return one entry."""
    mine = (WorklistEntry.org_id == org_id, WorklistEntry.id == wanted)
    return (await session.scalars(select(WorklistEntry).where(*mine))).one_or_none()


async def page(
    session: Session,
    org_id: UUID,
    spaces: Collection[UUID],
    narrowed: Narrowed,
    *,
    after: tuple[str, UUID] | None,
    limit: int,
) -> Sequence[WorklistEntry]:
    """Return entries of some spaces by day and id; ``after``: day and id of the last one seen."""
    query = select(WorklistEntry).where(
        WorklistEntry.org_id == org_id, WorklistEntry.space_id.in_(spaces)
    )
    if narrowed.states:
        query = query.where(WorklistEntry.state.in_(narrowed.states))
    if narrowed.from_day:
        query = query.where(WorklistEntry.starts_on >= narrowed.from_day)
    if narrowed.to_day:
        query = query.where(WorklistEntry.starts_on <= narrowed.to_day)
    if narrowed.modality:
        query = query.where(WorklistEntry.modality == narrowed.modality)
    if narrowed.station_ae:
        query = query.where(WorklistEntry.station_ae.in_(["", narrowed.station_ae]))
    if narrowed.patient_id:
        query = query.where(WorklistEntry.patient_id == narrowed.patient_id)
    if after is not None:
        day, last = after
        later = (WorklistEntry.starts_on == day) & (WorklistEntry.id > last)
        query = query.where(or_(WorklistEntry.starts_on > day, later))
    ordered = query.order_by(WorklistEntry.starts_on, WorklistEntry.id)
    return (await session.scalars(ordered.limit(limit))).all()


async def of_step(
    session: Session, org_id: UUID, space_id: UUID, step_id: str, study_uid: str
) -> WorklistEntry | None:
    """Return the entry a performed step names: by its step id, else by its study alone."""
    query = select(WorklistEntry).where(
        WorklistEntry.org_id == org_id, WorklistEntry.space_id == space_id
    )
    if step_id:
        found = (await session.scalars(query.where(WorklistEntry.step_id == step_id))).one_or_none()
        if found is not None:
            return found
    if not study_uid:
        return None
    rows = (await session.scalars(query.where(WorklistEntry.study_uid == study_uid).limit(2))).all()
    return rows[0] if len(rows) == 1 else None


async def add_step(session: Session, row: PerformedStep) -> None:
    """Insert a performed step; raises StepExists."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise StepExists("a performed step with this UID exists") from None


async def step(session: Session, org_id: UUID, space_id: UUID, uid: str) -> PerformedStep | None:
    """Return a performed step of a space, locked."""
    query = select(PerformedStep).where(
        PerformedStep.org_id == org_id,
        PerformedStep.space_id == space_id,
        PerformedStep.uid == uid,
    )
    return (await session.scalars(query.with_for_update())).one_or_none()


async def steps_of(
    session: Session, org_id: UUID, entries: Collection[UUID]
) -> dict[UUID, list[PerformedStep]]:
    """Return the performed steps of entries, oldest first."""
    query = select(PerformedStep).where(
        PerformedStep.org_id == org_id, PerformedStep.entry_id.in_(entries)
    )
    found: dict[UUID, list[PerformedStep]] = {}
    for row in (await session.scalars(query.order_by(PerformedStep.id))).all():
        if row.entry_id is not None:
            found.setdefault(row.entry_id, []).append(row)
    return found
