# SPDX-License-Identifier: Apache-2.0
"""Rules of the notify room: it knows how to send, never why."""

import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import Connection, bindparam, select

from healthvision.domains.audit import service as audit
from healthvision.domains.notify import channels, repository, sealing
from healthvision.domains.notify.errors import NoSecretToRotate, TooManySubscriptions, TopicUnknown
from healthvision.domains.notify.hearing import allows, may_hear
from healthvision.domains.notify.matching import (
    OWN,
    TEST_TOPIC,
    category_reaches,
    fields_match,
    topic_matches,
    unknown_topic,
)
from healthvision.domains.notify.ports import News
from healthvision.domains.notify.pump import message_of, pump
from healthvision.domains.notify.schemas import (
    ChannelRead,
    DeliveryRead,
    DeliveryState,
    NotificationRead,
    SecretRotated,
    Sent,
    SubscriptionCreate,
    SubscriptionCreated,
    SubscriptionRead,
    SubscriptionUpdate,
    Unread,
)
from healthvision.domains.notify.settings import NotifySettings
from healthvision.domains.notify.tables import Delivery, Notification, Subscription
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Database, Session, resources_of
from healthvision.kernel.errors import Invalid
from healthvision.kernel.events import Envelope, Event, known_topics
from healthvision.kernel.paging import cursor_id, next_id
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings
from healthvision.kernel.statements import Statement

__all__ = ["pump"]
_WANTED = Statement(
    select(Subscription.topics).where(
        Subscription.org_id == bindparam("org"), Subscription.enabled.is_(True)
    )
)
SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"


def new_secret() -> str:
    """Return a signing secret in the form of Standard Webhooks."""
    return SECRET_PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _rotates(config: BaseModel) -> bool:
    return {"secret", "previous_secret", "previous_until"} <= set(type(config).model_fields)


def _read(row: Subscription) -> SubscriptionRead:
    return SubscriptionRead.model_validate(row)


def _summary(row: Subscription) -> dict[str, Any]:
    return {
        "name": row.name,
        "topics": row.topics,
        "channel": row.channel,
        "enabled": row.enabled,
        "match": row.match,
    }


async def create(session: Session, actor: Actor, new: SubscriptionCreate) -> SubscriptionCreated:
    """Subscribe the organisation to events.

    The answer holds the signing secret, if the channel has one, this one time only. Raises
    ChannelConfigInvalid, PluginNotFound and TooManySubscriptions.
    """
    _check_topics(new.topics)
    limit = NotifySettings().max_subscriptions
    if await repository.count_subscriptions(session, actor) >= limit:
        raise TooManySubscriptions("remove a subscription first", limit=limit)
    resources, given = resources_of(session), dict(new.config)
    if new.channel == channels.INBOX and not given.get("user_ids") and actor.user_id is not None:
        given["user_ids"] = [str(actor.user_id)]
    shape = channels.config_type(resources, new.channel)
    if "previous_secret" in shape.model_fields:
        _refuse_managed(given)
        given.setdefault("secret", new_secret())
    config = channels.validated(resources, new.channel, given, new=True)
    row = Subscription(
        id=new_id(),
        org_id=actor.org_id,
        name=new.name,
        topics=list(new.topics),
        match=dict(new.match),
        category_at_least=new.category_at_least,
        channel=new.channel,
        config=sealing.masked(config),
        sealed="",
        language=new.language,
        enabled=new.enabled,
        created_by=actor.id,
    )
    row.sealed = sealing.seal(resources, row.id, config)
    session.add(row)
    await session.flush()
    await audit.record(
        session,
        actor,
        "notify.subscription_created",
        row.id,
        kind="subscription",
        after=_summary(row),
    )
    secret = given.get("secret") if _rotates(config) else None
    return SubscriptionCreated(**_read(row).model_dump(), secret=secret)


def _check_topics(topics: Sequence[str]) -> None:
    known = known_topics() | {TEST_TOPIC}
    wrong = unknown_topic(topics, known)
    if wrong is not None:
        near = get_close_matches(wrong, known, n=3)
        hint = f"; did you mean {' or '.join(near)}" if near else ""
        raise TopicUnknown(
            f"topics: there is no event {wrong!r}{hint}", known=", ".join(sorted(known))
        )


def _refuse_managed(given: Mapping[str, Any]) -> None:
    for name in ("previous_secret", "previous_until"):
        if given.get(name) is not None:
            raise Invalid(f"config.{name}: is set by rotating the secret, not by hand")


async def get(session: Session, actor: Actor, wanted: UUID) -> SubscriptionRead:
    """Return one subscription; raises SubscriptionNotFound."""
    return _read(await repository.subscription(session, actor, wanted))


async def list_all(
    session: Session, actor: Actor, *, cursor: str | None, limit: int
) -> Page[SubscriptionRead]:
    """Return a page of the organisation's subscriptions, oldest first."""
    rows = await repository.subscriptions(session, actor, after=cursor_id(cursor), limit=limit + 1)
    return Page[SubscriptionRead](
        items=[_read(r) for r in rows[:limit]], next=next_id(rows, limit), total=None
    )


async def update(
    session: Session, actor: Actor, wanted: UUID, change: SubscriptionUpdate
) -> SubscriptionRead:
    """Change a subscription; only the fields that were sent.

    A new ``config`` without ``secret`` keeps the old secret. Raises SubscriptionNotFound and
    ChannelConfigInvalid.
    """
    row = await repository.subscription(session, actor, wanted)
    before = _summary(row)
    sent = {name: getattr(change, name) for name in change.model_fields_set}
    _check_topics(sent.get("topics") or ())
    config = sent.pop("config", None)
    for name, value in sent.items():
        if value is None and name != "category_at_least":
            raise Invalid(f"{name}: may be left out, not set to null")
        setattr(row, name, value)
    if config is not None:
        _replace_config(session, row, dict(config))
    row.updated_at = now()
    await session.flush()
    await audit.record(
        session,
        actor,
        "notify.subscription_changed",
        row.id,
        kind="subscription",
        before=before,
        after=_summary(row) | {"config_changed": config is not None},
    )
    return _read(row)


def _replace_config(session: Session, row: Subscription, given: dict[str, Any]) -> None:
    resources = resources_of(session)
    if "previous_secret" in channels.config_type(resources, row.channel).model_fields:
        _refuse_managed(given)
        kept = sealing.unseal(resources, row.id, row.sealed)
        if "secret" not in given:
            given |= {n: kept.get(n) for n in ("secret", "previous_secret", "previous_until")}
    config = channels.validated(resources, row.channel, given, new=True)
    row.config = sealing.masked(config)
    row.sealed = sealing.seal(resources, row.id, config)


async def remove(session: Session, actor: Actor, wanted: UUID) -> None:
    """Delete a subscription with its deliveries; raises SubscriptionNotFound."""
    row = await repository.subscription(session, actor, wanted)
    before = _summary(row)
    await repository.remove_subscription(session, row)
    await audit.record(
        session,
        actor,
        "notify.subscription_removed",
        wanted,
        kind="subscription",
        before=before,
    )


async def rotate_secret(session: Session, actor: Actor, wanted: UUID) -> SecretRotated:
    """Make a new signing secret; for a day both the new and the old one sign each message.

    Raises SubscriptionNotFound and NoSecretToRotate.
    """
    row = await repository.subscription(session, actor, wanted)
    resources = resources_of(session)
    current = sealing.unseal(resources, row.id, row.sealed)
    config = channels.validated(resources, row.channel, current)
    if not _rotates(config):
        raise NoSecretToRotate("this channel has no signing secret")
    until = now() + timedelta(hours=NotifySettings().rotation_hours)
    fresh = new_secret()
    changed = current | {
        "secret": fresh,
        "previous_secret": current["secret"],
        "previous_until": until.isoformat(),
    }
    config = channels.validated(resources, row.channel, changed)
    row.config, row.sealed = sealing.masked(config), sealing.seal(resources, row.id, config)
    row.updated_at = now()
    await audit.record(session, actor, "notify.secret_rotated", row.id, kind="subscription")
    return SecretRotated(secret=fresh, previous_valid_until=until)


async def send_test(session: Session, actor: Actor, wanted: UUID) -> DeliveryRead:
    """Queue a test message for one subscription; its state is in the deliveries."""
    row = await repository.subscription(session, actor, wanted)
    envelope = Envelope(
        id=new_id(),
        topic=TEST_TOPIC,
        org_id=actor.org_id,
        subject=row.id,
        at=now(),
        actor=f"{actor.kind}:{actor.id}",
        body={},
        trace_id=actor.trace_id,
    )
    found = await _queue(session, row, envelope)
    assert found is not None
    return DeliveryRead.model_validate(found)


def _wants(row: Subscription, envelope: Envelope) -> bool:
    if envelope.topic.startswith(OWN) and row.channel != channels.INBOX:
        return False  # else two broken receivers would tell each other of it for ever
    return (
        topic_matches(row.topics, envelope.topic)
        and fields_match(row.match, envelope.body)
        and category_reaches(row.category_at_least, envelope.body)
    )


async def on_event(session: Session, actor: Actor, envelope: Envelope) -> None:
    """Queue one delivery per subscription that wants the event and may hear of it.

    Safe to run twice.
    """
    news = News(envelope.topic, envelope.subject, envelope.body)
    for row in await repository.enabled(session, actor):
        if _wants(row, envelope) and await allows(session, row.org_id, row.created_by, news):
            await _queue(session, row, envelope)


async def wants(session: Session, event: Event) -> bool:
    """Tell a publisher whether any subscription of the organisation hears of this topic."""
    rows = await repository.enabled_topics(session, event.org_id)
    return any(topic_matches(topics, event.topic) for topics in rows)


def wants_on(connection: Connection, org_id: UUID, topic: str) -> bool:
    """Tell a bulk writer whether any subscription of an organisation hears of a topic."""
    found = _WANTED.rows(connection, {"org": org_id})
    return any(topic_matches(topics, topic) for (topics,) in found)


async def _queue(session: Session, row: Subscription, envelope: Envelope) -> Delivery | None:
    data = {k: v for k, v in envelope.body.items() if k not in ("org_id", "subject")}
    moment = now()
    delivery = Delivery(
        id=new_id(),
        org_id=row.org_id,
        subscription_id=row.id,
        event_id=envelope.id,
        topic=envelope.topic,
        subject=envelope.subject,
        event_at=envelope.at,
        body=data,
        state="pending",
        next_at=moment,
    )
    inbox = row.channel == channels.INBOX
    if inbox:
        delivery.state, delivery.attempts = "delivered", 1
        delivery.delivered_at, delivery.receipt = moment, "in the inbox"
    if not await repository.add_delivery(session, delivery):
        return None
    if inbox:
        await _put_into_inboxes(session, row, delivery)
    return delivery


async def _put_into_inboxes(session: Session, row: Subscription, delivery: Delivery) -> None:
    resources = resources_of(session)
    message = message_of(delivery, row.language, resources.get(CoreSettings).public_url)
    config = sealing.unseal(resources, row.id, row.sealed)
    for user_id in dict.fromkeys(config["user_ids"]):
        if not await may_hear(session, str(user_id), delivery):
            continue
        await repository.add_notification(
            session,
            Notification(
                org_id=row.org_id,
                user_id=UUID(user_id),
                event_id=message.id,
                topic=message.type,
                subject=message.subject,
                at=message.at,
                title=message.title,
                text=message.text,
                data=message.data,
                link=message.links["self"],
            ),
        )


async def has_listeners(
    session: Session, actor: Actor, topic: str, body: Mapping[str, Any]
) -> bool:
    """Tell whether any subscription of the organisation wants such an event."""
    return any(
        topic_matches(row.topics, topic)
        and fields_match(row.match, body)
        and category_reaches(row.category_at_least, body)
        for row in await repository.enabled(session, actor)
    )


async def sent_of(session: Session, actor: Actor, topic: str, subject: UUID) -> Sent:
    """Return how far the notices of one subject's event are."""
    return await repository.sent_of(session, actor, topic, subject)


async def list_deliveries(
    session: Session,
    actor: Actor,
    parent: UUID,
    *,
    state: DeliveryState | None,
    cursor: str | None,
    limit: int,
) -> Page[DeliveryRead]:
    """Return a page of a subscription's deliveries, newest first."""
    await repository.subscription(session, actor, parent)
    rows = await repository.deliveries(
        session, actor, parent, state=state, before=cursor_id(cursor), limit=limit + 1
    )
    return Page[DeliveryRead](
        items=[DeliveryRead.model_validate(r) for r in rows[:limit]],
        next=next_id(rows, limit),
        total=None,
    )


async def redeliver(session: Session, actor: Actor, parent: UUID, wanted: UUID) -> DeliveryRead:
    """Send a delivery again from the first try; the receiver sees the same event id."""
    row = await repository.delivery(session, actor, parent, wanted)
    row.state, row.attempts, row.next_at, row.lease = "pending", 0, now(), None
    row.last_error = row.receipt = row.delivered_at = None
    await session.flush()
    await audit.record(session, actor, "notify.redelivered", row.id, kind="delivery")
    return DeliveryRead.model_validate(row)


async def inbox(
    session: Session, actor: Actor, *, unread: bool, cursor: str | None, limit: int
) -> Page[NotificationRead]:
    """Return a page of the caller's messages, newest first."""
    rows = await repository.inbox(
        session, actor, unread=unread, before=cursor_id(cursor), limit=limit + 1
    )
    return Page[NotificationRead](
        items=[NotificationRead.model_validate(r) for r in rows[:limit]],
        next=next_id(rows, limit),
        total=None,
    )


async def unread_count(session: Session, actor: Actor) -> Unread:
    """Return how many of the caller's messages wait."""
    return Unread(unread=await repository.count_unread(session, actor))


async def mark_read(session: Session, actor: Actor, wanted: UUID) -> NotificationRead:
    """Mark one of the caller's messages as read; raises NotificationNotFound."""
    row = await repository.notification(session, actor, wanted)
    row.read_at = row.read_at or now()
    await session.flush()
    return NotificationRead.model_validate(row)


async def mark_all_read(session: Session, actor: Actor) -> Unread:
    """Mark all the caller's messages as read."""
    await repository.mark_all_read(session, actor, now())
    return Unread(unread=0)


def list_channels(session: Session) -> list[ChannelRead]:
    """Return the channels of this installation with the shape of their settings."""
    resources = resources_of(session)
    return [
        ChannelRead(
            name=name,
            config_schema=channels.config_type(resources, name).model_json_schema(),
        )
        for name in channels.names(resources)
    ]


async def prune(db: Database) -> None:
    """Delete finished deliveries and read messages that are older than the setting says."""
    older = now() - timedelta(days=NotifySettings().keep_days)
    async with db.transaction() as session:
        await repository.prune(session, older)
