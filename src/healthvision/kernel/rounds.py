# SPDX-License-Identifier: Apache-2.0
"""Periodic work of one lease: whatever process holds the lease does all of it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from healthvision.kernel.clock import monotonic
from healthvision.kernel.db import Database
from healthvision.kernel.jobs import JobContext, Periodic
from healthvision.kernel.leases import acquire
from healthvision.kernel.telemetry import logger

LEASE_S = 6.0
_log = logger("kernel.rounds")


@dataclass(slots=True)
class Rounds:
    """Repeats periodic work while ``holder`` has the lease; ``run`` ends when it is cancelled.

    One write every few seconds, whatever the number of periodics; an idle process stays idle.
    """

    db: Database
    lease: str
    holder: str
    periodics: Sequence[Periodic]
    _in_charge: bool = False
    _until: float = 0.0  # monotonic time at which the answer is asked again
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> None:
        """Do the work again and again; what goes wrong is logged, and tried again next time."""
        async with asyncio.TaskGroup() as group:
            for periodic in self.periodics:
                group.create_task(self._repeat(periodic))

    async def _repeat(self, periodic: Periodic) -> None:
        context = JobContext(self.db, f"periodic:{periodic.name}", 1, self.holder)
        while True:
            await asyncio.sleep(periodic.every_s)
            try:
                if await self._is_in_charge():
                    await periodic.handler(context)
            except Exception as error:  # the edge of background work
                _log.error("background work failed", periodic=periodic.name, exc_info=error)

    async def _is_in_charge(self) -> bool:
        async with self._lock:
            if monotonic() > self._until:
                self._in_charge = False
                async with self.db.transaction(durable=False) as session:
                    held = await acquire(session, self.lease, self.holder, LEASE_S)
                self._in_charge = held is not None
                self._until = monotonic() + LEASE_S / 3
            return self._in_charge


def by_lease(periodics: Sequence[Periodic]) -> dict[str, list[Periodic]]:
    """Return periodic work by the lease that is needed for it."""
    found: dict[str, list[Periodic]] = {}
    for periodic in periodics:
        found.setdefault(periodic.lease, []).append(periodic)
    return found
