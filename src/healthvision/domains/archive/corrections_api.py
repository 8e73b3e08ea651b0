# SPDX-License-Identifier: Apache-2.0
"""Routes of corrections, their histories, and of what objects disagree about."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import StreamingResponse

from healthvision.domains.archive import service
from healthvision.domains.archive.correcting.corrections_schemas import (
    ConflictDecision,
    CorrectionRead,
    HeldNoteRead,
    PatientEdit,
    PatientMerge,
    SeriesEdit,
    StudyEdit,
    StudyMove,
    StudyReject,
    StudySplit,
    Undo,
)
from healthvision.domains.audit import service as audit
from healthvision.domains.patients.schemas import OpenConflict
from healthvision.kernel.db import Session
from healthvision.kernel.http import SessionDep, database_of, path_uuid, requires, router
from healthvision.kernel.paging import DEFAULT_LIMIT, Limit
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

patients = router("/v1/patients", "image")
studies = router("/v1/studies", "image")
series = router("/v1/series", "image")
instances = router("/v1/instances", "image")
corrections = router("/v1/corrections", "image")
conflicts = router("/v1/conflicts", "image")
notes = router("/v1/rejection-notes", "image")
Corrector = Annotated[Actor, requires("studies:correct")]
Reader = Annotated[Actor, requires("studies:read")]
PatientReader = Annotated[Actor, requires("patients:read")]
Keeper = Annotated[Actor, requires("studies:original")]
Rows = Annotated[Limit, Query()]
_DICOM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The object as it was received",
        "content": {"application/dicom": {"schema": {"type": "string", "format": "binary"}}},
    }
}


async def _study_seen(
    request: Request, session: Session, actor: Actor, action: str, study_id: UUID, **detail: str
) -> None:
    """Note a look at a study's corrections; who asks for its patient must find it."""
    patient = await service.patient_of(session, actor, study_id)
    db = database_of(request)
    await audit.record_read(
        db, actor, action, study_id, kind="study", patient_id=patient, detail=detail or None
    )


async def _patient_seen(
    request: Request, actor: Actor, action: str, ref: UUID | None, **detail: str
) -> None:
    """Note a look at a patient's corrections."""
    db = database_of(request)
    await audit.record_read(
        db, actor, action, ref, kind="patient", patient_id=ref, detail=detail or None
    )


@patients.post("/{patient_ref}/merge", status_code=201)
async def merge_patient(
    patient_ref: str, wanted: PatientMerge, actor: Corrector, session: SessionDep
) -> CorrectionRead:
    """Say that this patient is another one; new objects of it belong to that one, too."""
    return await service.merge_patients(session, actor, path_uuid(patient_ref), wanted)


@patients.post("/{patient_ref}/edit", status_code=201)
async def edit_patient(
    patient_ref: str, wanted: PatientEdit, actor: Corrector, session: SessionDep
) -> CorrectionRead:
    """Correct attributes of a patient in all studies."""
    return await service.edit_patient(session, actor, path_uuid(patient_ref), wanted)


@patients.get("/{patient_ref}/history")
async def get_patient_history(
    request: Request,
    patient_ref: str,
    actor: PatientReader,
    session: SessionDep,
    cursor: str | None = None,
    limit: Rows = DEFAULT_LIMIT,
) -> Page[CorrectionRead]:
    """List what was corrected about a patient, newest first."""
    ref = path_uuid(patient_ref)
    page = await service.patient_history(session, actor, ref, cursor=cursor, limit=limit)
    await _patient_seen(request, actor, "archive.history_read", ref)
    return page


@studies.post("/{study_id}/move", status_code=201)
async def move_study(
    study_id: str, wanted: StudyMove, actor: Corrector, session: SessionDep
) -> CorrectionRead:
    """Say that a study is of another patient."""
    return await service.move_study(session, actor, path_uuid(study_id), wanted)


@studies.post("/{study_id}/split", status_code=201)
async def split_study(
    study_id: str, wanted: StudySplit, actor: Corrector, session: SessionDep
) -> CorrectionRead:
    """Let some series of a study belong to another one, or to a new one."""
    return await service.split_study(session, actor, path_uuid(study_id), wanted)


@studies.post("/{study_id}/edit", status_code=201)
async def edit_study(
    study_id: str, wanted: StudyEdit, actor: Corrector, session: SessionDep
) -> CorrectionRead:
    """Correct attributes of a study."""
    return await service.edit_study(session, actor, path_uuid(study_id), wanted)


@studies.post("/{study_id}/reject", status_code=201)
async def reject_study(
    study_id: str, wanted: StudyReject, actor: Corrector, session: SessionDep
) -> CorrectionRead:
    """Take a study, or some series or objects of it, out of use."""
    return await service.reject(session, actor, path_uuid(study_id), wanted)


@studies.get("/{study_id}/history")
async def get_study_history(
    request: Request,
    study_id: str,
    actor: Reader,
    session: SessionDep,
    cursor: str | None = None,
    limit: Rows = DEFAULT_LIMIT,
) -> Page[CorrectionRead]:
    """List what was corrected about a study and its patient, newest first."""
    wanted = path_uuid(study_id)
    page = await service.study_history(session, actor, wanted, cursor=cursor, limit=limit)
    await _study_seen(request, session, actor, "archive.history_read", wanted)
    return page


@series.post("/{series_id}/edit", status_code=201)
async def edit_series(
    series_id: str, wanted: SeriesEdit, actor: Corrector, session: SessionDep
) -> CorrectionRead:
    """Correct attributes of a series."""
    return await service.edit_series(session, actor, path_uuid(series_id), wanted)


@instances.get("/{instance_id}/original", response_class=StreamingResponse, responses=_DICOM)
async def get_original_instance(
    request: Request, instance_id: str, actor: Keeper
) -> StreamingResponse:
    """Get an object as it was received, also one that is not shown."""
    found = await service.open_received(database_of(request), actor, path_uuid(instance_id))
    headers = {
        "Content-Length": str(found.size),
        "Content-Disposition": "attachment",
        "X-Content-SHA256": found.sha256,
    }
    return StreamingResponse(found.stream, media_type=found.content_type, headers=headers)


@corrections.get("/{correction_id}")
async def get_correction(
    request: Request, correction_id: str, actor: Reader, session: SessionDep
) -> CorrectionRead:
    """Get a correction."""
    found = await service.get_correction(session, actor, path_uuid(correction_id))
    action, one = "archive.correction_read", str(found.id)
    if found.study_id is None:
        await _patient_seen(request, actor, action, found.patient_ref, correction=one)
    else:
        await _study_seen(request, session, actor, action, found.study_id, correction=one)
    return found


@corrections.post("/{correction_id}/undo")
async def undo_correction(
    correction_id: str, why: Undo, actor: Corrector, session: SessionDep
) -> CorrectionRead:
    """Take a correction back; it stays in the history."""
    return await service.undo(session, actor, path_uuid(correction_id), why)


@conflicts.get("")
async def list_conflicts(
    request: Request,
    actor: PatientReader,
    session: SessionDep,
    resolved: bool = False,
    cursor: str | None = None,
    limit: Rows = DEFAULT_LIMIT,
) -> Page[OpenConflict]:
    """List what objects disagree about, newest first."""
    page = await service.open_conflicts(
        session, actor, resolved=resolved, cursor=cursor, limit=limit
    )
    detail = {"patients": [str(c.patient_ref) for c in page.items]}
    await audit.record_read(database_of(request), actor, "patients.conflicts_listed", detail=detail)
    return page


@conflicts.post("/{conflict_id}/resolve")
async def resolve_conflict(
    conflict_id: str, decision: ConflictDecision, actor: Corrector, session: SessionDep
) -> OpenConflict:
    """Decide what is right: what is kept, or the other value, by a correction."""
    return await service.decide(session, actor, path_uuid(conflict_id), decision)


@notes.get("")
async def list_rejection_notes(
    request: Request,
    actor: Corrector,
    session: SessionDep,
    decided: bool = False,
    cursor: str | None = None,
    limit: Rows = DEFAULT_LIMIT,
) -> Page[HeldNoteRead]:
    """List rejection notes of senders that wait for a person, newest first."""
    page = await service.held_notes(session, actor, decided=decided, cursor=cursor, limit=limit)
    db, action = database_of(request), "archive.rejection_notes_listed"
    detail = {"studies": sorted({str(n.study.id) for n in page.items})}
    await audit.record_read(db, actor, action, detail=detail)
    return page
