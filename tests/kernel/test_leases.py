# SPDX-License-Identifier: Apache-2.0
"""One holder at a time, and a number that tells old holders from new ones."""

import asyncio

from healthvision.kernel.clock import FixedClock, now, use_clock
from healthvision.kernel.db import Database
from healthvision.kernel.leases import acquire, release_all


class TestAcquire:
    async def test_only_one_of_many_gets_it(self, db: Database) -> None:
        async def take(holder: str) -> int | None:
            async with db.transaction() as session:
                return await acquire(session, "sealer", holder, 30)

        got = await asyncio.gather(*(take(f"w{i}") for i in range(8)))
        assert [g for g in got if g is not None] == [1]

    async def test_the_fence_grows_when_the_holder_changes(self, db: Database) -> None:
        clock = FixedClock(now())
        with use_clock(clock):
            async with db.transaction() as session:
                assert await acquire(session, "sealer", "a", 5) == 1
                assert await acquire(session, "sealer", "b", 5) is None
            clock.advance(4)
            async with db.transaction() as session:
                assert await acquire(session, "sealer", "a", 5) == 1
            clock.advance(6)
            async with db.transaction() as session:
                assert await acquire(session, "sealer", "b", 5) == 2
                assert await acquire(session, "sealer", "a", 5) is None

    async def test_a_released_lease_is_free_at_once(self, db: Database) -> None:
        async with db.transaction() as session:
            await acquire(session, "sealer", "a", 100)
            await release_all(session, "a")
            assert await acquire(session, "sealer", "b", 100) == 2
