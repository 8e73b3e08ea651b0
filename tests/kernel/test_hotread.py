# SPDX-License-Identifier: Apache-2.0
"""Sync connections for hot paths."""

import asyncio
import threading

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from healthvision.kernel.db import Database
from healthvision.kernel.errors import Problem
from healthvision.kernel.hotread import HotReader, SyncDatabase, reader_of


def _one(connection: Connection) -> int:
    return int(connection.execute(text("SELECT 1")).scalar_one())


def _make_table(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE made_here (number INTEGER)"))


class TestReaderOf:
    async def test_is_made_once_and_ends_with_the_database(self, database_url: str) -> None:
        db = Database(database_url)
        assert await reader_of(db).run(_one) == 1
        assert reader_of(db) is db.resources.get(HotReader)
        await db.close()
        with pytest.raises(RuntimeError):
            await reader_of(db).run(_one)

    async def test_cannot_write(self, db: Database) -> None:
        with pytest.raises((DBAPIError, Problem)):
            await reader_of(db).run(_make_table)
        assert await reader_of(db).run(_one) == 1

    async def test_sees_what_was_committed_since_the_last_read(self, db: Database) -> None:
        await reader_of(db).run(_one)
        async with db.transaction() as session:
            await session.execute(text("CREATE TABLE later (number INTEGER)"))
            await session.execute(text("INSERT INTO later VALUES (7)"))

        def read(connection: Connection) -> int:
            return int(connection.execute(text("SELECT number FROM later")).scalar_one())

        assert await reader_of(db).run(read) == 7

    async def test_serves_many_at_once_on_few_threads(self, db: Database) -> None:
        names = set()

        def work(connection: Connection) -> int:
            names.add(threading.current_thread().name)
            return _one(connection)

        assert await asyncio.gather(*(reader_of(db).run(work) for _ in range(50))) == [1] * 50
        assert len(names) <= 4


class TestSyncDatabase:
    async def test_commits_a_run_or_nothing_of_it(self, db: Database) -> None:
        writer = SyncDatabase(db.url, threads=1, writing=True, name="test-write")
        try:
            await writer.run(_make_table)

            def fails(connection: Connection) -> None:
                connection.execute(text("INSERT INTO made_here VALUES (1)"))
                raise KeyError("stop")

            with pytest.raises(KeyError):
                await writer.run(fails)
            await writer.run(lambda c: c.execute(text("INSERT INTO made_here VALUES (2)")))

            def numbers(connection: Connection) -> list[int]:
                return list(connection.execute(text("SELECT number FROM made_here")).scalars())

            assert await reader_of(db).run(numbers) == [2]
        finally:
            writer.close()
