# SPDX-License-Identifier: Apache-2.0
"""Doors to tasks, rules and batches; results have their own in ``result_api.py``."""

import asyncio
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Header, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from healthvision.clinical.result import Priority
from healthvision.domains.analysis import service
from healthvision.domains.analysis.schemas import (
    AnalysisLimits,
    BatchCreate,
    BatchRead,
    DeadlineQuery,
    DeadlineReport,
    DryRunRead,
    RuleAttribute,
    RuleChange,
    RuleCreate,
    RuleDryRun,
    RuleRead,
    TaskChange,
    TaskCreate,
    TaskRead,
    TaskState,
)
from healthvision.domains.analysis.streams import record_task_look, task_events
from healthvision.domains.archive import service as archive
from healthvision.domains.audit import service as audit
from healthvision.formats.reports.words import Language
from healthvision.kernel.http import (
    SessionDep,
    check_if_match,
    database_of,
    path_uuid,
    renewal_of,
    requires,
    router,
)
from healthvision.kernel.paging import DEFAULT_LIMIT, Limit
from healthvision.kernel.schemas import Moment, Page
from healthvision.kernel.security import Actor

tasks = router("/v1/tasks", "analysis")
rules = router("/v1/rules", "analysis")
batches = router("/v1/batches", "analysis")
limits = router("/v1/analysis", "analysis")
Reader = Annotated[Actor, requires("analysis:read")]
Runner = Annotated[Actor, requires("analysis:run")]
Manager = Annotated[Actor, requires("analysis:manage")]
ResultReader = Annotated[Actor, requires("results:read")]
Cursor = Annotated[str | None, Query(max_length=400)]
PageSize = Annotated[Limit, Query()]
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": "Server-sent events"}
}
_SUMMARY: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"application/json": {}, "application/pdf": {}, "text/csv": {}, "text/html": {}},
        "description": "The merged summary",
    }
}


@limits.get("/limits", summary="Published limits of analysis")
async def get_analysis_limits(actor: Reader, session: SessionDep) -> AnalysisLimits:
    """Return the maximum of open tasks, the batch size and the deadlines."""
    return await service.limits(session, actor)


@limits.get("/deadlines", summary="How deadlines were kept")
async def get_deadlines(
    query: Annotated[DeadlineQuery, Query()], actor: Reader, session: SessionDep
) -> DeadlineReport:
    """Count tasks kept, missed and still running per day and priority, at most 92 days."""
    return await service.deadlines(session, actor, query)


@tasks.post(
    "",
    status_code=201,
    summary="Analyse a study",
    responses={200: {"model": TaskRead, "description": "An equal task exists already"}},
)
async def create_task(new: TaskCreate, actor: Runner, session: SessionDep) -> Response:
    """Submit a study; an equal task is returned (200) unless ``force`` asks for a repeat."""
    found = await service.submit(session, actor, new)
    if not found.created:  # nothing changes, and still the caller is told of a study
        await audit.record(
            session,
            actor,
            "analysis.task_read",
            found.task.study_id,
            kind="study",
            patient_id=await archive.patient_of(session, actor, found.task.study_id),
            space_id=found.task.space_id,
            detail={"task": str(found.task.id)},
            category="access",
        )
    body = found.task.model_dump(mode="json")
    where = {"Location": f"/v1/tasks/{found.task.id}"}
    return JSONResponse(body, 201 if found.created else 200, where)


@tasks.get("", summary="Analysis tasks")
async def list_tasks(
    request: Request,
    actor: Reader,
    session: SessionDep,
    study: UUID | None = None,
    state: TaskState | None = None,
    application: Annotated[str | None, Query(max_length=64)] = None,
    priority: Priority | None = None,
    late: Annotated[bool | None, Query(description="Whether the deadline was missed.")] = None,
    due_from: Annotated[Moment | None, Query(description="Deadline from then on.")] = None,
    due_before: Annotated[Moment | None, Query(description="Deadline before.")] = None,
    cursor: Cursor = None,
    limit: PageSize = DEFAULT_LIMIT,
) -> Page[TaskRead]:
    """List tasks, newest first."""
    filters = {
        "study_id": study,
        "state": state,
        "application_id": application,
        "priority": None if priority is None else priority.value,
        "deadline_missed": late,
        "due_from": due_from,
        "due_before": due_before,
    }
    page = await service.list_tasks(session, actor, filters, cursor=cursor, limit=limit)
    detail = {"studies": [str(task.study_id) for task in page.items]}
    await audit.record_look(database_of(request), actor, "analysis.tasks_listed", detail=detail)
    return page


@tasks.get("/{task_id}", summary="One analysis task")
async def get_task(task_id: str, request: Request, actor: Reader, session: SessionDep) -> TaskRead:
    """Return state, progress and time left of a task."""
    found = await service.get_task(session, actor, path_uuid(task_id))
    patient = await archive.patient_of(session, actor, found.study_id)
    await record_task_look(database_of(request), actor, found, patient)
    return found


@tasks.patch("/{task_id}", summary="Change the priority of a waiting task")
async def change_task(
    task_id: str, change: TaskChange, actor: Runner, session: SessionDep
) -> TaskRead:
    """Raise or lower a waiting task, e.g. to STAT."""
    return await service.change_task(session, actor, path_uuid(task_id), change)


@tasks.post("/{task_id}/cancel", summary="Cancel a task")
async def cancel_task(task_id: str, actor: Runner, session: SessionDep) -> TaskRead:
    """Cancel a waiting or running task."""
    return await service.cancel_task(session, actor, path_uuid(task_id))


@tasks.post("/{task_id}/retry", summary="Run a failed or cancelled task again")
async def retry_task(task_id: str, actor: Runner, session: SessionDep) -> TaskRead:
    """Put a failed or cancelled task back into its queue."""
    return await service.retry_task(session, actor, path_uuid(task_id))


@tasks.get("/{task_id}/events", response_class=StreamingResponse, responses=_EVENTS)
async def watch_task(
    task_id: str,
    request: Request,
    actor: Reader,
    session: SessionDep,
    last_event_id: Annotated[int, Header(ge=0, le=2**31)] = 0,
) -> StreamingResponse:
    """Stream the task's state until its end; resumes after ``Last-Event-ID``."""
    task = await service.get_task(session, actor, path_uuid(task_id))
    again = renewal_of(request, "analysis:read")
    stream = task_events(database_of(request), actor, task.id, last_event_id, again)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


@rules.get("/attributes", summary="Attributes a rule may use")
async def list_rule_attributes(actor: Reader) -> list[RuleAttribute]:
    """Return names and types; ``has_<name>`` tells whether an attribute is there."""
    return service.rule_attributes()


@rules.post("/dry-run", summary="Try a rule on stored studies")
async def dry_run_rule(
    wish: RuleDryRun, request: Request, actor: Manager, session: SessionDep
) -> DryRunRead:
    """Tell what a rule would have done; nothing is submitted."""
    found = await service.dry_run(session, actor, wish)
    detail = {"studies": found.studies, "matched": found.matched}
    await audit.record(session, actor, "analysis.rule_tried", kind="rule", detail=detail)
    return found


@rules.post("", status_code=201, summary="Make a rule")
async def create_rule(new: RuleCreate, actor: Manager, session: SessionDep) -> RuleRead:
    """Save a rule after compiling it and running its tests."""
    return await service.create_rule(session, actor, new)


@rules.get("", summary="Rules")
async def list_rules(
    actor: Reader, session: SessionDep, space: Annotated[str | None, Query(max_length=100)] = None
) -> list[RuleRead]:
    """List the rules of one space or of all visible ones."""
    return await service.list_rules(session, actor, space)


@rules.get("/{rule_id}", summary="One rule")
async def get_rule(rule_id: str, actor: Reader, session: SessionDep) -> RuleRead:
    """Return a rule."""
    return await service.get_rule(session, actor, path_uuid(rule_id))


@rules.patch("/{rule_id}", summary="Change a rule")
async def change_rule(
    rule_id: str, change: RuleChange, request: Request, actor: Manager, session: SessionDep
) -> RuleRead:
    """Change a rule; it is compiled and tested like a new one."""
    check_if_match(request, await service.get_rule(session, actor, path_uuid(rule_id)))
    return await service.change_rule(session, actor, path_uuid(rule_id), change)


@rules.delete("/{rule_id}", status_code=204, summary="Remove a rule")
async def delete_rule(rule_id: str, actor: Manager, session: SessionDep) -> None:
    """Remove a rule; the default rule of a space is switched off instead."""
    await service.delete_rule(session, actor, path_uuid(rule_id))


@batches.post("", status_code=201, summary="Analyse up to 100 studies")
async def create_batch(new: BatchCreate, actor: Runner, session: SessionDep) -> BatchRead:
    """Submit studies together; broken ones are named in the answer and in the summary."""
    return await service.create_batch(session, actor, new)


@batches.get("", summary="Batches")
async def list_batches(
    request: Request,
    actor: Reader,
    session: SessionDep,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Page[BatchRead]:
    """List batches, newest first."""
    page = await service.list_batches(session, actor, cursor=cursor, limit=limit)
    detail = {"batches": [str(batch.id) for batch in page.items]}
    await audit.record_look(database_of(request), actor, "analysis.batches_listed", detail=detail)
    return page


@batches.get("/{batch_id}", summary="One batch")
async def get_batch(
    batch_id: str, request: Request, actor: Reader, session: SessionDep
) -> BatchRead:
    """Return a batch with the state of each study."""
    found = await service.get_batch(session, actor, path_uuid(batch_id))
    detail = {"studies": sorted(str(item.study_id) for item in found.items)}
    await audit.record_look(
        database_of(request), actor, "analysis.batch_read", found.id, kind="batch", detail=detail
    )
    return found


@batches.get("/{batch_id}/summary", response_class=Response, responses=_SUMMARY)
async def get_batch_summary(
    batch_id: str,
    request: Request,
    actor: ResultReader,
    session: SessionDep,
    format: Annotated[Literal["json", "csv", "pdf", "html"], Query()] = "json",
    language: Annotated[Language, Query()] = "both",
) -> Response:
    """Return the merged summary of a finished batch; studies that failed are named."""
    items = await service.summary_items(session, actor, path_uuid(batch_id))
    await audit.record_read(
        database_of(request), actor, "analysis.batch_read", path_uuid(batch_id), kind="batch"
    )
    if format == "json":
        return JSONResponse(service.summary_document(items))
    if format == "csv":
        return Response("\ufeff" + service.summary_csv(items), media_type="text/csv; charset=utf-8")
    if format == "html":
        page = await asyncio.to_thread(service.summary_html, items, language)
        return Response(page, media_type="text/html")
    printed = await asyncio.to_thread(service.summary_pdf, items, language)
    return Response(printed, media_type="application/pdf")
