# SPDX-License-Identifier: Apache-2.0
"""Doors to the worklist and to verdicts; reports have their own in ``report_api.py``."""

from typing import Annotated, Any

from fastapi import Header, Query, Request
from fastapi.responses import StreamingResponse

from healthvision.domains.audit import service as audit
from healthvision.domains.reading import service
from healthvision.domains.reading.schemas import WorklistCounts, WorklistPage, WorklistQuery
from healthvision.domains.reading.verdict_schemas import (
    AgreementQuery,
    AgreementReport,
    ResultVerdicts,
    VerdictCreate,
    VerdictQuery,
    VerdictRead,
)
from healthvision.kernel.http import (
    SessionDep,
    database_of,
    path_uuid,
    renewal_of,
    requires,
    router,
)
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

worklist = router("/v1/worklist", "reading")
result_verdicts = router("/v1/results", "reading")
verdicts = router("/v1/verdicts", "reading")
statistics = router("/v1/statistics", "reading")
_READ = "reading:read"
Lister = Annotated[Actor, requires(_READ)]
Reader = Annotated[Actor, requires("verdicts:read")]
Judge = Annotated[Actor, requires("verdicts:write")]
Analyst = Annotated[Actor, requires("statistics:read")]
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": "Server-sent events"}
}


@worklist.get("", summary="The worklist")
async def search_worklist(
    query: Annotated[WorklistQuery, Query()], request: Request, actor: Lister, session: SessionDep
) -> WorklistPage:
    """List studies, STAT first, with what the AI says, verdicts, reports and the time left."""
    page = await service.search_worklist(session, actor, query)
    detail = {"studies": [str(item.study_id) for item in page.items]}
    await audit.record_read(database_of(request), actor, "reading.worklist_read", detail=detail)
    return page


@worklist.get("/counts", summary="Counts of the worklist")
async def count_worklist(actor: Lister, session: SessionDep) -> WorklistCounts:
    """Count the caller's studies by tab and state."""
    return await service.counts(session, actor)


@worklist.get("/events", response_class=StreamingResponse, responses=_EVENTS)
async def watch_worklist(
    request: Request,
    actor: Lister,
    last_event_id: Annotated[int, Header(ge=0, le=2**62)] = 0,
) -> StreamingResponse:
    """Stream rows of the worklist as they change; resumes after ``Last-Event-ID``."""
    db = database_of(request)
    await audit.record_read(db, actor, "reading.worklist_watched")
    again = renewal_of(request, _READ)
    stream = service.worklist_events(db, actor, last_event_id, again)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


@result_verdicts.post("/{result_id}/verdicts", status_code=201, summary="Judge a result")
async def give_verdict(
    result_id: str, new: VerdictCreate, actor: Judge, session: SessionDep
) -> VerdictRead:
    """Accept, reject or modify a finding or the whole result; replaces one's earlier verdict."""
    return await service.give(session, actor, path_uuid(result_id), new)


@result_verdicts.get("/{result_id}/verdicts", summary="Verdicts on a result")
async def list_result_verdicts(
    result_id: str, request: Request, actor: Reader, session: SessionDep
) -> ResultVerdicts:
    """Return all readers' verdicts on a result, with what was replaced or taken back."""
    found = await service.of_result(session, actor, path_uuid(result_id))
    await audit.record_read(
        database_of(request),
        actor,
        "reading.verdicts_read",
        found.study_id,  # who asks "who saw this study?" must find it
        kind="study",
        patient_id=found.patient_ref,
        space_id=found.space_id,
        detail={"result": str(found.said.result_id)},
    )
    return found.said


@verdicts.get("", summary="Find verdicts")
async def search_verdicts(
    query: Annotated[VerdictQuery, Query()], request: Request, actor: Reader, session: SessionDep
) -> Page[VerdictRead]:
    """Find verdicts by study, application version, decision, time or reader."""
    page = await service.search_verdicts(session, actor, query)
    detail = {"verdicts": [str(item.id) for item in page.items]}
    await audit.record_read(database_of(request), actor, "reading.verdicts_listed", detail=detail)
    return page


@verdicts.delete("/{verdict_id}", summary="Take a verdict back")
async def withdraw_verdict(verdict_id: str, actor: Judge, session: SessionDep) -> VerdictRead:
    """End one's own verdict; the finding is unjudged again, the history stays."""
    return await service.withdraw(session, actor, path_uuid(verdict_id))


@statistics.get("/agreement", summary="Agreement of doctors with the AI")
async def get_agreement(
    query: Annotated[AgreementQuery, Query()], actor: Analyst, session: SessionDep
) -> AgreementReport:
    """Count accepted, rejected and modified findings per application version, with intervals."""
    return await service.agreement(session, actor, query)
