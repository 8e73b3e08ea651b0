# SPDX-License-Identifier: Apache-2.0
"""Doors to reports. The ETag of a report is its revision; a draft is saved with If-Match."""

from typing import Annotated, Any

from fastapi import Header, Query, Request, Response
from fastapi.responses import JSONResponse

from healthvision.domains.archive import service as archive
from healthvision.domains.audit import service as audit
from healthvision.domains.reading import service
from healthvision.domains.reading.errors import MatchNeeded
from healthvision.domains.reading.report_schemas import (
    AddendumCreate,
    Printed,
    ReportContent,
    ReportCreate,
    ReportFormat,
    ReportItem,
    ReportLanguage,
    ReportQuery,
    ReportRead,
    ReportReview,
    SignatureCheck,
)
from healthvision.kernel.errors import PreconditionFailed
from healthvision.kernel.http import SessionDep, database_of, path_uuid, requires, router
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

reports = router("/v1/reports", "report")
study_reports = router("/v1/studies", "report")
Reader = Annotated[Actor, requires("reports:read")]
Writer = Annotated[Actor, requires("reports:write")]
Reviewer = Annotated[Actor, requires("reports:review")]
Exporter = Annotated[Actor, requires("reports:export")]
IfMatch = Annotated[str | None, Header(max_length=200, description="ETag of what was read.")]
_FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            name: {}
            for name in (
                "application/json",
                "application/pdf",
                "application/dicom",
                "application/fhir+json",
            )
        },
        "description": "The signed report",
    }
}


def _tag(report: ReportRead) -> str:
    return f'"{report.id}-{report.revision}"'


def _check(report: ReportRead, if_match: str | None, *, needed: bool = False) -> None:
    if if_match is None:
        if needed:
            raise MatchNeeded("send If-Match with the ETag of the report you read")
        return
    if if_match.strip() != "*" and _tag(report) not in {t.strip() for t in if_match.split(",")}:
        raise PreconditionFailed("the report was changed since you read it")


def _tagged(response: Response, report: ReportRead) -> ReportRead:
    response.headers["ETag"] = _tag(report)
    response.headers["Cache-Control"] = "private, no-cache"
    return report


async def _seen(request: Request, actor: Actor, action: str, found: ReportRead) -> None:
    await audit.record_read(
        database_of(request),
        actor,
        action,
        found.study_id,  # who asks "who saw this study?" must find it
        kind="study",
        patient_id=found.patient_ref,
        space_id=found.space_id,
        detail={"report": str(found.id)},
    )


@reports.post(
    "",
    status_code=201,
    summary="Begin a report",
    responses={200: {"model": ReportRead, "description": "The study has a report already"}},
)
async def create_report(new: ReportCreate, actor: Writer, session: SessionDep) -> Response:
    """Begin the report of a study, prefilled from accepted findings; one per study."""
    found, created = await service.create(session, actor, new)
    headers = {"Location": f"/v1/reports/{found.id}", "ETag": _tag(found)}
    return JSONResponse(found.model_dump(mode="json"), 201 if created else 200, headers)


@reports.get("", summary="Find reports")
async def search_reports(
    query: Annotated[ReportQuery, Query()], request: Request, actor: Reader, session: SessionDep
) -> Page[ReportItem]:
    """Find reports by study, patient, state or person, newest first."""
    page = await service.search_reports(session, actor, query)
    detail = {"reports": [str(item.id) for item in page.items]}
    await audit.record_read(database_of(request), actor, "reading.reports_listed", detail=detail)
    return page


@reports.get("/{report_id}", summary="One report")
async def get_report(
    report_id: str, request: Request, response: Response, actor: Reader, session: SessionDep
) -> ReportRead:
    """Return the working copy and all signed versions."""
    found = await service.get(session, actor, path_uuid(report_id))
    await _seen(request, actor, "reading.report_read", found)
    return _tagged(response, found)


@reports.put("/{report_id}/draft", summary="Save a draft")
async def save_draft(
    report_id: str,
    content: ReportContent,
    response: Response,
    actor: Writer,
    session: SessionDep,
    if_match: IfMatch = None,
) -> ReportRead:
    """Keep the working copy; 412 when it was changed elsewhere since it was read."""
    before = await service.get(session, actor, path_uuid(report_id))
    _check(before, if_match, needed=True)
    return _tagged(response, await service.save_draft(session, actor, before.id, content))


@reports.post("/{report_id}/submit", summary="Submit for review")
async def submit_report(
    report_id: str,
    response: Response,
    actor: Writer,
    session: SessionDep,
    if_match: IfMatch = None,
) -> ReportRead:
    """Give the draft to a second doctor."""
    _check(await service.get(session, actor, path_uuid(report_id)), if_match)
    return _tagged(response, await service.submit(session, actor, path_uuid(report_id)))


@reports.post("/{report_id}/recall", summary="Take a submitted report back")
async def recall_report(
    report_id: str, response: Response, actor: Writer, session: SessionDep
) -> ReportRead:
    """Go on writing a report that nobody reviewed yet."""
    return _tagged(response, await service.recall(session, actor, path_uuid(report_id)))


@reports.post("/{report_id}/take-over", summary="Become the author of a draft")
async def take_over_report(
    report_id: str, response: Response, actor: Writer, session: SessionDep
) -> ReportRead:
    """Go on with the draft of another doctor."""
    return _tagged(response, await service.take_over(session, actor, path_uuid(report_id)))


@reports.post("/{report_id}/review", summary="Review and sign, or give back")
async def review_report(
    report_id: str,
    said: ReportReview,
    response: Response,
    actor: Reviewer,
    session: SessionDep,
    if_match: IfMatch = None,
) -> ReportRead:
    """Sign a submitted report as its second doctor, or give it back with a comment."""
    _check(await service.get(session, actor, path_uuid(report_id)), if_match)
    return _tagged(response, await service.review(session, actor, path_uuid(report_id), said))


@reports.post("/{report_id}/amend", summary="Begin the next version")
async def amend_report(
    report_id: str, response: Response, actor: Writer, session: SessionDep
) -> ReportRead:
    """Open a signed report for its next version; the signed one holds meanwhile."""
    return _tagged(response, await service.amend(session, actor, path_uuid(report_id)))


@reports.post("/{report_id}/addenda", status_code=201, summary="Add to a signed report")
async def add_addendum(
    report_id: str, new: AddendumCreate, response: Response, actor: Writer, session: SessionDep
) -> ReportRead:
    """Add signed text to a final report."""
    return _tagged(response, await service.add_addendum(session, actor, path_uuid(report_id), new))


@reports.post("/{report_id}/prints", status_code=201, summary="Count a print")
async def count_print(report_id: str, actor: Exporter, session: SessionDep) -> Printed:
    """Note that a signed report was printed and return how often."""
    return await service.note_print(session, actor, path_uuid(report_id))


@reports.delete("/{report_id}/draft", status_code=204, summary="Throw a draft away")
async def discard_draft(report_id: str, actor: Writer, session: SessionDep) -> None:
    """Remove a report that was never signed, or the amendment of a signed one."""
    await service.discard(session, actor, path_uuid(report_id))


@reports.get("/{report_id}/signature", summary="Check the signatures")
async def check_signature(report_id: str, actor: Reader, session: SessionDep) -> SignatureCheck:
    """Compute the digests of all signed versions again."""
    return await service.check(session, actor, path_uuid(report_id))


@reports.get("/{report_id}/export", response_class=Response, responses=_FILES)
async def export_report(
    report_id: str,
    request: Request,
    actor: Exporter,
    format: Annotated[ReportFormat, Query()] = "pdf",
    number: Annotated[
        int | None, Query(ge=1, le=100_000, description="Signed entry; default: the newest.")
    ] = None,
    inline: Annotated[bool, Query(description="True: to be shown, not saved.")] = False,
) -> Response:
    """Return a signed report as JSON, PDF, DICOM SR, encapsulated PDF or FHIR R4B bundle."""
    found = await service.export(database_of(request), actor, path_uuid(report_id), format, number)
    await audit.record_read(
        database_of(request),
        actor,
        "reading.report_exported",
        found.study_id,
        kind="study",
        patient_id=found.patient_ref,
        space_id=found.space_id,
        detail={"report": report_id, "file": found.filename, "bytes": len(found.data)},
    )
    kind = "inline" if inline else "attachment"
    headers = {"Content-Disposition": f'{kind}; filename="{found.filename}"'}
    return Response(found.data, media_type=found.media_type, headers=headers)


@study_reports.get("/{study_id}/report", summary="The report of a study")
async def get_study_report(
    study_id: str, request: Request, response: Response, actor: Reader, session: SessionDep
) -> ReportRead:
    """Return the report of a study; 404 when there is none."""
    found = await service.of_study(session, actor, path_uuid(study_id))
    await _seen(request, actor, "reading.report_read", found)
    return _tagged(response, found)


@study_reports.get("/{study_id}/report-prefill", summary="Text to begin a report with")
async def get_report_prefill(
    study_id: str,
    request: Request,
    actor: Writer,
    session: SessionDep,
    language: Annotated[ReportLanguage, Query()] = "zh",
) -> ReportContent:
    """Return findings that doctors accepted or modified, with the guideline's advice."""
    wanted = path_uuid(study_id)
    found = await service.prefilled(session, actor, wanted, language)
    await audit.record_read(
        database_of(request),
        actor,
        "reading.prefill_read",
        wanted,
        kind="study",
        patient_id=await archive.patient_of(session, actor, wanted),
    )
    return found
