# SPDX-License-Identifier: Apache-2.0
"""What was corrected: one by one, of a study, of a patient."""

from uuid import UUID

from sqlalchemy import ColumnElement, exists

from healthvision.domains.archive.correcting.corrections_schemas import CorrectionRead
from healthvision.domains.archive.errors import CorrectionNotFound, StudyNotFound
from healthvision.domains.archive.records import corrections_rows
from healthvision.domains.archive.records.corrections_state import assigned_of, home_of
from healthvision.domains.archive.retrieving.reading import visible_study
from healthvision.domains.archive.tables import CorrectionRow, Study, StudySpaceRow
from healthvision.domains.patients import service as patients
from healthvision.domains.patients.errors import PatientNotFound
from healthvision.domains.spaces import service as spaces
from healthvision.kernel.db import Session
from healthvision.kernel.paging import cursor_id, next_id
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor


async def visible_correction(session: Session, actor: Actor, correction_id: UUID) -> CorrectionRow:
    """Return a correction of something the actor sees; raises CorrectionNotFound."""
    row = await corrections_rows.find(session, actor.org_id, correction_id)
    if row is not None:
        for study_id in (row.study_id, row.other_study_id):
            if study_id is not None and await _sees_study(session, actor, study_id):
                return row
        if row.study_id is None and row.patient_ref is not None:
            for ref in (row.patient_ref, row.other_patient_ref):
                if ref is not None and await _sees_patient(session, actor, ref):
                    return row
    raise CorrectionNotFound("there is no such correction")


async def _sees_study(session: Session, actor: Actor, study_id: UUID) -> bool:
    try:
        await visible_study(session, actor, study_id)
    except StudyNotFound:
        return False
    return True


async def _sees_patient(session: Session, actor: Actor, patient_ref: UUID) -> bool:
    try:
        await patients.get(session, actor, patient_ref)
    except PatientNotFound:
        return False
    return True


async def get_correction(session: Session, actor: Actor, correction_id: UUID) -> CorrectionRead:
    """Return a correction; raises CorrectionNotFound."""
    row = await visible_correction(session, actor, correction_id)
    return CorrectionRead.model_validate(row)


async def study_history(
    session: Session, actor: Actor, study_id: UUID, *, cursor: str | None, limit: int
) -> Page[CorrectionRead]:
    """Return what was corrected about a study and its patient, newest first."""
    study = await visible_study(session, actor, study_id)
    series = [s.id for s in await corrections_rows.series_of(session, actor.org_id, study_id)]
    made = await corrections_rows.counting(session, actor.org_id, study_id, series)
    refs = {study.patient_ref, home_of(study), assigned_of(study, made)}
    mine = corrections_rows.concerning_study(actor.org_id, study_id, series, refs)
    return await _page(session, mine, cursor, limit)


async def patient_history(
    session: Session, actor: Actor, patient_ref: UUID, *, cursor: str | None, limit: int
) -> Page[CorrectionRead]:
    """Return what was corrected about a patient and in studies the actor may read, newest first."""
    patient = await patients.get(session, actor, patient_ref)
    mine = {s.id for s in await spaces.visible(session, actor)}
    readable: ColumnElement[bool] = exists().where(
        StudySpaceRow.study_id == CorrectionRow.study_id,
        StudySpaceRow.space_id.in_(mine),
        Study.id == CorrectionRow.study_id,
        Study.deleted_at.is_(None),
    )
    conditions = corrections_rows.concerning_patient(actor.org_id, patient.id, readable)
    return await _page(session, conditions, cursor, limit)


async def _page(
    session: Session, conditions: list[ColumnElement[bool]], cursor: str | None, limit: int
) -> Page[CorrectionRead]:
    rows = await corrections_rows.page(session, conditions, cursor_id(cursor), limit + 1)
    return Page[CorrectionRead](
        items=[CorrectionRead.model_validate(row) for row in rows[:limit]],
        next=next_id(rows, limit),
        total=None,
    )
