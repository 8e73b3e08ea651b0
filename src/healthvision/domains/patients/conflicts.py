# SPDX-License-Identifier: Apache-2.0
"""What objects disagree about: listed until somebody decides."""

from typing import Literal
from uuid import UUID

from healthvision.domains.patients import repository
from healthvision.domains.patients.errors import ConflictNotFound, ConflictResolved
from healthvision.domains.patients.ports import PatientSight, Sight
from healthvision.domains.patients.schemas import OpenConflict
from healthvision.domains.patients.tables import PatientConflictRow
from healthvision.kernel.clock import now
from healthvision.kernel.db import Session, resources_of
from healthvision.kernel.paging import cursor_id, next_id
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

Resolution = Literal["kept", "other"]


async def _sight(session: Session, actor: Actor) -> Sight | None:
    found = resources_of(session).get(PatientSight)  # type: ignore[type-abstract]
    return await found.sight(session, actor)


async def open_conflicts(
    session: Session, actor: Actor, *, resolved: bool, cursor: str | None, limit: int
) -> Page[OpenConflict]:
    """Return one page of conflicts the actor may know of, newest first."""
    rows = await repository.conflict_page(
        session,
        actor.org_id,
        await _sight(session, actor),
        resolved=resolved,
        after=cursor_id(cursor),
        limit=limit + 1,
    )
    return Page[OpenConflict](
        items=[OpenConflict.model_validate(row) for row in rows[:limit]],
        next=next_id(rows, limit),
        total=None,
    )


async def _row(session: Session, actor: Actor, conflict_id: UUID) -> PatientConflictRow:
    row = await repository.conflict(
        session, actor.org_id, conflict_id, await _sight(session, actor)
    )
    if row is None:
        raise ConflictNotFound("there is no such conflict")
    return row


async def find_conflict(session: Session, actor: Actor, conflict_id: UUID) -> OpenConflict:
    """Return a conflict; raises ConflictNotFound."""
    return OpenConflict.model_validate(await _row(session, actor, conflict_id))


async def settle_conflict(
    session: Session,
    actor: Actor,
    conflict_id: UUID,
    resolution: Resolution,
    correction_id: UUID | None,
) -> OpenConflict:
    """Note what was decided; raises ConflictNotFound, ConflictResolved."""
    row = await _row(session, actor, conflict_id)
    if row.resolved_at is not None:
        raise ConflictResolved("somebody decided about this before")
    patient = (await repository.lock(session, actor.org_id, {row.patient_ref}))[row.patient_ref]
    patient.conflict_count = max(0, patient.conflict_count - 1)
    row.resolved_at, row.resolved_by = now(), f"{actor.kind}:{actor.id}"
    row.resolution, row.correction_id = resolution, correction_id
    await session.flush()
    return OpenConflict.model_validate(row)


async def reopen_conflict(session: Session, actor: Actor, correction_id: UUID) -> None:
    """Forget the decisions that a correction, which is taken back, was made for."""
    for row in await repository.conflicts_of(session, actor.org_id, correction_id):
        patient = (await repository.lock(session, actor.org_id, {row.patient_ref}))[row.patient_ref]
        patient.conflict_count += 1
        row.resolved_at = row.resolved_by = row.resolution = row.correction_id = None
    await session.flush()
