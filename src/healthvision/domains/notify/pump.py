# SPDX-License-Identifier: Apache-2.0
"""Sends what is due. An outcome is written after the sending, so a crash between the two can
repeat a message; the receiver knows it by the event id. Order is not promised.

A receiver that fails is tried with its first due message only; the others of that round are put
off, so a receiver that is down neither holds up the rest nor uses up its messages' tries.
"""

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag

from healthvision.domains.notify import channels, repository, sealing
from healthvision.domains.notify.errors import ChannelConfigInvalid, DeliveryFailed
from healthvision.domains.notify.events import DeliveryGivenUp
from healthvision.domains.notify.hearing import may_hear
from healthvision.domains.notify.ports import Channel, Message, Receipt
from healthvision.domains.notify.schemas import Language
from healthvision.domains.notify.settings import NotifySettings
from healthvision.domains.notify.tables import Delivery, Subscription
from healthvision.domains.notify.texts import link_of, text_of, title_of
from healthvision.kernel import events
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database
from healthvision.kernel.plugins import PluginBroken, PluginNotFound
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings
from healthvision.kernel.telemetry import logger

DELAYS_S = (5, 30, 120, 300, 900, 1800, 3600, 7200, 14400, 28800)  # 16 hours in all
JITTER = 0.2
PUT_OFF_S = 30.0
PARALLEL = 16
MAX_ERROR = 300
_log = logger("notify.pump")


@dataclass(frozen=True, slots=True)
class _Outcome:
    delivery: Delivery
    values: dict[str, Any]
    ok: bool
    gave_up: bool = False


def message_of(row: Delivery, language: Language, public_url: str) -> Message:
    """Return the message of a delivery."""
    title = title_of(row.topic, language)
    link = link_of(row.topic, row.subject, public_url)
    return Message(
        id=row.event_id,
        type=row.topic,
        at=row.event_at,
        org_id=row.org_id,
        subject=row.subject,
        data=row.body,
        links={"self": link},
        title=title,
        text=text_of(row.body, link, title, language),
    )


def delay_after(attempts: int) -> float:
    """Return the seconds to wait after the n-th failed try, with jitter."""
    return DELAYS_S[attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER)


async def pump(db: Database) -> int:
    """Send one round of due deliveries; returns how many were delivered."""
    async with db.reading() as session:
        if not await repository.has_due(session, now()):
            return 0
    async with db.transaction() as session:
        rows = await repository.claim(session, now(), NotifySettings().batch)
        parents: dict[UUID, Subscription | None] = {}
        for row in rows:
            if row.subscription_id not in parents:
                parents[row.subscription_id] = await repository.subscription_of(session, row)
    groups: dict[UUID, list[Delivery]] = defaultdict(list)
    for row in rows:
        groups[row.subscription_id].append(row)
    slots = asyncio.Semaphore(PARALLEL)
    counts = await asyncio.gather(
        *(_send_group(db, parents[key], group, slots) for key, group in groups.items())
    )
    return sum(counts)


async def _send_group(
    db: Database, parent: Subscription | None, rows: list[Delivery], slots: asyncio.Semaphore
) -> int:
    async with slots:
        delivered = 0
        for place, row in enumerate(rows):
            outcome = await _attempt(db, parent, row)
            await _finish(db, outcome)
            delivered += outcome.ok
            if not outcome.ok and not outcome.gave_up:
                await _put_off(db, rows[place + 1 :])
                break
        return delivered


async def _put_off(db: Database, rows: list[Delivery]) -> None:
    if not rows:
        return
    later = now() + timedelta(seconds=PUT_OFF_S)
    async with db.transaction() as session:
        for row in rows:
            await repository.finish(session, row, {"state": "pending", "next_at": later})


async def _attempt(db: Database, parent: Subscription | None, row: Delivery) -> _Outcome:
    attempts = row.attempts + 1
    try:
        if parent is None or (not parent.enabled and not row.topic.startswith("notify.test")):
            raise DeliveryFailed("the subscription is switched off", permanent=True)
        async with db.reading() as session:
            if not await may_hear(session, parent.created_by, row):
                raise DeliveryFailed("the maker may not hear of this", permanent=True)
        receipt = await _send(db, parent, row)
    except DeliveryFailed as error:
        return _failed(row, attempts, error)
    values = {
        "state": "delivered",
        "attempts": attempts,
        "delivered_at": now(),
        "receipt": receipt.detail[:MAX_ERROR],
        "last_error": None,
    }
    return _Outcome(row, values, ok=True)


async def _send(db: Database, parent: Subscription, row: Delivery) -> Receipt:
    try:
        channel: Channel = channels.find(db.resources, parent.channel)
        plain = sealing.unseal(db.resources, parent.id, parent.sealed)
        config = channels.validated(db.resources, parent.channel, plain)
    except (PluginNotFound, PluginBroken) as error:
        raise DeliveryFailed(error.detail) from None
    except (InvalidTag, ChannelConfigInvalid):
        raise DeliveryFailed("the channel's settings cannot be read", permanent=True) from None
    public_url = db.resources.get(CoreSettings).public_url
    return await _guarded(channel, message_of(row, parent.language, public_url), config)


async def _guarded(channel: Channel, message: Message, config: Any) -> Receipt:
    """Call the plugin behind a border: whatever it raises becomes a failed delivery."""
    try:
        return await channel.send(message, config)
    except DeliveryFailed:
        raise
    except Exception as error:
        _log.error("channel broken", channel=channel.name, error=type(error).__name__)
        raise DeliveryFailed(f"the channel raised {type(error).__name__}") from None


def _failed(row: Delivery, attempts: int, error: DeliveryFailed) -> _Outcome:
    values: dict[str, Any] = {"attempts": attempts, "last_error": error.reason[:MAX_ERROR]}
    gave_up = error.permanent or attempts > len(DELAYS_S)
    if gave_up:
        values["state"] = "dead"
    else:
        values["state"] = "pending"
        values["next_at"] = now() + timedelta(seconds=delay_after(attempts))
    return _Outcome(row, values, ok=False, gave_up=gave_up)


async def _finish(db: Database, outcome: _Outcome) -> None:
    row = outcome.delivery
    async with db.transaction() as session:
        held = await repository.finish(session, row, outcome.values)
        if held and outcome.gave_up:
            _log.warning("delivery given up", delivery=str(row.id), topic=row.topic)
            event = DeliveryGivenUp(
                org_id=row.org_id,
                subject=row.subscription_id,
                delivery_id=row.id,
                event_id=row.event_id,
                attempts=outcome.values["attempts"],
            )
            await events.publish(session, Actor.system(row.org_id), event)
