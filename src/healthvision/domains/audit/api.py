# SPDX-License-Identifier: Apache-2.0
"""``/v1/audit``: the log for those who may read it. Reading the log is itself recorded."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Request
from fastapi.responses import Response

from healthvision.domains.audit import service
from healthvision.domains.audit.schemas import (
    ActionRead,
    AuditEventRead,
    Category,
    ComplianceReport,
    EventFilter,
    InclusionProof,
    Outcome,
    SecurityEvent,
    VerifyReport,
    Viewer,
)
from healthvision.kernel.errors import Forbidden, Invalid
from healthvision.kernel.http import SessionDep, database_of, requires, router
from healthvision.kernel.paging import DEFAULT_LIMIT, Limit
from healthvision.kernel.schemas import Moment, Page
from healthvision.kernel.security import Actor

audit_router = router("/v1/audit", "system")
Reader = Annotated[Actor, requires("audit:read")]
# Said literally among an actor's permissions: '*' is everything of one organisation only.
INSTALLATION_ADMIN = "installation:admin"
Word = Annotated[str, Query(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
ActionName = Annotated[str, Query(max_length=100, pattern=r"^[A-Za-z0-9_.*-]+$")]
Since = Annotated[Moment, Query(alias="from", description="Start of the period.")]
Until = Annotated[Moment, Query(alias="to", description="End of the period, excluded.")]
MaybeSince = Annotated[Moment | None, Query(alias="from", description="Period start.")]
MaybeUntil = Annotated[Moment | None, Query(alias="to", description="Its end, excluded.")]
CSV_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {}}, "description": "CSV with a header line"}
}


class AuditPeriodInvalid(Invalid):
    """The period ends before it starts."""

    code, title = "audit-period", "Period not valid"


def _wanted(
    user_id: UUID | None = None,
    actor_id: Word | None = None,
    patient_id: UUID | None = None,
    study_id: UUID | None = None,
    subject: Word | None = None,
    space_id: UUID | None = None,
    action: ActionName | None = None,
    outcome: Outcome | None = None,
    category: Category | None = None,
    since: MaybeSince = None,
    until: MaybeUntil = None,
) -> EventFilter:
    if since is not None and until is not None and until < since:
        raise AuditPeriodInvalid("to: lies before from")
    return EventFilter(
        user_id=user_id,
        actor_id=actor_id,
        patient_id=patient_id,
        subject=str(study_id) if study_id is not None else subject,
        space_id=space_id,
        action=action,
        outcome=outcome,
        category=category,
        since=since,
        until=until,
    )


Wanted = Annotated[EventFilter, Depends(_wanted)]


def _period(since: Since, until: Until) -> EventFilter:
    return _wanted(since=since, until=until)


Period = Annotated[EventFilter, Depends(_period)]


async def _viewed(request: Request, actor: Actor, what: str, wanted: EventFilter) -> None:
    detail = wanted.model_dump(mode="json", exclude_none=True)
    await service.record_read(database_of(request), actor, f"audit.{what}", detail=detail)


@audit_router.get("/events")
async def list_events(
    request: Request,
    actor: Reader,
    session: SessionDep,
    wanted: Wanted,
    cursor: Annotated[str | None, Query(max_length=300)] = None,
    limit: Limit = DEFAULT_LIMIT,
    total: bool = False,
) -> Page[AuditEventRead]:
    """List events, newest first."""
    await _viewed(request, actor, "events_read", wanted)
    return await service.list_events(
        session, actor, wanted, cursor=cursor, limit=limit, with_total=total
    )


@audit_router.get("/actions")
async def list_audit_actions(actor: Reader) -> list[ActionRead]:
    """List the acts that the log knows, in words of both languages."""
    return service.list_actions()


@audit_router.get("/events.csv", response_class=Response, responses=CSV_ANSWER)
async def export_events(
    request: Request, actor: Reader, session: SessionDep, wanted: Wanted
) -> Response:
    """Export events as CSV, newest first."""
    text = await service.export_csv(session, actor, wanted)
    await _viewed(request, actor, "log_exported", wanted)
    headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


@audit_router.get("/access-log")
async def access_log(
    request: Request,
    actor: Reader,
    session: SessionDep,
    wanted: Wanted,
    cursor: Annotated[str | None, Query(max_length=300)] = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[AuditEventRead]:
    """List accesses to patient data, newest first."""
    await _viewed(request, actor, "access_log_read", wanted)
    accesses = wanted.model_copy(update={"category": "access"})
    return await service.list_events(session, actor, accesses, cursor=cursor, limit=limit)


@audit_router.get("/operation-log")
async def operation_log(
    request: Request,
    actor: Reader,
    session: SessionDep,
    wanted: Wanted,
    cursor: Annotated[str | None, Query(max_length=300)] = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[AuditEventRead]:
    """List changes with the values before and after, newest first."""
    await _viewed(request, actor, "operation_log_read", wanted)
    changes = wanted.model_copy(update={"category": "change"})
    return await service.list_events(session, actor, changes, cursor=cursor, limit=limit)


@audit_router.get("/viewers")
async def viewers(
    request: Request, actor: Reader, session: SessionDep, wanted: Wanted
) -> list[Viewer]:
    """Tell who saw or exported a study (``study_id``) or a patient (``patient_id``)."""
    if wanted.subject is None and wanted.patient_id is None:
        raise AuditPeriodInvalid("study_id or patient_id is needed")
    await _viewed(request, actor, "viewers_read", wanted)
    return await service.who_saw(session, actor, wanted)


@audit_router.get("/security-events")
async def security_events(
    request: Request, actor: Reader, session: SessionDep, period: Period
) -> list[SecurityEvent]:
    """List lock-outs, failed logins, attempts on other tenants, mass export and access."""
    await _viewed(request, actor, "security_events_read", period)
    assert period.since is not None and period.until is not None
    return await service.security_events(session, actor, period.since, period.until)


@audit_router.get("/compliance-report")
async def compliance_report(
    request: Request, actor: Reader, session: SessionDep, period: Period
) -> ComplianceReport:
    """Report a period: accesses, refusals, exports, changes, and whether the log is whole."""
    await _viewed(request, actor, "compliance_report_made", period)
    assert period.since is not None and period.until is not None
    db = database_of(request)
    report = await service.compliance_report(db, session, actor, period.since, period.until)
    if INSTALLATION_ADMIN in actor.permissions:
        return report
    hidden = report.verification.for_organisation()
    return report.model_copy(update={"verification": hidden})


@audit_router.get("/verify")
async def verify(
    request: Request, actor: Reader, session: SessionDep, full: bool = False
) -> VerifyReport:
    """Check the log against the heads outside the database; ``full``: from the first event.

    The log is one for all organisations: ``full`` and the counts need ``installation:admin``.
    """
    everything = INSTALLATION_ADMIN in actor.permissions
    if full and not everything:
        raise Forbidden(f"a full check needs {INSTALLATION_ADMIN}")
    db = database_of(request)
    await service.record_read(db, actor, "audit.log_verified", detail={"full": full})
    after = 0 if full else await service.recent_start(session)
    report = await service.verify(db, after=after)
    return report if everything else report.for_organisation()


@audit_router.get("/proof/{event_id}")
async def prove(
    event_id: UUID, request: Request, actor: Reader, session: SessionDep
) -> InclusionProof:
    """Prove that an event is in the signed log."""
    db = database_of(request)
    proof = await service.prove(db, session, actor, event_id)
    await service.record_read(db, actor, "audit.proof_read", event_id)
    return proof
