# SPDX-License-Identifier: Apache-2.0
"""Durable records of this process whose rows could not be written yet, and their payment.

A sender of C-STORE has its answer before the rows are there, so that what is owed must be written
without a restart: the process tries until it is done, and takes no more on credit meanwhile.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from healthvision.kernel.db import Database, DatabaseUnavailable
from healthvision.kernel.errors import Busy, OutOfSpace
from healthvision.kernel.journal import Position
from healthvision.kernel.telemetry import logger

FIRST_S, LONGEST_S = 1.0, 15.0  # pauses before the tries
MOST = 1000  # owed for other reasons than an outage, before nothing is taken on credit any more
_log = logger("archive.debts")


@dataclass(frozen=True, slots=True)
class Payer:
    """What writes the rows of records that are owed; in the resources of a process that may."""

    pay: Callable[[Database], Awaitable[int]]


class Debts:
    """Positions in the journal of this process; for all threads."""

    def __init__(self, db: Database, loop: asyncio.AbstractEventLoop) -> None:
        self.paying = asyncio.Lock()  # one payment at a time; on the loop
        self._db = db
        self._loop = loop
        self._lock = threading.Lock()
        self._owed: set[Position] = set()
        self._outage: set[Position] = set()  # those that an outage kept from being written
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    def note(self, positions: Collection[Position], error: BaseException) -> None:
        """Note records whose rows were not written, and why; payment begins by itself."""
        if not positions:
            return
        with self._lock:
            self._owed |= set(positions)
            self._outage -= set(positions)
            if isinstance(error, DatabaseUnavailable | OutOfSpace):
                self._outage |= set(positions)
            if self._ended or not self._db.resources.has(Payer):
                return
        self._loop.call_soon_threadsafe(self._begin)

    def paid(self, positions: Collection[Position]) -> None:
        """Note that these are owed no more."""
        with self._lock:
            self._owed -= set(positions)
            self._outage -= set(positions)

    def owed(self) -> frozenset[Position]:
        """Return what is owed."""
        with self._lock:
            return frozenset(self._owed)

    def refuse(self) -> None:
        """Raise Busy while what was taken before cannot be written: nothing more on credit."""
        with self._lock:
            if self._outage or len(self._owed) > MOST:
                raise Busy("what came before is not in the database yet", retry_after=5)

    def _begin(self) -> None:
        if not self._ended and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._pay())

    async def _pay(self) -> None:
        payer, pause = self._db.resources.get(Payer), FIRST_S
        while self.owed():
            await asyncio.sleep(pause)
            pause = min(LONGEST_S, 2 * pause)
            try:
                await payer.pay(self._db)
            except Exception as error:  # an edge: whatever it is, the records stay and are owed
                _log.warning("rows are owed still", error=type(error).__name__)

    async def stop(self) -> None:
        """Pay no more; the next process replays the journal."""
        with self._lock:
            self._ended = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
