# SPDX-License-Identifier: Apache-2.0
"""Verdicts: doctors accept, reject or modify what an application said; nothing is overwritten."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from healthvision.clinical.result import Finding, VerificationState
from healthvision.domains.analysis import service as analysis
from healthvision.domains.analysis.errors import ResultNotFound
from healthvision.domains.analysis.schemas import ResultRead
from healthvision.domains.audit import service as audit
from healthvision.domains.reading import bands, projecting, verdict_rows
from healthvision.domains.reading.errors import (
    FindingNotFound,
    NotYourVerdict,
    VerdictNotActive,
    VerdictNotFound,
)
from healthvision.domains.reading.events import VerdictGiven, VerdictWithdrawn
from healthvision.domains.reading.persons import name_of, need_person, person_of
from healthvision.domains.reading.tables import VerdictRow
from healthvision.domains.reading.verdict_schemas import (
    FindingChanges,
    ResultVerdicts,
    VerdictCreate,
    VerdictQuery,
    VerdictRead,
)
from healthvision.domains.spaces import service as spaces
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Session
from healthvision.kernel.errors import Conflict
from healthvision.kernel.events import publish
from healthvision.kernel.paging import cursor_id, next_id
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

_STATES = {
    "accept": VerificationState.ACCEPTED,
    "reject": VerificationState.REJECTED,
    "modify": VerificationState.MODIFIED,
}


async def give(session: Session, actor: Actor, result_id: UUID, new: VerdictCreate) -> VerdictRead:
    """Keep a verdict; the reader's earlier one on the same thing ends with it.

    Raises ResultNotFound, FindingNotFound, OnlyPeopleSign, and Conflict when the same reader
    gave another verdict at the same moment.
    """
    reader = need_person(actor)
    read = await analysis.get_result(session, actor, result_id)
    finding = _finding(read, new.tracking_uid)
    before = await verdict_rows.active_of(
        session, actor.org_id, result_id, new.tracking_uid, reader
    )
    if before is not None:
        _end(before, "replaced")
        await session.flush()
    row = _row(actor, read, finding, new)
    row.reader, row.reader_name = reader, await name_of(session, actor)
    row.replaces = None if before is None else before.id
    if not await verdict_rows.insert(session, row):
        raise Conflict("another verdict of yours on this was kept at the same moment; try again")
    event = VerdictGiven(
        org_id=actor.org_id,
        subject=row.id,
        result_id=row.result_id,
        study_id=row.study_id,
        space_id=row.space_id,
        application=row.application_id,
        application_version=row.application_version,
        tracking_uid=row.tracking_uid,
        decision=row.decision,
    )
    await publish(session, actor, event)
    await _record(session, actor, "reading.verdict_given", row)
    await _settle(session, actor, read)
    return verdict_read(row, actor)


def _finding(read: ResultRead, tracking_uid: str) -> Finding | None:
    if not tracking_uid:
        return None
    for finding in read.result.findings:
        if finding.tracking_uid == tracking_uid:
            return finding
    raise FindingNotFound("the result has no finding with this tracking UID")


def _end(row: VerdictRow, reason: str) -> None:
    row.active, row.ended_at, row.end_reason = False, now(), reason


def _row(actor: Actor, read: ResultRead, finding: Finding | None, new: VerdictCreate) -> VerdictRow:
    item = read.item
    size = None if finding is None else bands.size_of(finding)
    confidence = None if finding is None else finding.confidence.value
    changes = new.changes
    return VerdictRow(
        id=new_id(),
        org_id=actor.org_id,
        created_at=now(),
        result_id=item.id,
        study_id=item.study_id,
        space_id=item.space_id,
        patient_ref=item.patient_ref,
        tracking_uid=new.tracking_uid,
        tracking_id="" if finding is None else finding.tracking_id,
        decision=new.decision,
        reason_code=new.reason_code,
        reason=new.reason,
        changes=None if changes is None else changes.model_dump(mode="json", exclude_unset=True),
        active=True,
        ended_at=None,
        end_reason=None,
        application_id=item.application_id,
        application_version=item.application_version,
        result_version=item.version,
        code="" if finding is None else finding.code.value,
        category=item.worst_category if finding is None else bands.category_of(finding),
        confidence=confidence,
        confidence_band=bands.confidence_band(confidence),
        size_mm=size,
        size_band=bands.size_band(size),
    )


async def withdraw(session: Session, actor: Actor, verdict_id: UUID) -> VerdictRead:
    """Take a verdict of one's own back; the thing is unjudged again, the history stays.

    Raises VerdictNotFound, NotYourVerdict, VerdictNotActive.
    """
    reader = need_person(actor)
    row = await verdict_rows.find(session, actor.org_id, verdict_id)
    if row is None:
        raise VerdictNotFound("there is no such verdict")
    read = await _result(session, actor, row)
    if row.reader != reader:
        raise NotYourVerdict("only the reader who gave a verdict takes it back")
    if not row.active:
        raise VerdictNotActive("the verdict was replaced or taken back before")
    _end(row, "withdrawn")
    await session.flush()
    event = VerdictWithdrawn(
        org_id=actor.org_id,
        subject=row.id,
        result_id=row.result_id,
        study_id=row.study_id,
        space_id=row.space_id,
        tracking_uid=row.tracking_uid,
    )
    await publish(session, actor, event)
    await _record(session, actor, "reading.verdict_withdrawn", row)
    await _settle(session, actor, read)
    return verdict_read(row, actor)


async def _result(session: Session, actor: Actor, row: VerdictRow) -> ResultRead:
    try:
        return await analysis.get_result(session, actor, row.result_id)
    except ResultNotFound:
        raise VerdictNotFound("there is no such verdict") from None


async def _settle(session: Session, actor: Actor, read: ResultRead) -> None:
    """Bring the result's state and the worklist in line with the verdicts."""
    rows = await verdict_rows.of_result(session, actor.org_id, read.item.id)
    state = state_of([r for r in rows if r.active], read.result.findings)
    await analysis.set_verification(session, actor, read.item.id, state)
    await session.flush()
    await projecting.refresh(session, actor.org_id, read.item.study_id)


def state_of(active: Sequence[VerdictRow], findings: Sequence[Finding]) -> VerificationState:
    """Return what the verdicts say of the whole result; ``active`` newest first.

    A verdict on the whole result counts for every finding without one of its own. Several
    readers: the newest verdict on each finding counts. Unverified until nothing is unjudged.
    """
    newest: dict[str, str] = {}
    for row in active:
        newest.setdefault(row.tracking_uid, row.decision)
    whole = newest.pop("", None)
    if whole is not None and (not newest or whole == "modify"):
        return _STATES[whole]
    decisions = {newest.get(f.tracking_uid, whole) for f in findings}
    if not decisions or None in decisions:
        return VerificationState.AI_UNVERIFIED
    return _STATES[str(decisions.pop())] if len(decisions) == 1 else VerificationState.MODIFIED


@dataclass(frozen=True, slots=True)
class Judged:
    """What doctors ``said`` of a result, and whose images it is about, for the log."""

    said: ResultVerdicts
    study_id: UUID
    patient_ref: UUID
    space_id: UUID


async def of_result(session: Session, actor: Actor, result_id: UUID) -> Judged:
    """Return what doctors said of a result; raises ResultNotFound."""
    read = await analysis.get_result(session, actor, result_id)
    rows = await verdict_rows.of_result(session, actor.org_id, result_id)
    history = [verdict_read(row, actor) for row in rows]
    said = ResultVerdicts(
        result_id=result_id,
        verification=read.item.verification,
        active=[v for v in history if v.active],
        history=history,
    )
    return Judged(said, read.item.study_id, read.item.patient_ref, read.item.space_id)


async def search(session: Session, actor: Actor, query: VerdictQuery) -> Page[VerdictRead]:
    """Return one page of verdicts in spaces the actor may read, newest first."""
    places = [s.id for s in await spaces.visible(session, actor)]
    rows = await verdict_rows.search(
        session,
        actor.org_id,
        places,
        query,
        person=person_of(actor),
        before=cursor_id(query.cursor),
    )
    items = [verdict_read(row, actor) for row in rows[: query.limit]]
    return Page[VerdictRead](items=items, next=next_id(rows, query.limit), total=None)


def verdict_read(row: VerdictRow, actor: Actor) -> VerdictRead:
    """Return a verdict as a caller gets it."""
    named: dict[str, Any] = {
        "application": row.application_id,
        "mine": row.reader == person_of(actor),
        "changes": None if row.changes is None else FindingChanges.model_validate(row.changes),
    }
    plain = {n: getattr(row, n) for n in VerdictRead.model_fields if n not in named}
    return VerdictRead.model_validate({**plain, **named})


async def _record(session: Session, actor: Actor, action: str, row: VerdictRow) -> None:
    await audit.record(
        session,
        actor,
        action,
        row.id,
        kind="verdict",
        patient_id=row.patient_ref,
        space_id=row.space_id,
        after={
            "result": str(row.result_id),
            "study": str(row.study_id),
            "finding": row.tracking_uid,
            "decision": row.decision,
            "reason_code": row.reason_code,
            "application": f"{row.application_id} {row.application_version}",
        },
    )
