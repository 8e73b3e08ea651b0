# SPDX-License-Identifier: Apache-2.0
"""All SQL of the notify room."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from healthvision.domains.notify.errors import (
    DeliveryNotFound,
    NotificationNotFound,
    SubscriptionNotFound,
)
from healthvision.domains.notify.schemas import Sent
from healthvision.domains.notify.tables import Delivery, Notification, Subscription
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor

LEASE_S = 60.0


async def subscription(session: Session, actor: Actor, wanted: UUID) -> Subscription:
    """Return one subscription of the organisation; raises SubscriptionNotFound."""
    mine = (Subscription.org_id == actor.org_id, Subscription.id == wanted)
    row = await session.scalar(select(Subscription).where(*mine))
    if row is None:
        raise SubscriptionNotFound("there is no such subscription")
    return row


async def subscriptions(
    session: Session, actor: Actor, *, after: UUID | None, limit: int
) -> Sequence[Subscription]:
    """Return the organisation's subscriptions by id."""
    query = select(Subscription).where(Subscription.org_id == actor.org_id)
    if after is not None:
        query = query.where(Subscription.id > after)
    return (await session.scalars(query.order_by(Subscription.id).limit(limit))).all()


async def count_subscriptions(session: Session, actor: Actor) -> int:
    """Return how many subscriptions the organisation has."""
    mine = Subscription.org_id == actor.org_id
    return await session.scalar(select(func.count(Subscription.id)).where(mine)) or 0


async def enabled(session: Session, actor: Actor) -> Sequence[Subscription]:
    """Return the organisation's subscriptions that are switched on."""
    mine = (Subscription.org_id == actor.org_id, Subscription.enabled.is_(True))
    return (await session.scalars(select(Subscription).where(*mine))).all()


async def enabled_topics(session: Session, org_id: UUID) -> Sequence[Sequence[str]]:
    """Return the topics of each subscription of an organisation that is switched on."""
    mine = (Subscription.org_id == org_id, Subscription.enabled.is_(True))
    return (await session.scalars(select(Subscription.topics).where(*mine))).all()


async def remove_subscription(session: Session, row: Subscription) -> None:
    """Delete a subscription and its deliveries."""
    await session.execute(delete(Delivery).where(Delivery.subscription_id == row.id))
    await session.delete(row)
    await session.flush()


async def add_delivery(session: Session, row: Delivery) -> bool:
    """Insert a delivery; False when this subscription has the event already."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return False
    return True


async def delivery(session: Session, actor: Actor, parent: UUID, wanted: UUID) -> Delivery:
    """Return one delivery of the organisation; raises DeliveryNotFound."""
    mine = (
        Delivery.org_id == actor.org_id,
        Delivery.subscription_id == parent,
        Delivery.id == wanted,
    )
    row = await session.scalar(select(Delivery).where(*mine))
    if row is None:
        raise DeliveryNotFound("there is no such delivery")
    return row


async def deliveries(
    session: Session,
    actor: Actor,
    parent: UUID,
    *,
    state: str | None,
    before: UUID | None,
    limit: int,
) -> Sequence[Delivery]:
    """Return deliveries of a subscription, newest first."""
    query = select(Delivery).where(
        Delivery.org_id == actor.org_id, Delivery.subscription_id == parent
    )
    if state is not None:
        query = query.where(Delivery.state == state)
    if before is not None:
        query = query.where(Delivery.id < before)
    return (await session.scalars(query.order_by(Delivery.id.desc()).limit(limit))).all()


async def sent_of(session: Session, actor: Actor, topic: str, subject: UUID) -> Sent:
    """Return how far the notices of one subject's event are."""
    mine = (Delivery.org_id == actor.org_id, Delivery.subject == subject, Delivery.topic == topic)
    rows = (await session.execute(select(Delivery.state, Delivery.delivered_at).where(*mine))).all()
    times = [at for _, at in rows if at is not None]
    dead = sum(state == "dead" for state, _ in rows)
    return Sent(len(rows), dead, min(times, default=None))


async def has_due(session: Session, at: datetime) -> bool:
    """Tell whether a delivery is due; asked first, since claiming locks the database."""
    due = and_(Delivery.state.in_(("pending", "sending")), Delivery.next_at <= at)
    return await session.scalar(select(Delivery.id).where(due).limit(1)) is not None


async def claim(session: Session, at: datetime, limit: int) -> Sequence[Delivery]:
    """Lease due deliveries of all organisations: none goes to two workers at once.

    Also those whose worker died while sending.
    """
    due = and_(Delivery.state.in_(("pending", "sending")), Delivery.next_at <= at)
    query = select(Delivery).where(due).order_by(Delivery.next_at).limit(limit)
    rows = (await session.scalars(query.with_for_update(skip_locked=True))).all()
    lease = new_id()
    for row in rows:
        row.state, row.lease = "sending", lease
        row.next_at = at + timedelta(seconds=LEASE_S)
    await session.flush()
    return rows


async def finish(session: Session, row: Delivery, values: dict[str, Any]) -> bool:
    """Write the outcome of an attempt; False when the lease was lost to another worker."""
    held = (Delivery.id == row.id, Delivery.lease == row.lease, Delivery.state == "sending")
    done = await session.execute(update(Delivery).where(*held).values(lease=None, **values))
    count: int = done.rowcount  # type: ignore[attr-defined]
    return count == 1


async def subscription_of(session: Session, row: Delivery) -> Subscription | None:
    """Return the subscription of a delivery."""
    mine = (Subscription.org_id == row.org_id, Subscription.id == row.subscription_id)
    return await session.scalar(select(Subscription).where(*mine))


async def add_notification(session: Session, row: Notification) -> None:
    """Put a message into an inbox; the same event twice is one message."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return


def _inbox(actor: Actor) -> tuple[Any, ...]:
    return (Notification.org_id == actor.org_id, Notification.user_id == actor.user_id)


async def inbox(
    session: Session, actor: Actor, *, unread: bool, before: UUID | None, limit: int
) -> Sequence[Notification]:
    """Return the caller's messages, newest first."""
    query = select(Notification).where(*_inbox(actor))
    if unread:
        query = query.where(Notification.read_at.is_(None))
    if before is not None:
        query = query.where(Notification.id < before)
    return (await session.scalars(query.order_by(Notification.id.desc()).limit(limit))).all()


async def count_unread(session: Session, actor: Actor) -> int:
    """Return how many messages the caller has not read."""
    unread = (*_inbox(actor), Notification.read_at.is_(None))
    return await session.scalar(select(func.count(Notification.id)).where(*unread)) or 0


async def notification(session: Session, actor: Actor, wanted: UUID) -> Notification:
    """Return one of the caller's messages; raises NotificationNotFound."""
    query = select(Notification).where(*_inbox(actor), Notification.id == wanted)
    row = await session.scalar(query)
    if row is None:
        raise NotificationNotFound("there is no such notification")
    return row


async def mark_all_read(session: Session, actor: Actor, at: datetime) -> None:
    """Mark all the caller's messages as read."""
    unread = (*_inbox(actor), Notification.read_at.is_(None))
    await session.execute(update(Notification).where(*unread).values(read_at=at))


async def prune(session: Session, older_than: datetime) -> None:
    """Delete finished deliveries and read messages of all organisations that are old."""
    finished = Delivery.state.in_(("delivered", "dead"))
    await session.execute(delete(Delivery).where(finished, Delivery.created_at < older_than))
    await session.execute(delete(Notification).where(Notification.read_at < older_than))
