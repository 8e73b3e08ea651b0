# SPDX-License-Identifier: Apache-2.0
"""Periodic work of a lease is done by whoever has it."""

import asyncio
from collections.abc import Sequence

from healthvision.kernel.db import Database
from healthvision.kernel.jobs import JobContext, Periodic
from healthvision.kernel.leases import acquire, is_held, release_all
from healthvision.kernel.rounds import Rounds, by_lease


async def _until(done: Sequence[str], count: int) -> None:
    """Wait until so much was done (pytest's limit ends it)."""
    while len(done) < count:
        await asyncio.sleep(0.01)


class TestRounds:
    async def test_a_failure_ends_neither_its_own_work_nor_the_other(self, db: Database) -> None:
        good: list[str] = []
        bad: list[str] = []

        async def works(context: JobContext) -> None:
            good.append(context.worker_id)

        async def fails(context: JobContext) -> None:
            bad.append(context.worker_id)
            raise ZeroDivisionError

        periodics = [Periodic("lamp.works", 0.01, works), Periodic("lamp.fails", 0.01, fails)]
        running = asyncio.create_task(Rounds(db, "lamp", "me", periodics).run())
        await _until(good, 2)
        await _until(bad, 2)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert set(good + bad) == {"me"}

    async def test_nothing_is_done_while_another_has_the_lease(self, db: Database) -> None:
        done: list[str] = []

        async def work(context: JobContext) -> None:
            done.append(context.worker_id)

        rounds = Rounds(db, "lamp", "me", [Periodic("lamp.work", 0.0, work)])
        async with db.transaction() as session:
            await acquire(session, "lamp", "other", 3600)
        assert not await rounds._is_in_charge()
        async with db.transaction() as session:
            assert await is_held(session, "lamp")
            await release_all(session, "other")
            assert not await is_held(session, "lamp")
        rounds._until = 0.0
        running = asyncio.create_task(rounds.run())
        await _until(done, 1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class TestByLease:
    async def test_work_is_grouped_by_its_lease_in_its_order(self) -> None:
        async def work(context: JobContext) -> None:
            raise NotImplementedError

        one, two = Periodic("a", 1.0, work), Periodic("b", 1.0, work, "other")
        three = Periodic("c", 1.0, work)
        assert by_lease([one, two, three]) == {"periodics": [one, three], "other": [two]}
