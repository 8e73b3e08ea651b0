# SPDX-License-Identifier: Apache-2.0
"""Corrections of what objects say, each a row that can be taken back; bytes are never changed.

Who it is about: ``merge_patients``, ``edit_patient``, ``move_study``. What it says:
``edit_study``, ``edit_series``. Where it belongs: ``split_study``. Whether it may be used:
``reject``. Locks: patients first, then studies in order of their UIDs, as everywhere.
"""

from uuid import UUID

from healthvision.domains.archive.correcting.corrections_making import (
    differing,
    keep,
    new_correction,
    refresh_and_tell,
    series_to_correct,
    study_to_correct,
)
from healthvision.domains.archive.correcting.corrections_schemas import (
    CorrectionRead,
    PatientEdit,
    PatientMerge,
    SeriesEdit,
    StudyEdit,
    StudyMove,
)
from healthvision.domains.archive.errors import CorrectionBlocked, NothingToCorrect
from healthvision.domains.archive.lifecycle.removing import recount_study
from healthvision.domains.archive.records import corrections_rows
from healthvision.domains.archive.records.corrections_state import assigned_of
from healthvision.domains.archive.tables import Study
from healthvision.domains.patients import service as patients
from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor


async def merge_patients(
    session: Session, actor: Actor, patient_ref: UUID, wanted: PatientMerge
) -> CorrectionRead:
    """Let everything of one patient belong to another one, also what comes in later.

    Raises PatientNotFound, PatientMerged.
    """
    one = await patients.get(session, actor, patient_ref)
    other = await patients.get(session, actor, wanted.into)
    await patients.merge(session, actor, one.id, other.id)
    row = new_correction(
        actor,
        "patient_merge",
        wanted.reason,
        before={"patient_id": one.patient_id, "issuer": one.issuer, "name": one.name},
        after={"patient_id": other.patient_id, "issuer": other.issuer, "name": other.name},
        patient_ref=one.id,
        other_patient_ref=other.id,
    )
    await keep(session, actor, row)
    studies = await corrections_rows.lock_studies(
        session, actor.org_id, Study.patient_ref == one.id
    )
    await refresh_and_tell(session, actor, row, studies)
    return CorrectionRead.model_validate(row)


async def edit_patient(
    session: Session, actor: Actor, patient_ref: UUID, wanted: PatientEdit
) -> CorrectionRead:
    """Correct attributes of a patient, in all studies; raises PatientNotFound, NothingToCorrect.

    A merged patient is corrected where it went (CorrectionBlocked).
    """
    patient = await patients.get(session, actor, patient_ref)
    if patient.merged_into is not None:
        raise CorrectionBlocked("the patient was merged: correct the one it was merged into")
    before, after = differing(patient, wanted.model_dump(exclude={"reason"}))
    row = new_correction(
        actor, "patient_edit", wanted.reason, before=before, after=after, patient_ref=patient.id
    )
    await keep(session, actor, row)
    await apply_edits(session, actor, patient.id)
    studies = await corrections_rows.lock_studies(
        session, actor.org_id, Study.patient_ref == patient.id
    )
    await refresh_and_tell(session, actor, row, studies)
    return CorrectionRead.model_validate(row)


async def apply_edits(session: Session, actor: Actor, patient_ref: UUID) -> None:
    """Make a patient what the edits that count say."""
    made = await corrections_rows.edits_of_patient(session, actor.org_id, patient_ref)
    edits = {name: str(value) for c in made for name, value in c.after.items()}
    await patients.set_edits(session, actor, patient_ref, edits)


async def move_study(
    session: Session, actor: Actor, study_id: UUID, wanted: StudyMove
) -> CorrectionRead:
    """Let a study be of another patient; raises StudyNotFound, PatientNotFound."""
    target = await patients.get(session, actor, wanted.patient)
    shown = await patients.hold(session, actor, target.id)
    study = await study_to_correct(session, actor, study_id)
    made = await corrections_rows.counting(session, actor.org_id, study.id, ())
    if assigned_of(study, made) == target.id:
        raise NothingToCorrect("the study is of this patient already")
    row = new_correction(
        actor,
        "study_move",
        wanted.reason,
        before={"patient_id": study.patient_id, "patient_name": study.patient_name},
        after={"patient_id": shown.patient_id, "patient_name": shown.name},
        study_id=study.id,
        patient_ref=study.patient_ref,
        other_patient_ref=target.id,
    )
    await keep(session, actor, row)
    await refresh_and_tell(session, actor, row, [study])
    return CorrectionRead.model_validate(row)


async def edit_study(
    session: Session, actor: Actor, study_id: UUID, wanted: StudyEdit
) -> CorrectionRead:
    """Correct attributes of a study; raises StudyNotFound, NothingToCorrect."""
    study = await study_to_correct(session, actor, study_id)
    before, after = differing(study, wanted.model_dump(exclude={"reason"}))
    row = new_correction(
        actor,
        "study_edit",
        wanted.reason,
        before=before,
        after=after,
        study_id=study.id,
        patient_ref=study.patient_ref,
    )
    await keep(session, actor, row)
    await refresh_and_tell(session, actor, row, [study])
    return CorrectionRead.model_validate(row)


async def edit_series(
    session: Session, actor: Actor, series_id: UUID, wanted: SeriesEdit
) -> CorrectionRead:
    """Correct attributes of a series; raises StudyNotFound, NothingToCorrect."""
    study, series = await series_to_correct(session, actor, series_id)
    before, after = differing(series, wanted.model_dump(exclude={"reason"}))
    row = new_correction(
        actor,
        "series_edit",
        wanted.reason,
        before=before,
        after=after,
        study_id=study.id,
        series_id=series.id,
        patient_ref=study.patient_ref,
    )
    await keep(session, actor, row)
    await refresh_and_tell(session, actor, row, [study])
    await recount_study(session, actor, study)
    return CorrectionRead.model_validate(row)
