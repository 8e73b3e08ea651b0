# SPDX-License-Identifier: Apache-2.0
"""Routes of studies, series and instances; every access is audited before the answer leaves."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import StreamingResponse

from healthvision.domains.archive import service
from healthvision.domains.archive.keeping.exporting import Format
from healthvision.domains.archive.schemas import (
    ArchiveLimits,
    ArchiveQuery,
    InstanceRead,
    Integrity,
    SeriesRead,
    SpaceAdd,
    StudyChange,
    StudyClose,
    StudyDetail,
    StudyRead,
)
from healthvision.domains.audit import service as audit
from healthvision.kernel.db import Session
from healthvision.kernel.http import (
    OwnRoute,
    SessionDep,
    database_of,
    path_uuid,
    requires,
    router,
)
from healthvision.kernel.paging import DEFAULT_LIMIT, Limit
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

studies = router("/v1/studies", "image")
closings = router("/v1/studies", "image", OwnRoute)
series = router("/v1/series", "image")
instances = router("/v1/instances", "image")
archive = router("/v1/archive", "image")
Reader = Annotated[Actor, requires("studies:read")]
Writer = Annotated[Actor, requires("studies:write")]
Deleter = Annotated[Actor, requires("studies:delete")]
Holder = Annotated[Actor, requires("studies:hold")]
Exporter = Annotated[Actor, requires("studies:export", budget="presigned")]
Text = Annotated[str, Query(max_length=200)]
_ZIP: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The zip",
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    }
}


async def _seen(request: Request, actor: Actor, study_id: UUID, patient: UUID | None) -> None:
    """Note that the caller is told of a study; ``patient``: whose it is."""
    db, action = database_of(request), "archive.study_read"
    await audit.record_read(db, actor, action, study_id, kind="study", patient_id=patient)


async def _part_seen(request: Request, session: Session, actor: Actor, study_id: UUID) -> None:
    """Note that the caller is told of a part of a study that does not name the patient."""
    await _seen(request, actor, study_id, await service.patient_of(session, actor, study_id))


@studies.get("")
async def list_studies(
    request: Request,
    actor: Reader,
    session: SessionDep,
    patient_id: Text = "",
    patient_name: Text = "",
    study_date: Annotated[str, Query(max_length=17, description="YYYYMMDD or a-b")] = "",
    accession_number: Text = "",
    modality: Text = "",
    study_uid: Text = "",
    space: Annotated[str | None, Query(max_length=100, description="Slug or id.")] = None,
    cursor: str | None = None,
    limit: Annotated[Limit, Query()] = DEFAULT_LIMIT,
) -> Page[StudyRead]:
    """Find studies in one space, or in all that the caller may read."""
    wanted = {
        "PatientID": patient_id,
        "PatientName": patient_name,
        "StudyDate": study_date,
        "AccessionNumber": accession_number,
        "ModalitiesInStudy": modality,
        "StudyInstanceUID": study_uid,
    }
    filters = {k: v for k, v in wanted.items() if v}
    query = ArchiveQuery(filters, fuzzy=True, limit=limit, cursor=cursor, with_total=True)
    page = await service.list_studies(session, actor, query, space=space)
    detail = {"studies": [str(s.id) for s in page.items], "keys": sorted(filters)}
    await audit.record_read(database_of(request), actor, "archive.studies_listed", detail=detail)
    return page


@studies.get("/limits")
async def get_limits(actor: Reader) -> ArchiveLimits:
    """Get the published limits of what comes in."""
    return service.limits()


@studies.get("/{study_id}")
async def get_study(
    request: Request, study_id: str, actor: Reader, session: SessionDep
) -> StudyDetail:
    """Get a study with its series and its spaces."""
    found = await service.get_study(session, actor, path_uuid(study_id))
    await _seen(request, actor, found.id, found.patient_ref)
    return found


@studies.patch("/{study_id}")
async def change_study(
    study_id: str, change: StudyChange, actor: Holder, session: SessionDep
) -> StudyDetail:
    """Set or lift a legal hold or a retention time."""
    return await service.change_study(session, actor, path_uuid(study_id), change)


@studies.delete("/{study_id}", status_code=204)
async def delete_study(study_id: str, actor: Deleter, session: SessionDep) -> None:
    """Delete a study: nobody sees it from now on; its bytes are purged later."""
    await service.delete_study(session, actor, path_uuid(study_id))


@closings.post("/{study_id}/close")
async def close_study(
    request: Request, study_id: str, end: StudyClose, actor: Writer
) -> StudyDetail:
    """Say that no more instances of the study will come, so that analysis starts at once.

    A small study is complete with the answer; a large one within moments.
    """
    db, wanted = database_of(request), path_uuid(study_id)
    async with db.transaction() as session:
        await service.close_study(session, actor, wanted, end.space)
    await service.finish_small_study(db, actor.org_id, wanted)
    async with db.reading() as session:
        found = await service.get_study(session, actor, wanted)
    await _seen(request, actor, wanted, found.patient_ref)
    return found


@archive.get("/integrity")
async def get_integrity(actor: Holder, session: SessionDep) -> Integrity:
    """Get how much is stored in series objects, what was checked, and what is damaged."""
    return await service.integrity(session, actor)


@studies.post("/{study_id}/spaces")
async def add_to_space(
    study_id: str, place: SpaceAdd, actor: Writer, session: SessionDep
) -> StudyDetail:
    """Show a study in a further space."""
    return await service.add_to_space(session, actor, path_uuid(study_id), place.space)


@studies.delete("/{study_id}/spaces/{space}", status_code=204)
async def remove_from_space(study_id: str, space: str, actor: Writer, session: SessionDep) -> None:
    """Take a study out of a space; the last one cannot be left."""
    await service.remove_from_space(session, actor, path_uuid(study_id), space)


@studies.get("/{study_id}/instances")
async def list_instances(
    request: Request,
    study_id: str,
    actor: Reader,
    session: SessionDep,
    conflicts_only: bool = False,
) -> Page[InstanceRead]:
    """List the instances of a study, also those kept out of sight by a conflict."""
    found = await service.list_instances(
        session, actor, path_uuid(study_id), conflicts_only=conflicts_only
    )
    await _part_seen(request, session, actor, path_uuid(study_id))
    return Page[InstanceRead](items=found, next=None, total=len(found))


@studies.get("/{study_id}/export", response_class=StreamingResponse, responses=_ZIP)
async def export_study(
    request: Request,
    study_id: str,
    actor: Exporter,
    format: Annotated[Format, Query()] = "zip",
) -> StreamingResponse:
    """Get a study as a zip of DICOM files, NIfTI volumes or PNG pictures."""
    wanted = path_uuid(study_id)
    stream = await service.export_study(database_of(request), actor, wanted, format)
    headers = {"Content-Disposition": f'attachment; filename="{wanted}-{format}.zip"'}
    return StreamingResponse(stream, media_type="application/zip", headers=headers)


@series.get("/{series_id}")
async def get_series(
    request: Request, series_id: str, actor: Reader, session: SessionDep
) -> SeriesRead:
    """Get a series."""
    found = await service.get_series(session, actor, path_uuid(series_id))
    await _part_seen(request, session, actor, found.study_id)
    return found


@instances.get("/{instance_id}")
async def get_instance(
    request: Request, instance_id: str, actor: Reader, session: SessionDep
) -> InstanceRead:
    """Get an instance."""
    found = await service.get_instance(session, actor, path_uuid(instance_id))
    await _part_seen(request, session, actor, found.study_id)
    return found


@instances.get("/{instance_id}/metadata")
async def get_instance_metadata(
    request: Request, instance_id: str, actor: Reader, session: SessionDep
) -> dict[str, Any]:
    """Get the DICOM JSON of an instance, without bulk values."""
    found = await service.get_instance(session, actor, path_uuid(instance_id))
    json = await service.get_instance_json(session, actor, found.id)
    await _part_seen(request, session, actor, found.study_id)
    return json
