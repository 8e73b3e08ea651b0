# SPDX-License-Identifier: Apache-2.0
"""The real job engine on real databases."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

import pytest

from healthvision.app.assembly import register
from healthvision.kernel import engine, jobs
from healthvision.kernel.db import Database, DatabaseUnavailable, Session
from healthvision.kernel.errors import Busy, Invalid
from healthvision.kernel.events import Event, publish
from healthvision.kernel.jobs import Job, JobContext, JobQueue, Periodic
from healthvision.kernel.module import Module
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings
from healthvision.kernel.worker import Worker


@dataclass(frozen=True, slots=True)
class LampLit(Event):
    topic: ClassVar[str] = "lamp.lit.v1"
    colour: str


@dataclass
class Ledger:
    """What ran, in order."""

    ran: list[str] = field(default_factory=list)
    released: bool = False

    async def note(self, context: JobContext, payload: Mapping[str, Any]) -> None:
        self.ran.append(str(payload["text"]))

    async def refuse(self, context: JobContext, payload: Mapping[str, Any]) -> None:
        self.ran.append(f"refused {context.attempt}")
        raise Invalid("never good")

    async def busy_twice(self, context: JobContext, payload: Mapping[str, Any]) -> None:
        self.ran.append(f"try {context.attempt}")
        if context.attempt < 3:
            raise Busy("not yet")

    async def away_six_times(self, context: JobContext, payload: Mapping[str, Any]) -> None:
        self.ran.append(f"away {context.attempt}")
        if context.attempt <= 6:
            raise DatabaseUnavailable("restarting")
        self.ran.append("back")

    async def hold(self, context: JobContext, payload: Mapping[str, Any]) -> None:
        self.ran.append(f"held by {context.worker_id}")
        if not self.released:
            await asyncio.sleep(3600)

    async def failed(self, context: JobContext, payload: Mapping[str, Any]) -> None:
        self.ran.append(f"failed: {payload['error']}")

    async def on_lamp(self, session: Session, actor: Actor, event: LampLit) -> None:
        self.ran.append(f"lamp {event.colour} {actor.kind}")

    async def tick(self, context: JobContext) -> None:
        self.ran.append("tick")

    def wait_for(self, text: str, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while text not in self.ran:
            assert time.monotonic() < end, f"{text!r} not in {self.ran}"
            time.sleep(0.05)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def lamp(ledger: Ledger) -> Sequence[Module]:
    return [
        Module(
            name="lamp",
            jobs=[
                Job("lamp.note", ledger.note),
                Job("lamp.refuse", ledger.refuse, on_failed=ledger.failed),
                Job("lamp.busy", ledger.busy_twice, first_delay_s=0.1),
                Job("lamp.away", ledger.away_six_times, attempts=1, first_delay_s=0.01),
                Job("lamp.hold", ledger.hold),
            ],
            periodics=[Periodic("lamp.tick", 0.2, ledger.tick)],
            subscriptions={LampLit: [ledger.on_lamp]},
        )
    ]


@pytest.fixture
async def engine_db(
    database_url: str, lamp: Sequence[Module]
) -> AsyncIterator[tuple[Database, str]]:
    engine.migrate(database_url)
    db = Database(database_url)
    register(db, lamp)
    queue = engine.EngineQueue(database_url)
    db.resources.put(JobQueue, queue)  # type: ignore[type-abstract]
    yield db, database_url
    await db.close()
    queue.close()


@pytest.fixture
def new_worker(
    engine_db: tuple[Database, str], lamp: Sequence[Module]
) -> Iterator[Callable[[], Worker]]:
    _, url = engine_db
    made: list[Worker] = []

    @asynccontextmanager
    async def open_database() -> AsyncIterator[Database]:
        db = Database(url)
        register(db, lamp)
        queue = engine.EngineQueue(url)
        db.resources.put(JobQueue, queue)  # type: ignore[type-abstract]
        yield db
        await db.close()
        queue.close()

    def make() -> Worker:
        made.append(Worker(CoreSettings(), open_database))
        made[-1].start()
        return made[-1]

    yield make
    for running in made:
        running.stop()


@pytest.fixture
def worker(new_worker: Callable[[], Worker]) -> Worker:
    return new_worker()


class TestWorker:
    async def test_runs_an_enqueued_job_once_though_enqueued_twice(
        self, engine_db: tuple[Database, str], worker: Worker, ledger: Ledger
    ) -> None:
        db, _ = engine_db
        for _ in range(2):
            async with db.transaction() as session:
                await jobs.enqueue(session, "lamp.note", {"text": "one"}, job_id="same-id")
        async with db.transaction() as session:
            await jobs.enqueue(session, "lamp.note", {"text": "two"})
        await asyncio.to_thread(ledger.wait_for, "two")
        await asyncio.sleep(0.5)
        assert ledger.ran.count("one") == 1

    async def test_forgets_a_job_whose_transaction_rolled_back(
        self, engine_db: tuple[Database, str], worker: Worker, ledger: Ledger
    ) -> None:
        db, _ = engine_db
        with pytest.raises(ZeroDivisionError):
            async with db.transaction() as session:
                await jobs.enqueue(session, "lamp.note", {"text": "never"})
                raise ZeroDivisionError
        async with db.transaction() as session:
            await jobs.enqueue(session, "lamp.note", {"text": "after"})
        await asyncio.to_thread(ledger.wait_for, "after")
        assert "never" not in ledger.ran

    async def test_tries_again_when_busy_and_not_when_invalid(
        self, engine_db: tuple[Database, str], worker: Worker, ledger: Ledger
    ) -> None:
        db, _ = engine_db
        async with db.transaction() as session:
            await jobs.enqueue(session, "lamp.busy", {})
            await jobs.enqueue(session, "lamp.refuse", {})
        await asyncio.to_thread(ledger.wait_for, "try 3")
        await asyncio.to_thread(ledger.wait_for, "failed: invalid: never good")
        assert [r for r in ledger.ran if r.startswith("refused")] == ["refused 1"]

    async def test_delivers_an_event_to_its_subscriber_as_the_system(
        self, engine_db: tuple[Database, str], worker: Worker, ledger: Ledger, actor: Actor
    ) -> None:
        db, _ = engine_db
        async with db.transaction() as session:
            event = LampLit(org_id=actor.org_id, subject=UUID(int=7), colour="green")
            await publish(session, actor, event)
        await asyncio.to_thread(ledger.wait_for, "lamp green system")

    async def test_repeats_periodic_work(self, worker: Worker, ledger: Ledger) -> None:
        await asyncio.to_thread(ledger.wait_for, "tick")

    async def test_an_outage_of_the_database_uses_up_no_tries(
        self, engine_db: tuple[Database, str], worker: Worker, ledger: Ledger
    ) -> None:
        db, _ = engine_db
        async with db.transaction() as session:
            await jobs.enqueue(session, "lamp.away", {})
        await asyncio.to_thread(ledger.wait_for, "back")
        assert [r for r in ledger.ran if r.startswith("away")] == [f"away {n}" for n in range(1, 8)]

    async def test_a_retry_keeps_its_queue_and_priority(
        self, engine_db: tuple[Database, str], worker: Worker, ledger: Ledger
    ) -> None:
        db, _ = engine_db
        async with db.transaction() as session:
            await jobs.enqueue(session, "lamp.busy", {}, job_id="urgent-one", priority=1)
        await asyncio.to_thread(ledger.wait_for, "try 3")
        queue = db.resources.get(JobQueue)  # type: ignore[type-abstract]
        assert isinstance(queue, engine.EngineQueue)
        (again,) = queue.client.list_workflows(workflow_ids=["urgent-one~2"])
        assert (again.queue_name, again.priority) == ("default", 1)

    async def test_a_job_of_a_stopped_worker_is_taken_over(
        self,
        engine_db: tuple[Database, str],
        new_worker: Callable[[], Worker],
        ledger: Ledger,
    ) -> None:
        db, _ = engine_db
        first = await asyncio.to_thread(new_worker)
        async with db.transaction() as session:
            await jobs.enqueue(session, "lamp.hold", {})
        await asyncio.to_thread(ledger.wait_for, f"held by {first.worker_id}")
        started = time.monotonic()
        await asyncio.to_thread(first.stop)
        assert time.monotonic() - started < 15
        ledger.released = True
        second = await asyncio.to_thread(new_worker)
        await asyncio.to_thread(ledger.wait_for, f"held by {second.worker_id}")
