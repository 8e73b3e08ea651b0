# SPDX-License-Identifier: Apache-2.0
"""Doors to results; every access is recorded before the first byte leaves."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import Response

from healthvision.domains.analysis import service
from healthvision.domains.analysis.schemas import Comparison, ResultItem, ResultQuery, ResultRead
from healthvision.domains.audit import service as audit
from healthvision.formats.reports.words import Language
from healthvision.kernel.http import SessionDep, database_of, path_uuid, requires, router
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

results = router("/v1/results", "result")
study_results = router("/v1/studies", "result")
Reader = Annotated[Actor, requires("results:read")]
Exporter = Annotated[Actor, requires("results:export")]
_FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            name: {}
            for name in (
                "application/json",
                "text/csv",
                "application/pdf",
                "text/html",
                "application/zip",
                "application/fhir+json",
            )
        },
        "description": "The exported result",
    }
}
_PNG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {}}, "description": "The picture"}
}


@results.get("", summary="Find results")
async def search_results(
    query: Annotated[ResultQuery, Query()], request: Request, actor: Reader, session: SessionDep
) -> Page[ResultItem]:
    """Find results by patient, study, finding, confidence, category, date or application."""
    page = await service.search(session, actor, query)
    detail = {"results": [str(item.id) for item in page.items]}
    await audit.record_read(database_of(request), actor, "analysis.results_listed", detail=detail)
    return page


@results.get("/{result_id}", summary="One result")
async def get_result(
    result_id: str, request: Request, actor: Reader, session: SessionDep
) -> ResultRead:
    """Return the full result with its outputs."""
    found = await service.get_result(session, actor, path_uuid(result_id))
    await _record(request, actor, "analysis.result_read", found.item)
    return found


@results.get("/{result_id}/compare", summary="Compare two versions")
async def compare_results(
    result_id: str,
    request: Request,
    actor: Reader,
    session: SessionDep,
    other: Annotated[UUID, Query(alias="with", description="Id of the other result.")],
) -> Comparison:
    """Return two results of one study and application side by side."""
    found = await service.compare(session, actor, path_uuid(result_id), other)
    await _record(request, actor, "analysis.result_read", found.before)
    await _record(request, actor, "analysis.result_read", found.after)
    return found


@results.get("/{result_id}/export", response_class=Response, responses=_FILES)
async def export_result(
    result_id: str,
    request: Request,
    actor: Exporter,
    format: Annotated[service.ExportFormat, Query()] = "json",
    language: Annotated[Language, Query()] = "both",
) -> Response:
    """Return the result as JSON, CSV, PDF, HTML, DICOM objects (zip) or FHIR R4B bundle."""
    db = database_of(request)
    found = await service.export_result(db, actor, path_uuid(result_id), format, language)
    return await _file(request, actor, result_id, found, "analysis.result_exported")


@results.get("/{result_id}/key-images/{name}", response_class=Response, responses=_PNG)
async def get_key_image(result_id: str, name: str, request: Request, actor: Reader) -> Response:
    """Return one key image of the result as PNG."""
    found = await service.key_image(database_of(request), actor, path_uuid(result_id), name)
    return await _file(request, actor, result_id, found, "analysis.key_image_read")


@study_results.get("/{study_id}/results", summary="Results of a study")
async def list_study_results(
    study_id: str,
    request: Request,
    actor: Reader,
    session: SessionDep,
    current: Annotated[bool, Query(description="False: superseded versions too.")] = True,
) -> list[ResultRead]:
    """Return the results of a study, newest first."""
    found = await service.results_of_study(session, actor, path_uuid(study_id), current=current)
    for read in found:
        await _record(request, actor, "analysis.result_read", read.item)
    return found


async def _record(request: Request, actor: Actor, action: str, item: ResultItem) -> None:
    await audit.record_read(
        database_of(request),
        actor,
        action,
        item.study_id,  # who asks "who saw this study?" must find it
        kind="study",
        patient_id=item.patient_ref,
        space_id=item.space_id,
        detail={"result": str(item.id)},
    )


async def _file(
    request: Request, actor: Actor, result_id: str, found: service.Export, action: str
) -> Response:
    await audit.record_read(
        database_of(request),
        actor,
        action,
        found.study_id,
        kind="study",
        patient_id=found.patient_ref,
        space_id=found.space_id,
        detail={"result": result_id, "file": found.filename, "bytes": len(found.data)},
    )
    headers = {"Content-Disposition": f'attachment; filename="{found.filename}"'}
    return Response(found.data, media_type=found.media_type, headers=headers)
