# SPDX-License-Identifier: Apache-2.0
"""What causes a push: a result, a complete study, a request. One row and one job per cause.

Our own objects that come back through a PACS have bytes we know, so they cause nothing again.
"""

from uuid import UUID

from healthvision.domains.archive import service as archive
from healthvision.domains.archive.events import StudyComplete
from healthvision.domains.audit import service as audit
from healthvision.domains.integration import destination_rows
from healthvision.domains.integration.destinations import READ, SEND
from healthvision.domains.integration.errors import DestinationOff, PushNotFound, PushRuns
from healthvision.domains.integration.schemas import (
    Profile,
    PushDetail,
    PushedObjectRead,
    PushRead,
    PushState,
    SendRequest,
)
from healthvision.domains.integration.tables import Destination, Push
from healthvision.kernel import jobs
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Session
from healthvision.kernel.events import Envelope
from healthvision.kernel.paging import cursor_id, next_id
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

PUSH, QUEUE = "integration.push", "destinations"
RESULT_TOPIC = "analysis.result_ready.v1"
_NOTHING = Profile(seg="none", sr=False)


async def on_result_ready(session: Session, actor: Actor, event: Envelope) -> None:
    """Send a result's objects to the destinations of its space. Safe to run twice.

    ``event``: of the analysis room (a stranger here), with ``task_id``, ``study_id``,
    ``space_id``.
    """
    study_id, space_id = UUID(event.body["study_id"]), str(event.body["space_id"])
    for row in await destination_rows.destinations(session, actor.org_id):
        profile = Profile.model_validate(row.profile).model_copy(update={"images": False})
        if _hears(row, space_id) and profile != _NOTHING:
            push = _new(row, study_id, f"result:{event.subject}", profile)
            push.task_id = UUID(event.body["task_id"])
            await _queue(session, push)


async def wants_images(session: Session, event: StudyComplete) -> bool:
    """Tell a publisher whether any destination takes the images of a complete study."""
    rows = await destination_rows.destinations(session, event.org_id)
    return any(_hears(row, str(event.space_id)) and row.profile.get("images") for row in rows)


async def on_study_complete(session: Session, actor: Actor, event: StudyComplete) -> None:
    """Send a study's images to the destinations that want them. Safe to run twice."""
    for row in await destination_rows.destinations(session, actor.org_id):
        if _hears(row, str(event.space_id)) and row.profile.get("images"):
            profile = _NOTHING.model_copy(update={"images": True})
            cause = f"study:{event.generation}"
            await _queue(session, _new(row, event.subject, cause, profile))


def _hears(row: Destination, space_id: str) -> bool:
    return row.enabled and row.automatic and (not row.spaces or space_id in row.spaces)


def _new(row: Destination, study_id: UUID, cause: str, profile: Profile) -> Push:
    return Push(
        id=new_id(),
        org_id=row.org_id,
        created_at=now(),
        destination_id=row.id,
        study_id=study_id,
        cause=cause,
        profile=profile.model_dump(),
        again=False,
        state="waiting",
        planned=False,
        total=0,
        sent=0,
        refused=0,
        tries=0,
        attempts=0,
        next_at=now(),
        lease="",
        last_error="",
        commitment="none",
        requested_by="",
    )


async def _queue(session: Session, push: Push) -> None:
    if await destination_rows.add_push(session, push):
        await enqueue(session, push, 0.0)


async def enqueue(session: Session, push: Push, delay_s: float) -> None:
    """Enqueue the next run of a push in the session's transaction."""
    await jobs.enqueue(
        session,
        PUSH,
        {"org_id": str(push.org_id), "push_id": str(push.id)},
        job_id=f"push:{push.id}:{push.tries}",
        delay_s=delay_s,
    )


async def send(session: Session, actor: Actor, study_id: UUID, asked: SendRequest) -> PushRead:
    """Send a study to a destination.

    Raises StudyNotFound, DestinationNotFound, DestinationOff.
    """
    actor.require(SEND)
    study = await archive.get_study(session, actor, study_id)
    row = await destination_rows.destination(session, actor.org_id, asked.destination)
    if not row.enabled:
        raise DestinationOff("switch the destination on first")
    profile = asked.profile or Profile.model_validate(row.profile)
    push = _new(row, study.id, f"request:{new_id()}", profile)
    push.task_id, push.again, push.requested_by = asked.task_id, asked.again, actor.id
    await _queue(session, push)
    await audit.record(
        session,
        actor,
        "integration.push_requested",
        push.id,
        kind="push",
        detail={"destination": str(row.id), "study": str(study.id)},
    )
    return PushRead.model_validate(push)


async def retry(session: Session, actor: Actor, destination_id: UUID, wanted: UUID) -> PushRead:
    """Begin a delivery again that was given up, or what of it was refused.

    Raises DestinationNotFound, PushNotFound, PushRuns.
    """
    actor.require(SEND)
    await destination_rows.destination(session, actor.org_id, destination_id)
    push = await destination_rows.push(session, actor.org_id, wanted, destination_id)
    if push.state not in ("dead", "partly"):
        raise PushRuns(f"the delivery is {push.state}", state=push.state)
    await destination_rows.again(session, push)
    push.state, push.attempts, push.next_at, push.ended_at = "waiting", 0, now(), None
    push.refused, push.last_error, push.lease = 0, "", ""
    push.tries += 1
    await session.flush()
    await enqueue(session, push, 0.0)
    await audit.record(session, actor, "integration.push_retried", push.id, kind="push")
    return PushRead.model_validate(push)


async def list_of_destination(
    session: Session,
    actor: Actor,
    destination_id: UUID,
    *,
    state: PushState | None,
    cursor: str | None,
    limit: int,
) -> Page[PushRead]:
    """Return a page of a destination's deliveries, newest first."""
    actor.require(READ)
    await destination_rows.destination(session, actor.org_id, destination_id)
    rows = await destination_rows.pushes(
        session,
        actor.org_id,
        destination_id=destination_id,
        state=state,
        before=cursor_id(cursor),
        limit=limit + 1,
    )
    items = [PushRead.model_validate(r) for r in rows[:limit]]
    return Page[PushRead](items=items, next=next_id(rows, limit), total=None)


async def list_of_study(
    session: Session, actor: Actor, study_id: UUID, *, cursor: str | None, limit: int
) -> Page[PushRead]:
    """Return a page of a study's deliveries, newest first; raises StudyNotFound."""
    study = await archive.get_study(session, actor, study_id)
    rows = await destination_rows.pushes(
        session, actor.org_id, study_id=study.id, before=cursor_id(cursor), limit=limit + 1
    )
    items = [PushRead.model_validate(r) for r in rows[:limit]]
    return Page[PushRead](items=items, next=next_id(rows, limit), total=None)


async def detail(session: Session, actor: Actor, destination_id: UUID, wanted: UUID) -> PushDetail:
    """Return one delivery with its objects; raises DestinationNotFound, PushNotFound."""
    actor.require(READ)
    await destination_rows.destination(session, actor.org_id, destination_id)
    push = await destination_rows.push(session, actor.org_id, wanted, destination_id)
    rows = await destination_rows.shown(session, actor.org_id, push.id)
    objects = [PushedObjectRead.model_validate(r) for r in rows]
    return PushDetail(**PushRead.model_validate(push).model_dump(), objects=objects)


async def give_up(session: Session, org_id: UUID, push_id: UUID, reason: str) -> None:
    """Note that the job of a push failed for good, e.g. by a bug."""
    try:
        push = await destination_rows.push(session, org_id, push_id)
    except PushNotFound:
        return
    if push.state in ("waiting", "sending"):
        push.state, push.last_error, push.ended_at = "dead", reason[:300], now()
