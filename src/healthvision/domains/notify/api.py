# SPDX-License-Identifier: Apache-2.0
"""``/v1/subscriptions`` (webhooks, mail, SMS, inbox) and ``/v1/notifications``."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from healthvision.domains.notify import service
from healthvision.domains.notify.schemas import (
    ChannelRead,
    DeliveryRead,
    DeliveryState,
    NotificationRead,
    SecretRotated,
    SubscriptionCreate,
    SubscriptionCreated,
    SubscriptionRead,
    SubscriptionUpdate,
    Unread,
)
from healthvision.kernel.http import SessionDep, requires, router
from healthvision.kernel.paging import DEFAULT_LIMIT, Limit
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

subscriptions_router = router("/v1/subscriptions", "webhook")
notifications_router = router("/v1/notifications", "webhook")
Reader = Annotated[Actor, requires("notify:read")]
Writer = Annotated[Actor, requires("notify:write")]
Anyone = Annotated[Actor, requires(None)]
Cursor = Annotated[str | None, Query(max_length=300)]


@subscriptions_router.post("", status_code=201)
async def create_subscription(
    new: SubscriptionCreate, actor: Writer, session: SessionDep, response: Response
) -> SubscriptionCreated:
    """Subscribe to events; a webhook's signing secret is in this answer only."""
    response.headers["Cache-Control"] = "no-store"
    return await service.create(session, actor, new)


@subscriptions_router.get("")
async def list_subscriptions(
    actor: Reader, session: SessionDep, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[SubscriptionRead]:
    """List the organisation's subscriptions."""
    return await service.list_all(session, actor, cursor=cursor, limit=limit)


@subscriptions_router.get("/channels")
async def list_channels(actor: Reader, session: SessionDep) -> list[ChannelRead]:
    """List the channels of this installation and the shape of their settings."""
    return service.list_channels(session)


@subscriptions_router.get("/{subscription_id}")
async def get_subscription(
    subscription_id: UUID, actor: Reader, session: SessionDep
) -> SubscriptionRead:
    """Get one subscription."""
    return await service.get(session, actor, subscription_id)


@subscriptions_router.patch("/{subscription_id}")
async def update_subscription(
    subscription_id: UUID, change: SubscriptionUpdate, actor: Writer, session: SessionDep
) -> SubscriptionRead:
    """Change the fields that are sent."""
    return await service.update(session, actor, subscription_id, change)


@subscriptions_router.delete("/{subscription_id}", status_code=204)
async def remove_subscription(subscription_id: UUID, actor: Writer, session: SessionDep) -> None:
    """Delete a subscription with its deliveries."""
    await service.remove(session, actor, subscription_id)


@subscriptions_router.post("/{subscription_id}/rotate-secret")
async def rotate_secret(
    subscription_id: UUID, actor: Writer, session: SessionDep, response: Response
) -> SecretRotated:
    """Make a new signing secret; the old one stays valid for a day."""
    response.headers["Cache-Control"] = "no-store"
    return await service.rotate_secret(session, actor, subscription_id)


@subscriptions_router.post("/{subscription_id}/test", status_code=202)
async def send_test(subscription_id: UUID, actor: Writer, session: SessionDep) -> DeliveryRead:
    """Send a test message; ask the deliveries for its fate."""
    return await service.send_test(session, actor, subscription_id)


@subscriptions_router.get("/{subscription_id}/deliveries")
async def list_deliveries(
    subscription_id: UUID,
    actor: Reader,
    session: SessionDep,
    state: DeliveryState | None = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[DeliveryRead]:
    """List a subscription's deliveries, newest first."""
    return await service.list_deliveries(
        session, actor, subscription_id, state=state, cursor=cursor, limit=limit
    )


@subscriptions_router.post("/{subscription_id}/deliveries/{delivery_id}/redeliver", status_code=202)
async def redeliver(
    subscription_id: UUID, delivery_id: UUID, actor: Writer, session: SessionDep
) -> DeliveryRead:
    """Send one delivery again."""
    return await service.redeliver(session, actor, subscription_id, delivery_id)


@notifications_router.get("")
async def list_notifications(
    actor: Anyone,
    session: SessionDep,
    unread: bool = False,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[NotificationRead]:
    """List the caller's messages, newest first."""
    return await service.inbox(session, actor, unread=unread, cursor=cursor, limit=limit)


@notifications_router.get("/unread")
async def count_unread(actor: Anyone, session: SessionDep) -> Unread:
    """Count the caller's unread messages."""
    return await service.unread_count(session, actor)


@notifications_router.post("/read-all")
async def mark_all_read(actor: Anyone, session: SessionDep) -> Unread:
    """Mark all the caller's messages as read."""
    return await service.mark_all_read(session, actor)


@notifications_router.post("/{notification_id}/read")
async def mark_read(notification_id: UUID, actor: Anyone, session: SessionDep) -> NotificationRead:
    """Mark one of the caller's messages as read."""
    return await service.mark_read(session, actor, notification_id)
