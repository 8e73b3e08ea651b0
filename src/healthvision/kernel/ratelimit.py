# SPDX-License-Identifier: Apache-2.0
"""Rate limits per account and budget, counted over all processes.

A window of 60 s starts at an account's first call. Of a budget of N exactly N calls pass in it
and the next one is refused with the seconds until the window ends. An account whose keys are of
several tiers has a window for each tier: what a service reads does not use up its owner's calls.
Budgets counted over all
processes ('api', 'auth', 'presigned') use one atomic upsert in the database, or Redis when it is
configured. Large budgets reserve calls in blocks (1 % of the budget), so that a block costs one
write; calls that a process reserved and did not use are lost to the others until the window ends.
Budgets of the hot paths (pixels, UI) are counted per process unless there is Redis.
"""

import asyncio
import importlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import ClassVar, Protocol, cast

from pydantic import Field, field_validator
from sqlalchemy import case, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from healthvision.kernel.clock import now
from healthvision.kernel.db import Base, Database
from healthvision.kernel.errors import TooMany
from healthvision.kernel.schemas import Read
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import RoomSettings

WINDOW_S = 60.0
STANDARD = "standard"
SHARED_BUDGETS = frozenset({"api", "auth", "presigned"})
MAX_LOCAL_WINDOWS = 100_000
BUDGET_HELP = {
    "api": "business calls under /v1, per account",
    "auth": "sign-in, token and invitation calls and wrong signed URLs, per network address",
    "dicomweb": "calls under /dicomweb, per account",
    "presigned": "exports, and calls to signed upload and download URLs of ours, per account",
    "ui": "calls of the web interface's own session, per account",
}
DEFAULT_TIERS = {
    STANDARD: {"api": 60, "auth": 60, "dicomweb": 6_000, "presigned": 1_200, "ui": 1_200},
    "service": {
        "api": 6_000,
        "auth": 600,
        "dicomweb": 120_000,
        "presigned": 60_000,
        "ui": 6_000,
    },
}


class RateLimitSettings(RoomSettings, room="ratelimit"):
    """Budgets by tier (prefix ``HV_RATELIMIT_``)."""

    tiers: dict[str, dict[str, int]] = Field(
        default_factory=lambda: {name: dict(budgets) for name, budgets in DEFAULT_TIERS.items()},
        description="Calls per minute by tier and budget (JSON). A tier or budget that is not "
        "named falls back to 'standard', then to the defaults.",
    )

    @field_validator("tiers")
    @classmethod
    def _known(cls, tiers: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
        for tier, budgets in tiers.items():
            for budget, number in budgets.items():
                if budget not in BUDGET_HELP or number < 1:
                    raise ValueError(f"tier {tier}: budget {budget!r} is unknown or below 1")
        return tiers

    def limit(self, tier: str, budget: str) -> int:
        """Return the calls per minute; KeyError for a budget that does not exist."""
        for name in (tier, STANDARD):
            if budget in self.tiers.get(name, {}):
                return self.tiers[name][budget]
        return DEFAULT_TIERS.get(tier, DEFAULT_TIERS[STANDARD])[budget]


class PublishedLimit(Read):
    """One budget of one tier as ``GET /v1/limits`` shows it."""

    tier: str
    budget: str
    limit: int
    window_seconds: int
    counted: str = Field(description="'installation' or 'process'.")
    description: str


class OverRateLimit(TooMany):
    """The account's budget of this minute is used up."""

    code, title = "rate-limited", "Over the rate limit"


class RateWindow(Base):
    """One account's running window of one budget; times are seconds since 1970, UTC."""

    __tablename__ = "rate_windows"

    account: Mapped[str] = mapped_column(primary_key=True)
    budget: Mapped[str] = mapped_column(primary_key=True)
    started_at: Mapped[float] = mapped_column(index=True)
    count: Mapped[int]


@dataclass(frozen=True, slots=True)
class Counted:
    """What a shared counter says after adding: the sum, and when the window ends (epoch s)."""

    count: int
    ends_at: float


class Counter(Protocol):
    """A place that counts atomically; two implementations: database and Redis."""

    everything: ClassVar[bool]  # fast enough for every budget

    async def add(self, account: str, budget: str, number: int) -> Counted:
        """Add to the account's running window, or start one."""
        ...

    async def close(self) -> None:
        """Let connections go."""
        ...


class DatabaseCounter:
    """Counts in the table ``rate_windows``, one upsert per call, in a transaction of its own."""

    everything: ClassVar[bool] = False

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, account: str, budget: str, number: int) -> Counted:
        """Add to the account's running window, or start one."""
        at = now().timestamp()
        insert = sqlite.insert if self._db.is_sqlite else postgresql.insert
        row = insert(RateWindow).values(account=account, budget=budget, started_at=at, count=number)
        old = RateWindow.started_at
        over = (old <= at - WINDOW_S) | (old > at + WINDOW_S)  # elapsed, or the clock was set back
        upsert = row.on_conflict_do_update(
            index_elements=[RateWindow.account, RateWindow.budget],
            set_={
                "count": case((over, number), else_=RateWindow.count + number),
                "started_at": case((over, at), else_=old),
            },
        ).returning(RateWindow.count, RateWindow.started_at)
        async with self._db.transaction() as session:
            count, started_at = (await session.execute(upsert)).one()
        return Counted(int(count), float(started_at) + WINDOW_S)

    async def close(self) -> None:
        """Nothing to let go."""


class _LocalCounter:
    """Counts in this process."""

    def __init__(self) -> None:
        self._windows: OrderedDict[tuple[str, str], Counted] = OrderedDict()

    def add(self, account: str, budget: str) -> Counted:
        key, at = (account, budget), now().timestamp()
        old = self._windows.pop(key, None)
        if old is None or not at < old.ends_at <= at + 2 * WINDOW_S:
            old = Counted(0, at + WINDOW_S)
        self._windows[key] = Counted(old.count + 1, old.ends_at)
        while len(self._windows) > MAX_LOCAL_WINDOWS:
            self._windows.popitem(last=False)
        return self._windows[key]


@dataclass(slots=True)
class _Block:
    left: int
    ends_at: float


class SharedRateLimiter:
    """The RateLimiter of ``kernel/http.py``."""

    def __init__(self, counter: Counter, settings: RateLimitSettings) -> None:
        self._counter = counter
        self.settings = settings
        self._local = _LocalCounter()
        self._blocks: OrderedDict[tuple[str, str], _Block] = OrderedDict()
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def hit(self, actor: Actor, budget: str) -> None:
        """Count one call; raises OverRateLimit (429) with ``retry_after``.

        A device (AE title) and the system itself are not counted.
        """
        if actor.kind in ("system", "device"):
            return
        limit, account = self.settings.limit(actor.tier, budget), _account(actor)
        if not (self._counter.everything or budget in SHARED_BUDGETS):
            counted = self._local.add(account, budget)
            if counted.count > limit:
                raise _over(budget, limit, counted.ends_at)
            return
        await self._take(account, budget, limit)

    async def _take(self, account: str, budget: str, limit: int) -> None:
        size = max(1, limit // 100)
        if size == 1:
            counted = await self._counter.add(account, budget, 1)
            if counted.count > limit:
                raise _over(budget, limit, counted.ends_at)
            return
        key = (account, budget)
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            block = self._blocks.get(key)
            if block is None or block.left < 1 or block.ends_at <= now().timestamp():
                block = await self._reserve(account, budget, limit, size)
            block.left -= 1

    async def _reserve(self, account: str, budget: str, limit: int, size: int) -> _Block:
        counted = await self._counter.add(account, budget, size)
        granted = min(size, limit - (counted.count - size))
        if granted < 1:
            raise _over(budget, limit, counted.ends_at)
        block = _Block(granted, counted.ends_at)
        self._blocks[account, budget] = block
        while len(self._blocks) > MAX_LOCAL_WINDOWS:
            oldest, _block = self._blocks.popitem(last=False)
            self._locks.pop(oldest, None)
        return block

    async def close(self) -> None:
        """Close the counter's connections."""
        await self._counter.close()


def _account(actor: Actor) -> str:
    """Return the name under which an actor's calls are counted."""
    return actor.account_id if actor.tier == STANDARD else f"{actor.account_id}/{actor.tier}"


def _over(budget: str, limit: int, ends_at: float) -> OverRateLimit:
    wait = min(max(1.0, ends_at - now().timestamp() + 0.5), WINDOW_S)
    return OverRateLimit(
        f"over {limit} calls per minute of the budget '{budget}'",
        retry_after=wait,
        limit=limit,
        budget=budget,
    )


def make_limiter(
    db: Database, settings: RateLimitSettings, *, redis_url: str | None = None
) -> SharedRateLimiter:
    """Return the installation's limiter: Redis when a URL is given, else the database.

    ImportError when the extra 'redis' is not installed.
    """
    if not redis_url:
        return SharedRateLimiter(DatabaseCounter(db), settings)
    module = importlib.import_module("healthvision.kernel.redislimit")
    return SharedRateLimiter(cast("Counter", module.RedisCounter(redis_url)), settings)


async def drop_old_windows(db: Database) -> int:
    """Delete windows that ended over an hour ago; returns how many."""
    before = now().timestamp() - 3600
    async with db.transaction() as session:
        result = await session.execute(
            delete(RateWindow).where(RateWindow.started_at < before).returning(RateWindow.account)
        )
        return len(result.all())


def published_limits(
    settings: RateLimitSettings | None = None, *, redis: bool = False
) -> list[PublishedLimit]:
    """Return every budget of every tier, for ``GET /v1/limits``."""
    found = settings or RateLimitSettings()
    return [
        PublishedLimit(
            tier=tier,
            budget=budget,
            limit=found.limit(tier, budget),
            window_seconds=int(WINDOW_S),
            counted="installation" if redis or budget in SHARED_BUDGETS else "process",
            description=BUDGET_HELP[budget],
        )
        for tier in sorted({*found.tiers, *DEFAULT_TIERS})
        for budget in BUDGET_HELP
    ]
