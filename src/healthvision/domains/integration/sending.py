# SPDX-License-Identifier: Apache-2.0
"""One run of a push: claimed by a lease, planned once, sent in parts, each receipt written.

A run that dies is taken over when its lease is over; what was acknowledged is not sent again.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from uuid import UUID

from pydantic import BaseModel

from healthvision.domains.archive import service as archive
from healthvision.domains.archive.schemas import InstanceRef
from healthvision.domains.integration import couriers, destination_rows
from healthvision.domains.integration.choosing import choose
from healthvision.domains.integration.errors import DestinationNotFound, PushNotFound
from healthvision.domains.integration.events import PushEnded
from healthvision.domains.integration.ports import Courier, Parcel, PushFailed, Receipt, Way
from healthvision.domains.integration.pushing import QUEUE, enqueue
from healthvision.domains.integration.schemas import Profile
from healthvision.domains.integration.settings import IntegrationSettings
from healthvision.domains.integration.tables import Destination, Push, PushedObject
from healthvision.formats.dicom.binary_seg import as_binary
from healthvision.formats.dicom.part10 import EXPLICIT_LE
from healthvision.kernel import jobs
from healthvision.kernel.apart import ChildProcesses
from healthvision.kernel.clock import monotonic, now
from healthvision.kernel.db import Database, DatabaseUnavailable, Session
from healthvision.kernel.errors import Problem
from healthvision.kernel.events import publish
from healthvision.kernel.security import Actor
from healthvision.kernel.telemetry import logger

COMMIT = "integration.ask_commitment"
DELAYS_S = (10, 30, 60, 300, 900, 1800, 3600)
LEASE_S, _RENEW_S, _OCCUPIED_S = 30.0, 8.0, 15.0
_PART_OBJECTS, _PART_BYTES = 300, 64 << 20
_WRITE_OBJECTS, _WRITE_S = 20, 0.5
_log = logger("integration.sending")

__all__ = ["COMMIT", "QUEUE", "run"]


class LeaseLost(Exception):
    """Somebody else works on this push now."""


@dataclass(slots=True)
class _Run:
    """One run: what it works with, and how many receipts it got."""

    db: Database
    push: Push
    destination: Destination
    actor: Actor
    receipts: int = 0
    children: list[ChildProcesses] = field(default_factory=list)


async def run(db: Database, org_id: UUID, push_id: UUID, lease: str) -> None:
    """Work on a push until it is over, or put its next try off."""
    async with db.transaction() as session:
        until = now() + timedelta(seconds=LEASE_S)
        claimed = await destination_rows.claim(session, org_id, push_id, lease, until)
        try:
            push = await destination_rows.push(session, org_id, push_id)
            parent = await destination_rows.destination(session, org_id, push.destination_id)
        except (PushNotFound, DestinationNotFound):
            return
        if not claimed:
            await _come_again(session, push)
            return
    work = _Run(db, push, parent, Actor.system(org_id, on_behalf_of=push.requested_by or None))
    over = asyncio.Event()
    holding = asyncio.create_task(_hold(work, over))
    try:
        await _attempt(work)
    except LeaseLost:
        _log.warning("a delivery was taken over", push=str(push_id))
    except PushFailed as failure:
        await _put_off(work, failure.reason, permanent=failure.permanent)
    except DatabaseUnavailable:
        raise
    except Problem as problem:
        await _put_off(work, f"{problem.code}: {problem.detail}", permanent=not problem.retry)
    finally:
        over.set()
        await holding
        for one in work.children:
            one.close()


async def _hold(work: _Run, over: asyncio.Event) -> None:
    """Renew the lease while one large object takes long."""
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(_RENEW_S):
                await over.wait()
                return
        try:
            async with work.db.transaction() as session:
                await _keep(session, work)
        except LeaseLost:
            return  # the next write of the run meets it, too
        except Problem as problem:
            _log.warning("a lease was not renewed", push=str(work.push.id), problem=problem.code)


async def _come_again(session: Session, push: Push) -> None:
    """Look again later: whoever holds the lease may be dead."""
    if push.state == "sending":
        push.tries += 1
        await session.flush()
        await enqueue(session, push, _OCCUPIED_S)


async def _attempt(work: _Run) -> None:
    if not work.destination.enabled:
        raise PushFailed("the destination is switched off", permanent=True)
    refs = await _planned(work)
    async with work.db.reading() as session:
        waiting = await destination_rows.objects(
            session, work.push.org_id, work.push.id, ("waiting",)
        )
    courier, config = couriers.opened(work.db.resources, work.destination)
    for part in _parts(waiting, refs):
        await _send_part(work, courier, config, part, refs)
    await _finish(work, courier)


async def _planned(work: _Run) -> dict[UUID, InstanceRef]:
    """Return the study's instances by id; the first run writes down what is to be sent."""
    push = work.push
    async with work.db.reading() as session:
        found = await archive.study_instances(session, work.actor, push.study_id)
    found = await archive.corrected(work.db, found)
    refs = {ref.id: ref for ref in found}
    if push.planned:
        return refs
    chosen = choose(found, Profile.model_validate(push.profile), push.task_id)
    async with work.db.transaction() as session:
        done: set[tuple[str, str]] = set()
        if not push.again:
            done = await destination_rows.acknowledged(
                session, push.org_id, push.destination_id, [c.sop_uid for c in chosen]
            )
        for one in {c.sop_uid: c for c in chosen}.values():
            digest = one.ref.digest
            session.add(
                PushedObject(
                    org_id=push.org_id,
                    push_id=push.id,
                    destination_id=push.destination_id,
                    instance_id=one.ref.id,
                    sop_class_uid=one.sop_class_uid,
                    sop_uid=one.sop_uid,
                    variant=one.variant,
                    sha256=digest,
                    state="known" if (one.sop_uid, digest) in done else "waiting",
                    reason="",
                )
            )
        await session.flush()
        await _keep(session, work, total=len({c.sop_uid for c in chosen}), planned=True)
    return refs


async def _keep(session: Session, work: _Run, **values: object) -> None:
    """Write values and hold the lease longer; raises LeaseLost."""
    longer = {"lease_until": now() + timedelta(seconds=LEASE_S)}
    held = await destination_rows.keep(session, work.push, {**longer, **values})
    if not held:
        raise LeaseLost


def _parts(
    waiting: Sequence[PushedObject], refs: dict[UUID, InstanceRef]
) -> list[list[PushedObject]]:
    """Cut the objects into parts, each one association or a few requests long."""
    parts: list[list[PushedObject]] = []
    size = 0
    for one in waiting:
        turned = refs[one.instance_id].size if _is_turned(one, refs) else 0
        if not parts or len(parts[-1]) >= _PART_OBJECTS or size + turned > _PART_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(one)
        size += turned
    return parts


def _is_turned(one: PushedObject, refs: dict[UUID, InstanceRef]) -> bool:
    return one.variant != "stored" and one.instance_id in refs


async def _send_part(
    work: _Run,
    courier: Courier,
    config: BaseModel,
    part: list[PushedObject],
    refs: dict[UUID, InstanceRef],
) -> None:
    gone = [o.sop_uid for o in part if o.instance_id not in refs]
    if gone:
        await _write(work, [Receipt(uid, False, "no longer in the archive") for uid in gone])
    part = [o for o in part if o.instance_id in refs]
    if not part:
        return
    used = [refs[o.instance_id] for o in part]
    await archive.record_access(work.db, work.actor, used, action="archive.pixels_sent")
    parcels = [await _parcel(work, o, refs[o.instance_id]) for o in part]
    stream = courier.send(Way(work.db, work.actor), config, parcels)
    unanswered = await _receipts(work, stream, {o.sop_uid for o in part})
    if unanswered:
        raise PushFailed(f"no answer for {len(unanswered)} objects")


async def _receipts(
    work: _Run, stream: AsyncGenerator[Receipt, None], expected: set[str]
) -> set[str]:
    """Write receipts as they come; returns the UIDs without one."""
    held: list[Receipt] = []
    written = monotonic()
    try:
        async with aclosing(stream) as receipts:
            async for receipt in receipts:
                if receipt.sop_uid not in expected:
                    continue
                expected.discard(receipt.sop_uid)
                held.append(receipt)
                if len(held) >= _WRITE_OBJECTS or monotonic() > written + _WRITE_S:
                    await _write(work, held)
                    held, written = [], monotonic()
    except (PushFailed, Problem, LeaseLost):
        raise
    except Exception as error:  # the border of a plugin
        _log.exception("courier broken", kind=work.destination.kind)
        raise PushFailed(f"the plugin raised {type(error).__name__}") from error
    finally:
        if held:
            await _write(work, held)
    return expected


async def _write(work: _Run, receipts: list[Receipt]) -> None:
    outcomes = [(r.sop_uid, "sent" if r.taken else "refused", r.reason[:200]) for r in receipts]
    async with work.db.transaction() as session:
        await destination_rows.mark(session, work.push, outcomes, now())
        states = await destination_rows.counts(session, work.push)
        sent = states.get("sent", 0) + states.get("known", 0)
        await _keep(session, work, sent=sent, refused=states.get("refused", 0))
    work.receipts += len(receipts)


async def _parcel(work: _Run, one: PushedObject, ref: InstanceRef) -> Parcel:
    if one.variant == "stored":
        read = partial(archive.open_bytes, work.db, ref)
        return Parcel(
            ref.sop_class_uid, ref.sop_uid, ref.transfer_syntax, ref.study_uid, ref.size, read
        )
    if not work.children:
        work.children.append(ChildProcesses(1))
    stored = await archive.read_bytes(work.db, ref)
    data = await work.children[0].run(as_binary, stored)
    read_turned = partial(_once, data)
    return Parcel(
        one.sop_class_uid, one.sop_uid, EXPLICIT_LE, ref.study_uid, len(data), read_turned
    )


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _finish(work: _Run, courier: Courier) -> None:
    push = work.push
    asks = work.destination.commit and hasattr(courier, "ask")
    async with work.db.transaction() as session:
        states = await destination_rows.counts(session, push)
        sent = states.get("sent", 0) + states.get("known", 0)
        refused = states.get("refused", 0)
        state = "partly" if refused else "done"
        asks = asks and states.get("sent", 0) > 0
        await _keep(
            session,
            work,
            state=state,
            sent=sent,
            refused=refused,
            last_error="",
            lease_until=None,
            ended_at=now(),
            commitment="asked" if asks else "none",
        )
        if asks:
            payload = {"org_id": str(push.org_id), "push_id": str(push.id)}
            job_id = f"commit:{push.id}:{push.tries}"
            await jobs.enqueue(session, COMMIT, payload, job_id=job_id)
        await _tell(session, work, state, sent, refused)


async def _tell(session: Session, work: _Run, state: str, sent: int, refused: int) -> None:
    event = PushEnded(
        org_id=work.push.org_id,
        subject=work.push.id,
        destination_id=work.push.destination_id,
        study_id=work.push.study_id,
        state=state,
        sent=sent,
        refused=refused,
    )
    await publish(session, work.actor, event)


async def _put_off(work: _Run, reason: str, *, permanent: bool) -> None:
    """Write why a try failed, and when the next one is; or give up."""
    push = work.push
    attempts = 1 if work.receipts else push.attempts + 1
    over = permanent or attempts >= IntegrationSettings().push_tries
    delay = float(DELAYS_S[min(attempts, len(DELAYS_S)) - 1])
    values: dict[str, object] = {
        "attempts": attempts,
        "last_error": reason[:300],
        "tries": push.tries + 1,
        "lease_until": None,
        "state": "dead" if over else "waiting",
        "next_at": None if over else now() + timedelta(seconds=delay),
        "ended_at": now() if over else None,
    }
    _log.warning("a delivery failed", push=str(push.id), attempts=attempts, over=over)
    async with work.db.transaction() as session:
        if not await destination_rows.keep(session, push, values):
            return
        if over:
            row = await destination_rows.push(session, push.org_id, push.id)
            await _tell(session, work, "dead", row.sent, row.refused)
            return
        push.tries += 1
        await enqueue(session, push, delay)
