# SPDX-License-Identifier: Apache-2.0
"""Exactly the budget passes, over all processes, on the real database and Redis."""

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from healthvision.kernel.clock import FixedClock, use_clock
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Busy
from healthvision.kernel.ratelimit import (
    OverRateLimit,
    RateLimitSettings,
    SharedRateLimiter,
    drop_old_windows,
    make_limiter,
    published_limits,
)
from healthvision.kernel.redislimit import RedisCounter
from healthvision.kernel.security import Actor
from tests.support.postgres import free_port
from tests.support.services import missing_service


def somebody(tier: str = "standard") -> Actor:
    return Actor(org_id=uuid4(), id="u", kind="user", tier=tier)


@pytest.fixture
async def two_processes(
    db: Database, database_url: str
) -> AsyncIterator[tuple[SharedRateLimiter, SharedRateLimiter]]:
    """Two limiters that know each other only through the database."""
    other = Database(database_url, pool_size=5)
    settings = RateLimitSettings()
    yield make_limiter(db, settings), make_limiter(other, settings)
    await other.close()


async def passes(limiters: tuple[SharedRateLimiter, ...], actor: Actor, calls: int) -> int:
    async def one(number: int) -> bool:
        try:
            await limiters[number % len(limiters)].hit(actor, "api")
        except OverRateLimit as problem:
            assert problem.retry_after is not None
            assert 1 <= problem.retry_after <= 60
            return False
        return True

    return sum(await asyncio.gather(*(one(n) for n in range(calls))))


class TestHit:
    async def test_sixty_pass_and_the_sixty_first_is_refused(
        self, two_processes: tuple[SharedRateLimiter, SharedRateLimiter]
    ) -> None:
        actor = somebody()
        assert await passes(two_processes, actor, 60) == 60
        assert await passes(two_processes, actor, 1) == 0
        assert await passes(two_processes, somebody(), 3) == 3

    async def test_parallel_calls_of_two_processes_pass_exactly_sixty(
        self, two_processes: tuple[SharedRateLimiter, SharedRateLimiter]
    ) -> None:
        assert await passes(two_processes, somebody(), 90) == 60

    async def test_the_window_starts_at_the_first_call_and_ends_after_a_minute(
        self, two_processes: tuple[SharedRateLimiter, SharedRateLimiter]
    ) -> None:
        actor = somebody()
        with use_clock(FixedClock(datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC))) as clock:
            assert isinstance(clock, FixedClock)
            assert await passes(two_processes, actor, 61) == 60
            clock.advance(59)
            assert await passes(two_processes, actor, 1) == 0
            clock.advance(1.1)
            assert await passes(two_processes, actor, 61) == 60
            clock.advance(-7200)  # a clock that was set back locks nobody out
            assert await passes(two_processes, actor, 1) == 1

    async def test_the_service_tier_never_passes_more_than_its_budget(self, db: Database) -> None:
        settings = RateLimitSettings(tiers={"service": {"api": 500}})
        limiters = (make_limiter(db, settings), make_limiter(db, settings))
        passed = await passes(limiters, somebody("service"), 520)
        assert 490 <= passed <= 500

    async def test_a_call_of_the_service_tier_uses_up_none_of_its_owners_calls(
        self, db: Database
    ) -> None:
        limiter, owner = make_limiter(db, RateLimitSettings()), somebody()
        await limiter.hit(replace(owner, tier="service"), "api")
        assert await passes((limiter,), owner, 61) == 60

    async def test_pixel_calls_write_nothing_to_the_database(self, db: Database) -> None:
        limiter = make_limiter(db, RateLimitSettings(tiers={"standard": {"dicomweb": 5}}))
        actor = somebody()
        for _ in range(5):
            await limiter.hit(actor, "dicomweb")
        with pytest.raises(OverRateLimit):
            await limiter.hit(actor, "dicomweb")
        with use_clock(FixedClock(datetime(2096, 1, 1, tzinfo=UTC))):
            assert await drop_old_windows(db) == 0

    async def test_the_system_and_devices_are_not_counted(self, db: Database) -> None:
        limiter = make_limiter(db, RateLimitSettings())
        for _ in range(70):
            await limiter.hit(Actor.system(uuid4()), "api")


class TestSettings:
    def test_sixty_is_the_standard(self) -> None:
        assert RateLimitSettings().limit("standard", "api") == 60

    def test_an_unknown_tier_is_the_standard_one(self) -> None:
        assert RateLimitSettings().limit("gold", "api") == 60

    def test_a_partial_table_keeps_the_rest(self) -> None:
        settings = RateLimitSettings(tiers={"gold": {"api": 100}})
        assert settings.limit("gold", "api") == 100
        assert settings.limit("gold", "ui") == settings.limit("standard", "ui")

    @pytest.mark.parametrize("tiers", [{"x": {"api": 0}}, {"x": {"nonsense": 5}}])
    def test_nonsense_is_refused(self, tiers: dict[str, dict[str, int]]) -> None:
        with pytest.raises(ValueError, match="unknown or below 1"):
            RateLimitSettings(tiers=tiers)


class TestPublishedLimits:
    def test_names_every_budget_of_every_tier(self) -> None:
        found = {(p.tier, p.budget): p for p in published_limits()}
        assert found["standard", "api"].limit == 60
        assert found["standard", "api"].counted == "installation"
        assert found["standard", "dicomweb"].counted == "process"
        assert len(found) == 10


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a private Redis."""
    program = shutil.which("redis-server")
    if program is None:
        missing_service("redis")
    folder: Path = tmp_path_factory.mktemp("redis")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    server = subprocess.Popen([*command, "--dir", str(folder)], stdout=subprocess.DEVNULL)
    try:
        _wait_for_answer(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(10)


def _wait_for_answer(port: int) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as asking:
                asking.sendall(b"PING\r\n")
                assert asking.recv(16).startswith(b"+PONG")
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


class TestRedis:
    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    async def test_two_processes_pass_exactly_sixty(self, db: Database, redis_url: str) -> None:
        settings = RateLimitSettings()
        limiters = tuple(make_limiter(db, settings, redis_url=redis_url) for _ in range(2))
        assert await passes(limiters, somebody(), 90) == 60
        for limiter in limiters:
            await limiter.close()

    async def test_without_redis_the_call_is_refused_as_busy(self) -> None:
        counter = RedisCounter(f"redis://127.0.0.1:{free_port()}/0")
        limiter = SharedRateLimiter(counter, RateLimitSettings())
        with pytest.raises(Busy):
            await limiter.hit(somebody(), "api")
        await limiter.close()
