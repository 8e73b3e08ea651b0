# SPDX-License-Identifier: Apache-2.0
"""The database server falls alone, again and again, while one process receives, seals, compacts."""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress

import pytest
from pydicom.uid import generate_uid
from sqlalchemy import create_engine, select
from sqlalchemy.exc import DBAPIError

from healthvision.domains.archive import service
from healthvision.domains.archive.schemas import Incoming, Origin
from healthvision.domains.archive.tables import Instance
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.kernel.db import Base, Database, sync_url
from healthvision.kernel.errors import Problem
from healthvision.kernel.security import Actor
from tests.domains.archive.seal_child import SETTINGS
from tests.domains.archive.test_seal_kill import check
from tests.factories.dicom import ct_bytes
from tests.support.postgres import PostgresServer, postgres, postgres_bin
from tests.support.services import missing_service

pytestmark = [pytest.mark.service, pytest.mark.long, pytest.mark.timeout(600)]
FALLS = int(os.environ.get("HV_TEST_FALLS", "8"))
SEED = 11


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of its own that writes to the disk."""
    binaries = postgres_bin()
    if binaries is None:
        missing_service("postgresql")
    with postgres(binaries, fsync=True) as running:
        engine = create_engine(sync_url(running.url))
        Base.metadata.create_all(engine)
        engine.dispose()
        yield running


@pytest.fixture
def database_url(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """Its database; what is sealed is sealed and compacted at once."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    return server.url


async def _again(work: Callable[[], Awaitable[object]]) -> None:
    """Do work for ever; when the database is away, a moment later once more."""
    while True:
        with suppress(Problem, DBAPIError):
            await work()
        await asyncio.sleep(0.02)


class TestServerFalls:
    async def test_what_was_acknowledged_stays_without_a_restart_of_the_receiver(
        self, db: Database, actor: Actor, space: SpaceRead, server: PostgresServer
    ) -> None:
        acknowledged: list[Sequence[str]] = []
        origin = Origin("folder")

        async def receive() -> None:
            study, series = generate_uid(), generate_uid()
            for _ in range(2):
                items = [Incoming(ct_bytes(study_uid=study, series_uid=series)) for _ in range(2)]
                found = await service.receive(db, actor, items, space_id=space.id, origin=origin)
                acknowledged.extend((one.study_uid, one.sop_uid) for one in found)

        async def keep() -> None:
            await service.seal_quiet_series(db)
            await service.compact(db)
            await service.delete_retired(db)
            await service.remove_spent_segments(db)

        tasks = [asyncio.create_task(_again(work)) for work in (receive, receive, keep)]
        chance, told = random.Random(SEED), []
        for _ in range(FALLS):
            await asyncio.sleep(chance.uniform(0.5, 2.0))
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            told.append(len(acknowledged))
        while len(acknowledged) <= told[-1]:
            await asyncio.sleep(0.1)
        assert [task for task in tasks if task.done()] == []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with db.reading() as session:
            kept = set(await session.scalars(select(Instance.sop_uid)))
        assert {line[1] for line in acknowledged} <= kept
        await check(db, actor, acknowledged)
