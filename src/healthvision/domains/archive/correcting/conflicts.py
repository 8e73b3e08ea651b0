# SPDX-License-Identifier: Apache-2.0
"""What objects disagree about, decided by corrections; nothing is overwritten in silence."""

from uuid import UUID

from healthvision.domains.archive import repository
from healthvision.domains.archive.correcting.corrections import edit_patient, move_study
from healthvision.domains.archive.correcting.corrections_schemas import (
    ConflictDecision,
    PatientEdit,
    StudyMove,
)
from healthvision.domains.archive.errors import CorrectionBlocked
from healthvision.domains.patients import service as patients
from healthvision.domains.patients.errors import ConflictResolved
from healthvision.domains.patients.schemas import OpenConflict
from healthvision.domains.patients.service import PatientQuery
from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor


async def decide(
    session: Session, actor: Actor, conflict_id: UUID, decision: ConflictDecision
) -> OpenConflict:
    """Settle a conflict: what is kept stays, or the other value is made right by a correction.

    'other' edits the patient; where the other value is a patient id, the study goes to the patient
    of that id. Raises ConflictNotFound, ConflictResolved, CorrectionBlocked, and what these raise.
    """
    conflict = await patients.find_conflict(session, actor, conflict_id)
    if conflict.resolved_at is not None:
        raise ConflictResolved("somebody decided about this before")
    made = None
    if decision.take == "other":
        made = await _make_right(session, actor, conflict, decision.reason)
    return await patients.settle_conflict(session, actor, conflict_id, decision.take, made)


async def _make_right(session: Session, actor: Actor, conflict: OpenConflict, reason: str) -> UUID:
    if conflict.attribute != "patient_id":
        wanted = PatientEdit.model_validate({conflict.attribute: conflict.other, "reason": reason})
        standing = await patients.standing(session, actor, conflict.patient_ref)
        return (await edit_patient(session, actor, standing.ref, wanted)).id
    study = await repository.lock_study(session, actor.org_id, conflict.source)
    query = PatientQuery(patient_id=conflict.other, limit=2)
    found = (await patients.find(session, actor, query)).items
    if study is None or len(found) != 1:
        raise CorrectionBlocked(
            "which patient is meant is not certain: move the study to the right one yourself"
        )
    move = StudyMove(patient=found[0].id, reason=reason)
    return (await move_study(session, actor, study.id, move)).id
