# SPDX-License-Identifier: Apache-2.0
"""Storage commitment both ways (PS3.4 annex J): asked of us, and asked by us of destinations.

We vouch only for objects that are in the archive, in a space the asker may see, whose bytes have
a digest and are not known to be damaged; the archive answers a sender only when both are durable.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from healthvision.domains.archive import service as archive
from healthvision.domains.audit import service as audit
from healthvision.domains.integration import commitment_rows, couriers, destination_rows
from healthvision.domains.integration.errors import (
    BadCommitment,
    DestinationNotFound,
    PushNotFound,
)
from healthvision.domains.integration.ports import Committer, PushFailed, Way
from healthvision.domains.integration.settings import IntegrationSettings
from healthvision.domains.integration.tables import Commitment, Push
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.formats.dicom.commitments import (
    CLASS_CONFLICT,
    NO_SUCH_OBJECT,
    CommitmentReport,
    CommitmentRequest,
    Reference,
)
from healthvision.kernel import jobs
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Database, Session
from healthvision.kernel.security import Actor
from healthvision.kernel.telemetry import logger

TELL, EXPIRE = "integration.tell_commitment", "integration.expire_commitment"
DELAYS_S = (10, 60, 300, 900, 3600)
GRACE_S = 5.0  # time for a report on the association of the request
_log = logger("integration.committing")

# Asked of us


async def begin(
    session: Session,
    actor: Actor,
    space: SpaceRead,
    request: CommitmentRequest,
    *,
    ours: str,
    peer: str,
) -> UUID:
    """Keep a request and plan its report on a new association; returns its id.

    The same transaction UID of the same asker is the same request: it is told once more. Raises
    BadCommitment.
    """
    row = await commitment_rows.find(session, actor.org_id, peer, request.transaction_uid)
    if row is not None and row.push_id is not None:
        raise BadCommitment("the transaction UID is one of ours")
    if row is None:
        row = Commitment(
            id=new_id(),
            org_id=actor.org_id,
            push_id=None,
            space_id=space.id,
            transaction_uid=request.transaction_uid,
            peer=peer,
            ours=ours,
            objects=[],
            missing=[],
            attempts=0,
        )
        session.add(row)
    row.objects = [list(r) for r in request.references]
    row.state, row.ended_at, row.ours, row.space_id = "waiting", None, ours, space.id
    row.attempts = 1
    await session.flush()
    await _plan(session, row, GRACE_S)
    await audit.record(
        session,
        actor,
        "integration.commitment_asked",
        row.id,
        kind="commitment",
        space_id=space.id,
        detail={"count": len(request.references)},
    )
    return row.id


async def _plan(session: Session, row: Commitment, delay_s: float) -> None:
    payload = {"org_id": str(row.org_id), "commitment_id": str(row.id)}
    job_id = f"tell:{row.id}:{new_id()}"
    await jobs.enqueue(session, TELL, payload, job_id=job_id, delay_s=delay_s)


async def report_of(session: Session, actor: Actor, wanted: UUID) -> CommitmentReport | None:
    """Return what is to be reported of a request that waits; None when it was told already."""
    row = await commitment_rows.get(session, actor.org_id, wanted)
    if row is None or row.state != "waiting" or row.space_id is None:
        return None
    references = [(str(one[0]), str(one[1])) for one in row.objects]
    held = await archive.held_in(session, actor, row.space_id, [uid for _, uid in references])
    return judge(row.transaction_uid, references, held)


def judge(
    transaction_uid: str, references: Sequence[Reference], held: dict[str, archive.Held]
) -> CommitmentReport:
    """Return for which objects we vouch."""
    stored: list[Reference] = []
    failed: list[tuple[Reference, int]] = []
    for reference in dict.fromkeys(references):
        found = held.get(reference[1])
        if found is None:
            failed.append((reference, NO_SUCH_OBJECT))
        elif found.sop_class_uid != reference[0]:
            failed.append((reference, CLASS_CONFLICT))
        else:
            stored.append(reference)
    return CommitmentReport(transaction_uid, tuple(stored), tuple(failed))


async def told(session: Session, actor: Actor, wanted: UUID, report: CommitmentReport) -> None:
    """Note that the asker has its report."""
    row = await commitment_rows.get(session, actor.org_id, wanted)
    if row is None or row.state != "waiting":
        return
    row.state, row.ended_at = "told", now()
    row.missing = [[*reference, reason] for reference, reason in report.failed]
    await audit.record(
        session,
        actor,
        "integration.commitment_told",
        row.id,
        kind="commitment",
        space_id=row.space_id,
        detail={"stored": len(report.stored), "failed": len(report.failed)},
    )


async def tell(db: Database, org_id: UUID, wanted: UUID) -> None:
    """Bring a report to its asker on a new association, or plan the next try."""
    actor = Actor.system(org_id)
    async with db.reading() as session:
        report = await report_of(session, actor, wanted)
        row = await commitment_rows.get(session, org_id, wanted)
    if report is None or row is None:
        return
    committer: Any = couriers.find(db.resources, "dicom")
    try:
        await committer.tell(Way(db, actor), row.ours, row.peer, report)
    except PushFailed as failure:
        await _not_told(db, row, failure.reason)
        return
    async with db.transaction() as session:
        await told(session, actor, wanted, report)


async def _not_told(db: Database, known: Commitment, reason: str) -> None:
    async with db.transaction() as session:
        row = await commitment_rows.get(session, known.org_id, known.id)
        if row is None or row.state != "waiting":
            return
        row.attempts += 1
        over = row.attempts > IntegrationSettings().commitment_tries
        _log.warning("a report was not told", commitment=str(row.id), reason=reason, over=over)
        if over:
            row.state, row.ended_at = "dead", now()
            return
        await _plan(session, row, float(DELAYS_S[min(row.attempts - 1, len(DELAYS_S)) - 1]))


# Asked by us


async def ask(db: Database, org_id: UUID, push_id: UUID) -> None:
    """Ask a destination to vouch for what a push sent; raises PushFailed."""
    actor = Actor.system(org_id)
    async with db.transaction() as session:
        try:
            push = await destination_rows.push(session, org_id, push_id)
            parent = await destination_rows.destination(session, org_id, push.destination_id)
        except (PushNotFound, DestinationNotFound):
            return
        if push.commitment != "asked":
            return
        courier, config = couriers.opened(db.resources, parent)
        committer: Committer = courier  # type: ignore[assignment]
        request = await _request(session, push, committer.titles(config))
    report = await committer.ask(Way(db, actor), config, request)
    if report is not None:
        peer = committer.titles(config)[1]
        async with db.transaction() as session:
            await reported(session, actor, peer, report)


async def _request(session: Session, push: Push, titles: tuple[str, str]) -> CommitmentRequest:
    """Return the request of a push; written down before it leaves, with a time to wait."""
    sent = await destination_rows.objects(session, push.org_id, push.id, ("sent", "known"))
    references = tuple((o.sop_class_uid, o.sop_uid) for o in sent)
    row = Commitment(
        id=new_id(),
        org_id=push.org_id,
        push_id=push.id,
        space_id=None,
        transaction_uid=f"2.25.{new_id().int}",
        ours=titles[0],
        peer=titles[1],
        objects=[list(r) for r in references],
        missing=[],
        attempts=1,
        state="waiting",
    )
    session.add(row)
    await session.flush()
    payload = {"org_id": str(row.org_id), "commitment_id": str(row.id)}
    wait = IntegrationSettings().commitment_wait_s
    await jobs.enqueue(session, EXPIRE, payload, job_id=f"expire:{row.id}", delay_s=wait)
    return CommitmentRequest(row.transaction_uid, references)


async def reported(session: Session, actor: Actor, peer: str, report: CommitmentReport) -> bool:
    """Take a destination's report; False when we asked no such thing of this AE."""
    row = await commitment_rows.find(session, actor.org_id, peer, report.transaction_uid)
    if row is None or row.push_id is None:
        return False
    if row.state in ("told",):
        return True
    asked = {str(o[1]) for o in row.objects}
    missing = [(r, reason) for r, reason in report.failed if r[1] in asked]
    unsaid = asked - {r[1] for r in report.stored} - {r[1] for r, _ in missing}
    row.state, row.ended_at = "told", now()
    row.missing = [[*r, reason] for r, reason in missing]
    push = await destination_rows.push(session, actor.org_id, row.push_id)
    push.commitment = "refused" if missing or unsaid else "confirmed"
    outcomes = [(r[1], "missing", f"not committed: {reason:04X}") for r, reason in missing]
    outcomes += [(uid, "missing", "not committed: not named") for uid in sorted(unsaid)]
    await destination_rows.mark(session, push, outcomes, now())
    if outcomes:
        push.state, push.sent = "partly", max(0, push.sent - len(outcomes))
        push.refused += len(outcomes)
    await session.flush()
    await audit.record(
        session,
        actor,
        "integration.commitment_reported",
        push.id,
        kind="push",
        detail={"stored": len(report.stored), "missing": len(outcomes)},
    )
    return True


async def expire(session: Session, org_id: UUID, wanted: UUID) -> None:
    """Note that a destination's report did not come in time."""
    row = await commitment_rows.get(session, org_id, wanted)
    if row is None or row.state != "waiting" or row.push_id is None:
        return
    row.state, row.ended_at = "unanswered", now()
    push = await destination_rows.push(session, org_id, row.push_id)
    if push.commitment == "asked":
        push.commitment = "unanswered"


async def not_asked(session: Session, org_id: UUID, push_id: UUID) -> None:
    """Note that a destination could not be asked at all."""
    try:
        push = await destination_rows.push(session, org_id, push_id)
    except PushNotFound:
        return
    if push.commitment == "asked":
        push.commitment = "unanswered"
