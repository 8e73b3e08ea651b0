# SPDX-License-Identifier: Apache-2.0
"""All SQL of the patients room."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.elements import ColumnElement

from healthvision.domains.patients.ports import Sight
from healthvision.domains.patients.tables import Patient, PatientConflictRow
from healthvision.kernel.db import Session


async def by_number(
    session: Session, org_id: UUID, issuer: str, patient_id: str, scope: str
) -> Patient | None:
    """Return a patient by number; on PostgreSQL the row is locked until the transaction ends."""
    query = select(Patient).where(
        Patient.org_id == org_id,
        Patient.issuer == issuer,
        Patient.patient_id == patient_id,
        Patient.scope == scope,
    )
    return (await session.scalars(query.with_for_update())).one_or_none()


async def add(session: Session, row: Patient) -> bool:
    """Insert a patient; False when another transaction was faster."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return False
    return True


async def add_conflict(session: Session, row: PatientConflictRow) -> bool:
    """Insert a conflict; False when it is known."""
    known = select(PatientConflictRow.id).where(
        PatientConflictRow.org_id == row.org_id,
        PatientConflictRow.patient_ref == row.patient_ref,
        PatientConflictRow.attribute == row.attribute,
        PatientConflictRow.other == row.other,
        PatientConflictRow.source == row.source,
    )
    if await session.scalar(known) is not None:
        return False
    session.add(row)
    return True


async def find(
    session: Session, org_id: UUID, patient_ref: UUID, sight: Sight | None = None
) -> Patient | None:
    """Return a patient by our id; ``sight``: only when it can be seen."""
    query = select(Patient).where(Patient.org_id == org_id, Patient.id == patient_ref)
    if sight is not None:
        query = query.where(sight.of_patient(Patient.id))
    return (await session.scalars(query)).one_or_none()


def _in_conflict(org_id: UUID, sight: Sight | None) -> list[ColumnElement[bool]]:
    mine: list[ColumnElement[bool]] = [PatientConflictRow.org_id == org_id]
    if sight is not None:
        mine.append(sight.of_study(PatientConflictRow.source))
    return mine


def has_conflict(org_id: UUID, sight: Sight | None) -> ColumnElement[bool]:
    """Return the condition that a patient has a conflict which can be seen."""
    if sight is None:
        return Patient.conflict_count > 0
    its = and_(
        PatientConflictRow.patient_ref == Patient.id, PatientConflictRow.resolved_at.is_(None)
    )
    return select(PatientConflictRow.id).where(its, *_in_conflict(org_id, sight)).exists()


async def conflicts(
    session: Session, org_id: UUID, patient_ref: UUID, sight: Sight | None = None
) -> Sequence[PatientConflictRow]:
    """Return the conflicts of a patient that can be seen, oldest first."""
    its = PatientConflictRow.patient_ref == patient_ref
    query = select(PatientConflictRow).where(its, *_in_conflict(org_id, sight))
    return (await session.scalars(query.order_by(PatientConflictRow.id))).all()


async def conflict_counts(
    session: Session, org_id: UUID, patient_refs: Collection[UUID], sight: Sight
) -> dict[UUID, int]:
    """Return how many conflicts of each patient can be seen; patients without any are absent."""
    ref = PatientConflictRow.patient_ref
    still = PatientConflictRow.resolved_at.is_(None)
    mine = (ref.in_(patient_refs), still, *_in_conflict(org_id, sight))
    query = select(ref, func.count()).where(*mine)
    return {found: count for found, count in await session.execute(query.group_by(ref))}


async def page(
    session: Session, conditions: Sequence[ColumnElement[bool]], after: UUID | None, limit: int
) -> Sequence[Patient]:
    """Return patients by our id, newest first."""
    query = select(Patient).where(*conditions).order_by(Patient.id.desc()).limit(limit)
    if after is not None:
        query = query.where(Patient.id < after)
    return (await session.scalars(query)).all()


async def count(session: Session, conditions: Sequence[ColumnElement[bool]]) -> int:
    """Return how many patients meet the conditions."""
    query = select(func.count()).select_from(Patient).where(*conditions)
    return await session.scalar(query) or 0


async def lock(session: Session, org_id: UUID, refs: Collection[UUID]) -> dict[UUID, Patient]:
    """Return patients by our id, locked in a fixed order until the transaction ends."""
    query = select(Patient).where(Patient.org_id == org_id, Patient.id.in_(refs))
    query = query.order_by(Patient.id).with_for_update()
    query = query.execution_options(populate_existing=True)
    return {row.id: row for row in await session.scalars(query)}


async def merged_below(session: Session, org_id: UUID, patient_ref: UUID) -> list[Patient]:
    """Return the patients that were merged into one, directly or by way of others."""
    found: list[Patient] = []
    wanted = [patient_ref]
    while wanted:
        query = select(Patient).where(Patient.org_id == org_id, Patient.merged_into.in_(wanted))
        rows = (await session.scalars(query.order_by(Patient.id))).all()
        found += rows
        wanted = [row.id for row in rows]
    return found


async def conflict(
    session: Session, org_id: UUID, conflict_id: UUID, sight: Sight | None
) -> PatientConflictRow | None:
    """Return a conflict that can be seen."""
    query = select(PatientConflictRow).where(
        PatientConflictRow.id == conflict_id, *_in_conflict(org_id, sight)
    )
    return (await session.scalars(query)).one_or_none()


async def conflict_page(
    session: Session,
    org_id: UUID,
    sight: Sight | None,
    *,
    resolved: bool,
    after: UUID | None,
    limit: int,
) -> Sequence[PatientConflictRow]:
    """Return conflicts that are open, or were decided, newest first."""
    decided = PatientConflictRow.resolved_at
    state = decided.is_not(None) if resolved else decided.is_(None)
    query = select(PatientConflictRow).where(state, *_in_conflict(org_id, sight))
    if after is not None:
        query = query.where(PatientConflictRow.id < after)
    return (await session.scalars(query.order_by(PatientConflictRow.id.desc()).limit(limit))).all()


async def conflicts_of(
    session: Session, org_id: UUID, correction_id: UUID
) -> Sequence[PatientConflictRow]:
    """Return the conflicts that a correction was made for."""
    query = select(PatientConflictRow).where(
        PatientConflictRow.org_id == org_id, PatientConflictRow.correction_id == correction_id
    )
    return (await session.scalars(query)).all()
