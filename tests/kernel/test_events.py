# SPDX-License-Identifier: Apache-2.0
"""Who is told of an event: a job for each handler that has work with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pytest
from sqlalchemy import select

from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Database, Session
from healthvision.kernel.events import (
    READINGS,
    SPREAD,
    Asked,
    Event,
    EventDelivery,
    EventRegistry,
    EventRow,
    InTwo,
    Stale,
    deliver,
    publish,
    spread,
)
from healthvision.kernel.jobs import Job, JobContext, JobRegistry
from healthvision.kernel.module import Module
from healthvision.kernel.security import Actor
from tests.support.queue import InPlaceQueue

heard: list[str] = []


@dataclass(frozen=True, slots=True)
class Rung(Event):
    """A bell rang."""

    topic: ClassVar[str] = "test.rung.v1"
    loud: bool


async def always(session: Session, actor: Actor, event: Rung) -> None:
    """Hear every bell."""
    heard.append("always")


async def loudly(session: Session, actor: Actor, event: Rung) -> None:
    """Hear loud bells."""
    heard.append("loudly")


async def is_loud(session: Session, event: Rung) -> bool:
    """Tell whether a bell is loud."""
    return event.loud


@pytest.fixture
def modules() -> Sequence[Module]:
    """One room with two listeners, one of which is asked first."""
    heard.clear()
    return [Module(name="ear", subscriptions={Rung: [always, Asked(loudly, is_loud)]})]


class TestPublish:
    @pytest.mark.parametrize(("loud", "told"), [(True, ["always", "loudly"]), (False, ["always"])])
    async def test_asks_before_it_enqueues_a_delivery(
        self, db: Database, actor: Actor, queue: InPlaceQueue, loud: bool, told: list[str]
    ) -> None:
        async with db.transaction() as session:
            await publish(session, actor, Rung(org_id=actor.org_id, subject=new_id(), loud=loud))
        await queue.drain(db)
        assert sorted(heard) == told
        async with db.reading() as session:
            assert len((await session.scalars(select(EventRow))).all()) == 1


class TestSpread:
    async def test_a_worker_finds_out_who_listens_to_what_a_process_without_rooms_told(
        self, db: Database, actor: Actor, queue: InPlaceQueue
    ) -> None:
        known = db.resources.get(EventRegistry)
        db.resources.get(JobRegistry).jobs.setdefault(SPREAD, Job(SPREAD, spread))
        db.resources.put(EventRegistry, EventRegistry(elsewhere=True))
        async with db.transaction() as session:
            event = Rung(org_id=actor.org_id, subject=new_id(), loud=False)
            event_id = await publish(session, actor, event)
        db.resources.put(EventRegistry, known)
        assert [job.name for job in queue.waiting] == [SPREAD]
        await queue.drain(db)
        await spread(JobContext(db, "again", 2, "test"), {"event_id": str(event_id)})
        await queue.drain(db)
        assert heard == ["always"]


@dataclass(frozen=True, slots=True)
class Told(Event):
    """Something was told."""

    topic: ClassVar[str] = "test.told.v1"


class TestInTwo:
    """A handler that reads in a session of its own and writes in a short transaction."""

    @pytest.mark.parametrize("stale", [0, 1, READINGS])
    async def test_reads_again_until_what_it_read_is_true(
        self, db: Database, actor: Actor, queue: InPlaceQueue, stale: int
    ) -> None:
        read, written = list[bool](), list[int]()

        async def look(session: Session, actor: Actor, event: Told) -> int:
            writing = bool(await session.scalar(select(EventDelivery.event_id)))
            read.append(writing)  # the note of the delivery is seen only within its transaction
            return len(read)

        async def put(session: Session, actor: Actor, event: Told, known: int) -> None:
            if known <= stale:
                raise Stale
            written.append(known)

        db.resources.get(EventRegistry).add("eye", {Told: [InTwo("look", look, put)]})
        async with db.transaction() as session:
            await publish(session, actor, Told(org_id=actor.org_id, subject=new_id()))
        assert [job.id.partition(":")[2] for job in queue.waiting] == ["eye.look@test.told.v1"]
        await queue.drain(db)
        assert written == [stale + 1]
        assert read == [False] * min(stale + 1, READINGS) + [True] * (stale >= READINGS)

    async def test_a_second_delivery_writes_nothing(
        self, db: Database, actor: Actor, queue: InPlaceQueue
    ) -> None:
        written = list[str]()

        async def look(session: Session, actor: Actor, event: Told) -> str:
            return "seen"

        async def put(session: Session, actor: Actor, event: Told, known: str) -> None:
            written.append(known)

        db.resources.get(EventRegistry).add("eye", {Told: [InTwo("look", look, put)]})
        async with db.transaction() as session:
            event_id = await publish(session, actor, Told(org_id=actor.org_id, subject=new_id()))
        payload = {"event_id": str(event_id), "handler": "eye.look@test.told.v1"}
        for attempt in (1, 2):
            await deliver(JobContext(db, "job", attempt, "test"), payload)
        assert written == ["seen"]
