# SPDX-License-Identifier: Apache-2.0
"""All SQL of destinations and pushes; every query filters by organisation."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from healthvision.domains.integration.errors import (
    DestinationExists,
    DestinationNotFound,
    PushNotFound,
)
from healthvision.domains.integration.tables import (
    Commitment,
    Destination,
    Push,
    PushedObject,
)
from healthvision.kernel.clock import now
from healthvision.kernel.db import Session

_SHOWN = 1000


async def add(session: Session, row: Destination) -> None:
    """Insert a destination; raises DestinationExists."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise DestinationExists("a destination of this name exists") from None


async def flush(session: Session) -> None:
    """Write changes of a destination; raises DestinationExists when its name is taken."""
    try:
        async with session.begin_nested():
            await session.flush()
    except IntegrityError:
        raise DestinationExists("a destination of this name exists") from None


async def destination(session: Session, org_id: UUID, wanted: UUID) -> Destination:
    """Return one destination; raises DestinationNotFound."""
    mine = (Destination.org_id == org_id, Destination.id == wanted)
    row = await session.scalar(select(Destination).where(*mine))
    if row is None:
        raise DestinationNotFound("there is no such destination")
    return row


async def destinations(
    session: Session, org_id: UUID, *, after: UUID | None = None, limit: int | None = None
) -> Sequence[Destination]:
    """Return an organisation's destinations, oldest first."""
    query = select(Destination).where(Destination.org_id == org_id)
    if after is not None:
        query = query.where(Destination.id > after)
    return (await session.scalars(query.order_by(Destination.id).limit(limit))).all()


async def remove(session: Session, row: Destination) -> None:
    """Delete a destination with its pushes."""
    pushes = select(Push.id).where(Push.org_id == row.org_id, Push.destination_id == row.id)
    for table in (PushedObject, Commitment):
        mine = (table.org_id == row.org_id, table.push_id.in_(pushes))
        await session.execute(delete(table).where(*mine))
    mine_pushes = (Push.org_id == row.org_id, Push.destination_id == row.id)
    await session.execute(delete(Push).where(*mine_pushes))
    await session.delete(row)
    await session.flush()


async def add_push(session: Session, row: Push) -> bool:
    """Insert a push; False when this destination has one for the same cause."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return False
    return True


async def push(
    session: Session, org_id: UUID, wanted: UUID, destination_id: UUID | None = None
) -> Push:
    """Return one push; raises PushNotFound."""
    query = select(Push).where(Push.org_id == org_id, Push.id == wanted)
    if destination_id is not None:
        query = query.where(Push.destination_id == destination_id)
    row = await session.scalar(query.execution_options(populate_existing=True))
    if row is None:
        raise PushNotFound("there is no such delivery")
    return row


async def pushes(
    session: Session,
    org_id: UUID,
    *,
    destination_id: UUID | None = None,
    study_id: UUID | None = None,
    state: str | None = None,
    before: UUID | None = None,
    limit: int,
) -> Sequence[Push]:
    """Return pushes, newest first."""
    query = select(Push).where(Push.org_id == org_id)
    for column, wanted in (
        (Push.destination_id, destination_id),
        (Push.study_id, study_id),
        (Push.state, state),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    if before is not None:
        query = query.where(Push.id < before)
    return (await session.scalars(query.order_by(Push.id.desc()).limit(limit))).all()


async def claim(session: Session, org_id: UUID, wanted: UUID, lease: str, until: datetime) -> bool:
    """Take a push to work on it; False when it is over or somebody else works on it."""
    at = now()
    free = or_(
        Push.state == "waiting",
        and_(Push.state == "sending", or_(Push.lease_until.is_(None), Push.lease_until < at)),
    )
    done = await session.execute(
        update(Push)
        .where(Push.org_id == org_id, Push.id == wanted, free)
        .values(state="sending", lease=lease, lease_until=until, next_at=None)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]


async def keep(session: Session, row: Push, values: dict[str, Any]) -> bool:
    """Write values while the push is still held under its lease; False when it was lost."""
    held = (Push.org_id == row.org_id, Push.id == row.id, Push.lease == row.lease)
    done = await session.execute(update(Push).where(*held).values(**values))
    return bool(done.rowcount)  # type: ignore[attr-defined]


async def objects(
    session: Session, org_id: UUID, push_id: UUID, states: Collection[str] = ()
) -> Sequence[PushedObject]:
    """Return the objects of a push in the order they are sent."""
    query = select(PushedObject).where(
        PushedObject.org_id == org_id, PushedObject.push_id == push_id
    )
    if states:
        query = query.where(PushedObject.state.in_(states))
    return (await session.scalars(query.order_by(PushedObject.id))).all()


async def shown(session: Session, org_id: UUID, push_id: UUID) -> Sequence[PushedObject]:
    """Return objects of a push to be shown, those with trouble first."""
    trouble = case((PushedObject.state.in_(("refused", "missing")), 0), else_=1)
    query = select(PushedObject).where(
        PushedObject.org_id == org_id, PushedObject.push_id == push_id
    )
    return (await session.scalars(query.order_by(trouble, PushedObject.id).limit(_SHOWN))).all()


async def acknowledged(
    session: Session, org_id: UUID, destination_id: UUID, uids: Collection[str]
) -> set[tuple[str, str]]:
    """Return (SOP UID, SHA-256) of what a destination acknowledged already."""
    found: set[tuple[str, str]] = set()
    wanted = list(uids)
    for start in range(0, len(wanted), 500):
        query = select(PushedObject.sop_uid, PushedObject.sha256).where(
            PushedObject.org_id == org_id,
            PushedObject.destination_id == destination_id,
            PushedObject.sop_uid.in_(wanted[start : start + 500]),
            PushedObject.state == "sent",
        )
        found |= {(uid, digest) for uid, digest in (await session.execute(query)).all()}
    return found


async def mark(
    session: Session, row: Push, outcomes: Collection[tuple[str, str, str]], at: datetime
) -> None:
    """Write what became of objects: (SOP UID, state, reason)."""
    for uid, state, reason in outcomes:
        await session.execute(
            update(PushedObject)
            .where(
                PushedObject.org_id == row.org_id,
                PushedObject.push_id == row.id,
                PushedObject.sop_uid == uid,
            )
            .values(state=state, reason=reason, sent_at=at if state == "sent" else None)
        )


async def counts(session: Session, row: Push) -> dict[str, int]:
    """Return how many objects of a push are in each state."""
    query = (
        select(PushedObject.state, func.count(PushedObject.id))
        .where(PushedObject.org_id == row.org_id, PushedObject.push_id == row.id)
        .group_by(PushedObject.state)
    )
    return {state: number for state, number in (await session.execute(query)).all()}


async def again(session: Session, row: Push) -> None:
    """Let the refused and missing objects of a push wait once more."""
    await session.execute(
        update(PushedObject)
        .where(
            PushedObject.org_id == row.org_id,
            PushedObject.push_id == row.id,
            PushedObject.state.in_(("refused", "missing")),
        )
        .values(state="waiting", reason="")
    )
