# SPDX-License-Identifier: Apache-2.0
"""A second host is refused while the objects lie in a folder of the first."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from healthvision.app import placement
from healthvision.app.placement import OtherHost
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database
from healthvision.kernel.leases import ALIVE_S, WorkerHeartbeat
from healthvision.kernel.module import Module


@pytest.fixture
def modules() -> Sequence[Module]:
    """No room is needed."""
    return []


async def _worker_elsewhere(db: Database, *, seen_s_ago: float) -> None:
    at = now() - timedelta(seconds=seen_s_ago)
    async with db.transaction() as session:
        row = WorkerHeartbeat(worker_id="far", host="other-host", pid=1, started_at=at, seen_at=at)
        await session.merge(row)


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once."""
    monkeypatch.setattr(placement, "LOOK_S", 0.01)


class TestCheck:
    async def test_nobody_elsewhere_is_right(self, db: Database) -> None:
        await placement.check(db)

    async def test_a_living_worker_elsewhere_is_refused_with_the_remedy(self, db: Database) -> None:
        await _worker_elsewhere(db, seen_s_ago=5.0)

        async def beat() -> None:
            while True:
                await _worker_elsewhere(db, seen_s_ago=0.0)
                await asyncio.sleep(0.02)

        beating = asyncio.create_task(beat())
        try:
            with pytest.raises(OtherHost, match="HV_STORAGE_URL"):
                await placement.check(db)
        finally:
            beating.cancel()

    async def test_a_worker_that_died_elsewhere_costs_only_the_wait(self, db: Database) -> None:
        await _worker_elsewhere(db, seen_s_ago=5.0)
        waiting = asyncio.create_task(placement.check(db))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await _worker_elsewhere(db, seen_s_ago=2 * ALIVE_S)
        await waiting

    @pytest.mark.parametrize(
        ("name", "value"), [("HV_STORAGE_SHARED", "true"), ("HV_STORAGE_URL", "s3://bucket")]
    )
    async def test_a_store_that_both_reach_is_right(
        self, db: Database, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        await _worker_elsewhere(db, seen_s_ago=0.0)
        monkeypatch.setenv(name, value)
        await placement.check(db)
