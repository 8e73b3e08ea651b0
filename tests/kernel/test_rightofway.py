# SPDX-License-Identifier: Apache-2.0
"""On SQLite a sender that waits writes next; nobody waits for that for ever."""

import asyncio
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from healthvision.kernel import rightofway
from healthvision.kernel.bulkdb import BulkDatabase
from healthvision.kernel.db import Database
from healthvision.kernel.rightofway import right_of_way


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database with one table."""
    found = f"sqlite:///{tmp_path}/way.db"
    bulk = BulkDatabase(found)
    with bulk.transaction() as connection:
        connection.execute(text("create table lamp (name text)"))
    bulk.close()
    return found


class TestRightOfWay:
    def test_others_of_any_thread_see_that_a_sender_waits_and_that_it_is_over(
        self, url: str
    ) -> None:
        way, other = right_of_way(url), right_of_way(url)
        seen: list[bool] = []
        look = threading.Thread(target=lambda: seen.append(way.is_wanted()))
        with way.wanted():
            assert other.is_wanted()
            with other.wanted():  # two receivers
                pass
            look.start()
            look.join()
        assert seen == [True]
        assert not other.is_wanted()

    def test_other_databases_and_folders_that_cannot_be_written_have_none(self) -> None:
        for url in ("postgresql://host/name", "sqlite://", "sqlite:////no/such/folder/x.db"):
            way = right_of_way(url)
            with way.wanted():
                assert not way.is_wanted()


class TestBulkDatabase:
    def test_a_sender_asks_the_others_to_let_it_pass_until_it_writes(self, url: str) -> None:
        way, first, second = right_of_way(url), BulkDatabase(url), BulkDatabase(url)
        begun = threading.Event()

        def write() -> None:
            with second.transaction() as connection:
                begun.set()
                connection.execute(text("insert into lamp values ('second')"))

        waiting = threading.Thread(target=write)
        with first.transaction() as connection:
            waiting.start()
            while not way.is_wanted():  # pytest's limit ends it
                pass
            assert not begun.is_set()
            connection.execute(text("insert into lamp values ('first')"))
        waiting.join()
        assert not way.is_wanted()
        with first.reading() as connection:
            names = [row[0] for row in connection.execute(text("select name from lamp"))]
        assert names == ["first", "second"]
        first.close()
        second.close()


class TestDatabase:
    async def test_background_work_goes_on_though_a_sender_waits_for_ever(
        self, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[bool] = []
        db, way = Database(url), right_of_way(url)
        looks = rightofway.RightOfWay.is_wanted

        def counted(self: rightofway.RightOfWay) -> bool:
            asked.append(looks(self))
            return asked[-1]

        monkeypatch.setattr(rightofway.RightOfWay, "is_wanted", counted)
        with way.wanted():
            async with db.transaction() as session:
                await session.execute(text("insert into lamp values ('background')"))
        assert len(asked) > 1 and all(asked)
        await db.close()


class TestTurns:
    async def test_one_at_a_time_also_when_one_fails(self, url: str) -> None:
        turns, inside, most = rightofway.Turns(url), 0, 0

        async def work(*, fails: bool) -> None:
            nonlocal inside, most
            async with turns.turn():
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1
                if fails:
                    raise ZeroDivisionError

        jobs = [work(fails=number == 1) for number in range(4)]
        found = await asyncio.gather(*jobs, return_exceptions=True)
        assert [isinstance(f, ZeroDivisionError) for f in found] == [False, True, False, False]
        assert most == 1
