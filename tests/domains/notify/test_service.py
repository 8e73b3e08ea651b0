# SPDX-License-Identifier: Apache-2.0
"""Subscriptions, deliveries and the inbox, with a real receiver."""

import asyncio
import base64
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import ClassVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from healthvision.domains.notify import service as notify
from healthvision.domains.notify.errors import (
    ChannelConfigInvalid,
    NoSecretToRotate,
    SubscriptionNotFound,
    TooManySubscriptions,
)
from healthvision.domains.notify.schemas import (
    DeliveryRead,
    SubscriptionCreate,
    SubscriptionCreated,
    SubscriptionUpdate,
)
from healthvision.kernel.clock import FixedClock, use_clock
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Invalid
from healthvision.kernel.events import Event, publish
from healthvision.kernel.plugins import PluginNotFound
from healthvision.kernel.security import Actor
from tests.domains.notify.receiver import Got, Receiver
from tests.support.queue import InPlaceQueue


@dataclass(frozen=True, slots=True)
class ResultReady(Event):
    """An event of a higher room, unknown to notify."""

    topic: ClassVar[str] = "analysis.result_ready.v1"
    application: str
    priority: str
    category: str | None


@pytest.fixture
def clock(db: Database, receiver: Receiver) -> Iterator[FixedClock]:
    """Give the tests a clock they can move."""
    fixed = FixedClock(datetime(2026, 11, 20, 12, 0, tzinfo=UTC))
    with use_clock(fixed):
        yield fixed


def wish(receiver: Receiver, **changes: object) -> SubscriptionCreate:
    """Return a webhook subscription to results."""
    given = {
        "name": "RIS",
        "topics": ["analysis.result_ready.*"],
        "channel": "webhook",
        "config": {"url": receiver.url},
    }
    return SubscriptionCreate.model_validate(given | changes)


async def create(db: Database, actor: Actor, new: SubscriptionCreate) -> SubscriptionCreated:
    async with db.transaction() as session:
        return await notify.create(session, actor, new)


async def happen(
    db: Database,
    queue: InPlaceQueue,
    actor: Actor,
    *,
    priority: str = "routine",
    category: str | None = None,
) -> UUID:
    event = ResultReady(actor.org_id, uuid4(), "lung-ct", priority, category)
    async with db.transaction() as session:
        event_id = await publish(session, actor, event)
    await queue.drain(db)
    return event_id


async def deliveries(db: Database, actor: Actor, parent: UUID) -> list[DeliveryRead]:
    async with db.reading() as session:
        page = await notify.list_deliveries(
            session, actor, parent, state=None, cursor=None, limit=1000
        )
        return page.items


def signed(got: Got, secret: str) -> bool:
    """Check a message as a receiver with that secret would (Standard Webhooks)."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    head = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode()
    wanted = base64.b64encode(hmac.new(key, head + got.body, sha256).digest()).decode()
    return f"v1,{wanted}" in got.headers["webhook-signature"].split(" ")


class TestCreate:
    async def test_never_shows_the_secret_again(
        self, db: Database, actor: Actor, receiver: Receiver
    ) -> None:
        made = await create(db, actor, wish(receiver))
        assert made.secret is not None
        assert made.secret not in str(made.config)
        async with db.reading() as session:
            again = await notify.get(session, actor, made.id)
            stored = (await session.execute(text("SELECT * FROM subscriptions"))).all()
            logged = (await session.execute(text("SELECT * FROM audit_events"))).all()
        assert made.secret not in again.model_dump_json()
        assert made.secret not in str(stored)
        assert made.secret not in str(logged)
        assert again.config["secret"] == "***"

    @pytest.mark.parametrize(
        ("channel", "config"),
        [
            ("webhook", {}),
            ("webhook", {"url": "ftp://example.org/"}),
            ("webhook", {"url": "https://user:pw@example.org/"}),
            ("webhook", {"url": "https://example.org/", "secret": "whsec_hush"}),
            ("webhook", {"url": "https://example.org/", "more": 1}),
            ("smtp", {"host": "mail.example.org", "sender": "a@b.org\nBcc: x", "recipients": []}),
            ("sms", {"url": "https://sms.example.org/", "to": "call me"}),
            ("inapp", {"user_ids": ["me"]}),
        ],
    )
    async def test_refuses_wrong_settings_without_repeating_them(
        self,
        db: Database,
        actor: Actor,
        receiver: Receiver,
        channel: str,
        config: dict[str, object],
    ) -> None:
        with pytest.raises(ChannelConfigInvalid) as caught:
            await create(db, actor, wish(receiver, channel=channel, config=config))
        assert caught.value.detail.startswith("config")
        assert "hush" not in caught.value.detail

    async def test_refuses_an_unknown_channel(
        self, db: Database, actor: Actor, receiver: Receiver
    ) -> None:
        with pytest.raises(PluginNotFound):
            await create(db, actor, wish(receiver, channel="pigeon"))

    async def test_has_a_limit(
        self,
        db: Database,
        actor: Actor,
        receiver: Receiver,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("HV_NOTIFY_MAX_SUBSCRIPTIONS", "1")
        await create(db, actor, wish(receiver))
        with pytest.raises(TooManySubscriptions):
            await create(db, actor, wish(receiver))


class TestOnEvent:
    async def test_sends_signed_ids_once(
        self,
        db: Database,
        actor: Actor,
        queue: InPlaceQueue,
        receiver: Receiver,
        clock: FixedClock,
    ) -> None:
        made = await create(db, actor, wish(receiver))
        event_id = await happen(db, queue, actor)
        assert await notify.pump(db) == 1
        assert await notify.pump(db) == 0
        (got,) = receiver.got
        assert made.secret is not None
        assert signed(got, made.secret)
        assert got.headers["webhook-id"] == str(event_id)
        body = got.json()
        assert set(body) == {"id", "type", "at", "org", "subject", "data", "links"}
        assert body["type"] == "analysis.result_ready.v1"
        assert body["links"]["self"].endswith(f"/v1/results/{body['subject']}")

    @pytest.mark.parametrize(
        ("changes", "wanted"),
        [
            ({}, 3),
            ({"topics": ["*"]}, 3),
            ({"topics": ["archive.*"]}, 0),
            ({"match": {"priority": ["stat", "urgent"]}}, 1),
            ({"match": {"application": ["lung-ct"], "priority": ["routine"]}}, 2),
            ({"match": {"no_such_field": ["x"]}}, 0),
            ({"category_at_least": "4A"}, 1),
            ({"category_at_least": "2"}, 2),
            ({"enabled": False}, 0),
        ],
    )
    async def test_heeds_topics_and_filters(
        self,
        db: Database,
        actor: Actor,
        queue: InPlaceQueue,
        receiver: Receiver,
        changes: dict[str, object],
        wanted: int,
    ) -> None:
        made = await create(db, actor, wish(receiver, **changes))
        await happen(db, queue, actor, priority="stat", category="4B")
        await happen(db, queue, actor, category="2")
        await happen(db, queue, actor)
        assert len(await deliveries(db, actor, made.id)) == wanted

    async def test_tells_nothing_to_other_organisations(
        self,
        db: Database,
        actor: Actor,
        stranger: Actor,
        queue: InPlaceQueue,
        receiver: Receiver,
    ) -> None:
        made = await create(db, stranger, wish(receiver))
        await happen(db, queue, actor)
        assert await deliveries(db, stranger, made.id) == []
        with pytest.raises(SubscriptionNotFound):
            await deliveries(db, actor, made.id)


class TestPump:
    async def test_gives_everything_once_to_a_receiver_that_was_down_ten_minutes(
        self,
        db: Database,
        actor: Actor,
        queue: InPlaceQueue,
        receiver: Receiver,
        clock: FixedClock,
    ) -> None:
        made = await create(db, actor, wish(receiver))
        receiver.status = 503
        sent = set()
        for second in range(0, 600, 20):
            if second % 60 == 0:
                sent.add(str(await happen(db, queue, actor)))
            await notify.pump(db)
            clock.advance(20)
        assert receiver.accepted == []
        receiver.status = 204
        for _ in range(90):
            clock.advance(20)
            await notify.pump(db)
        arrived = [got.headers["webhook-id"] for got in receiver.accepted]
        assert sorted(arrived) == sorted(sent)
        assert {d.state for d in await deliveries(db, actor, made.id)} == {"delivered"}

    async def test_a_dead_receiver_does_not_hold_up_another(
        self,
        db: Database,
        actor: Actor,
        queue: InPlaceQueue,
        receiver: Receiver,
        clock: FixedClock,
    ) -> None:
        await create(db, actor, wish(receiver, config={"url": "http://127.0.0.1:1/"}))
        await create(db, actor, wish(receiver))
        for _ in range(5):
            await happen(db, queue, actor)
        assert await notify.pump(db) == 5

    async def test_two_workers_send_once(
        self,
        db: Database,
        actor: Actor,
        queue: InPlaceQueue,
        receiver: Receiver,
        clock: FixedClock,
    ) -> None:
        await create(db, actor, wish(receiver))
        for _ in range(20):
            await happen(db, queue, actor)
        counts = await asyncio.gather(*(notify.pump(db) for _ in range(4)))
        assert sum(counts) == 20
        assert len({g.headers["webhook-id"] for g in receiver.got}) == len(receiver.got) == 20

    async def test_takes_up_what_a_dead_worker_was_sending(
        self,
        db: Database,
        actor: Actor,
        queue: InPlaceQueue,
        receiver: Receiver,
        clock: FixedClock,
    ) -> None:
        made = await create(db, actor, wish(receiver))
        event_id = await happen(db, queue, actor)
        receiver.delay_s = 0.3
        task = asyncio.create_task(notify.pump(db))
        while not receiver.got:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await notify.pump(db) == 0
        clock.advance(61)
        receiver.delay_s = 0
        assert await notify.pump(db) == 1
        assert {g.headers["webhook-id"] for g in receiver.got} == {str(event_id)}
        assert (await deliveries(db, actor, made.id))[0].state == "delivered"

    async def test_gives_up_after_the_last_try_and_says_so(
        self,
        db: Database,
        actor: Actor,
        queue: InPlaceQueue,
        receiver: Receiver,
        clock: FixedClock,
    ) -> None:
        made = await create(db, actor, wish(receiver))
        listener = wish(receiver, channel="inapp", config={}, topics=["notify.*"])
        await create(db, actor, listener)
        receiver.status = 500
        await happen(db, queue, actor)
        for _ in range(11):
            await notify.pump(db)
            clock.advance(12 * 3600)
        await queue.drain(db)
        (dead,) = await deliveries(db, actor, made.id)
        assert (dead.state, dead.attempts, dead.last_error) == ("dead", 11, "HTTP 500")
        async with db.reading() as session:
            page = await notify.inbox(session, actor, unread=True, cursor=None, limit=10)
        assert [n.topic for n in page.items] == ["notify.delivery_given_up.v1"]

    @pytest.mark.parametrize("status", [301, 410])
    async def test_gives_up_at_once_where_trying_again_is_of_no_use(
        self,
        db: Database,
        actor: Actor,
        queue: InPlaceQueue,
        receiver: Receiver,
        status: int,
    ) -> None:
        made = await create(db, actor, wish(receiver))
        receiver.status, receiver.extra = status, f"Location: {receiver.url}/else\r\n"
        await happen(db, queue, actor)
        await notify.pump(db)
        assert (await deliveries(db, actor, made.id))[0].state == "dead"
        assert len(receiver.got) == 1

    async def test_refuses_a_private_address_that_is_not_allowed(
        self,
        db: Database,
        actor: Actor,
        queue: InPlaceQueue,
        receiver: Receiver,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        made = await create(db, actor, wish(receiver))
        monkeypatch.setenv("HV_NOTIFY_PRIVATE_ALLOW", "10.0.0.0/8")
        with pytest.raises(ChannelConfigInvalid, match="HV_NOTIFY_PRIVATE_ALLOW"):
            await create(db, actor, wish(receiver))
        await happen(db, queue, actor)
        await notify.pump(db)
        (dead,) = await deliveries(db, actor, made.id)
        assert dead.state == "dead"
        assert "HV_NOTIFY_PRIVATE_ALLOW" in (dead.last_error or "")
        assert receiver.got == []


class TestRotateSecret:
    async def test_both_secrets_sign_for_a_day(
        self,
        db: Database,
        actor: Actor,
        queue: InPlaceQueue,
        receiver: Receiver,
        clock: FixedClock,
    ) -> None:
        made = await create(db, actor, wish(receiver))
        async with db.transaction() as session:
            rotated = await notify.rotate_secret(session, actor, made.id)
        await happen(db, queue, actor)
        await notify.pump(db)
        assert made.secret is not None
        assert signed(receiver.got[0], made.secret)
        assert signed(receiver.got[0], rotated.secret)
        clock.advance(25 * 3600)
        await happen(db, queue, actor)
        await notify.pump(db)
        assert not signed(receiver.got[1], made.secret)
        assert signed(receiver.got[1], rotated.secret)

    async def test_needs_a_channel_with_a_secret(
        self, db: Database, actor: Actor, receiver: Receiver
    ) -> None:
        made = await create(db, actor, wish(receiver, channel="inapp", config={}))
        assert made.secret is None
        async with db.transaction() as session:
            with pytest.raises(NoSecretToRotate):
                await notify.rotate_secret(session, actor, made.id)


class TestUpdate:
    async def test_keeps_the_secret_when_only_the_address_changes(
        self,
        db: Database,
        actor: Actor,
        queue: InPlaceQueue,
        receiver: Receiver,
    ) -> None:
        made = await create(db, actor, wish(receiver))
        change = SubscriptionUpdate(config={"url": receiver.url + "2"}, name="PACS")
        async with db.transaction() as session:
            assert (await notify.update(session, actor, made.id, change)).name == "PACS"
        await happen(db, queue, actor)
        await notify.pump(db)
        assert made.secret is not None
        assert signed(receiver.got[0], made.secret)
        assert receiver.got[0].path == "/hook2"

    async def test_refuses_null_where_a_value_is_needed(
        self, db: Database, actor: Actor, receiver: Receiver
    ) -> None:
        made = await create(db, actor, wish(receiver))
        change = SubscriptionUpdate.model_validate({"name": None})
        async with db.transaction() as session:
            with pytest.raises(Invalid, match="name"):
                await notify.update(session, actor, made.id, change)


class TestRemove:
    async def test_takes_the_deliveries_along(
        self,
        db: Database,
        actor: Actor,
        queue: InPlaceQueue,
        receiver: Receiver,
    ) -> None:
        made = await create(db, actor, wish(receiver))
        await happen(db, queue, actor)
        async with db.transaction() as session:
            await notify.remove(session, actor, made.id)
        assert await notify.pump(db) == 0
        assert receiver.got == []


class TestInbox:
    async def test_shows_each_event_once_to_its_user(
        self,
        db: Database,
        actor: Actor,
        stranger: Actor,
        queue: InPlaceQueue,
        receiver: Receiver,
    ) -> None:
        for _ in range(2):
            await create(db, actor, wish(receiver, channel="inapp", config={}))
        await happen(db, queue, actor, priority="stat", category="4B")
        async with db.transaction() as session:
            page = await notify.inbox(session, actor, unread=True, cursor=None, limit=10)
            (note,) = page.items
            assert note.title == "AI 结果已生成（未经医生确认）"
            assert "4B" in note.text
            assert (await notify.unread_count(session, stranger)).unread == 0
            await notify.mark_read(session, actor, note.id)
            assert (await notify.unread_count(session, actor)).unread == 0


class TestPrune:
    async def test_drops_only_what_is_finished_and_old(
        self,
        db: Database,
        actor: Actor,
        queue: InPlaceQueue,
        receiver: Receiver,
        clock: FixedClock,
    ) -> None:
        made = await create(db, actor, wish(receiver))
        await happen(db, queue, actor)
        await notify.pump(db)
        await happen(db, queue, actor)
        await notify.prune(db)
        assert len(await deliveries(db, actor, made.id)) == 2
        clock.advance(91 * 86400)
        await notify.prune(db)
        assert [d.state for d in await deliveries(db, actor, made.id)] == ["pending"]
