# SPDX-License-Identifier: Apache-2.0
"""Group commit: concurrent callers' audit rows go into one transaction, awaited by each."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, insert
from sqlalchemy.exc import SQLAlchemyError

from healthvision.domains.audit.errors import AuditUnavailable
from healthvision.domains.audit.rows import RowValues, to_us
from healthvision.domains.audit.settings import AuditSettings
from healthvision.domains.audit.tables import AuditEvent
from healthvision.kernel import strictjson
from healthvision.kernel.clock import monotonic, new_id, now
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Problem
from healthvision.kernel.hotread import SyncDatabase
from healthvision.kernel.statements import Statement
from healthvision.kernel.telemetry import logger

MAX_BATCH = 1000
MAX_WAITING = 20_000
TOTAL = "_total"  # how the action of a window's closing row ends; it is no act of its own
_INSERT = Statement(insert(AuditEvent))
_log = logger("audit.writer")


@dataclass(slots=True)
class _Waiting:
    rows: list[RowValues]
    done: asyncio.Future[None]


class WindowKey(NamedTuple):
    """What reads have in common that share one row: who, from where, for whom, what."""

    org_id: UUID
    account: str  # kind, id and session
    address: str | None
    on_behalf_of: str | None
    action: str
    space_id: UUID | None
    subject: UUID | None
    detail: str = ""


@dataclass(slots=True)
class PixelWindow:
    """Reads of one study's pixels by one actor within some seconds."""

    opening: RowValues
    opened: float  # monotonic seconds
    written: asyncio.Task[None] | None = None
    reads: int = 0
    size: int = 0
    timer: asyncio.TimerHandle | None = None


def closing_row(window: PixelWindow) -> RowValues:
    """Return the second row of a window, with what was read in it."""
    moment = now()
    seconds = round(monotonic() - window.opened, 3)
    detail = {
        "window": window.opening["id"].hex,
        "reads": window.reads,
        "bytes": window.size,
        "seconds": seconds,
    }
    return {
        **window.opening,
        "id": new_id(),
        "at_us": to_us(moment),
        "action": f"{window.opening['action']}{TOTAL}",
        "detail": strictjson.dumps(detail),
    }


def _insert(rows: Sequence[RowValues], connection: Connection) -> None:
    _INSERT.many(connection, rows)


@dataclass(slots=True)
class AuditWriter:
    """The one audit writer of a process and event loop; it commits in a thread of its own."""

    db: Database
    settings: AuditSettings = field(default_factory=AuditSettings)
    commits: int = 0
    windows: dict[WindowKey, PixelWindow] = field(default_factory=dict)
    _queue: list[_Waiting] = field(default_factory=list)
    _flusher: asyncio.Task[None] | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _rows: SyncDatabase = field(init=False)

    def __post_init__(self) -> None:
        """Get the writer's own thread and connection; they end with the database."""
        self._rows = SyncDatabase(self.db.url, threads=1, writing=True, name="hv-audit")
        self.db.on_close(self._rows.close)

    async def write(self, rows: Sequence[RowValues]) -> None:
        """Write rows; returns once they are committed.

        Raises AuditUnavailable (503) when they cannot be written, or not within the time limit.
        """
        if len(self._queue) >= MAX_WAITING:
            raise AuditUnavailable("too many audit rows wait to be written", retry_after=1)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(list(rows), loop.create_future())
        self._queue.append(waiting)
        if self._flusher is None or self._flusher.done():
            self._flusher = loop.create_task(self._flush())
        try:
            async with asyncio.timeout(self.settings.write_timeout_s):
                await asyncio.shield(waiting.done)
        except TimeoutError:
            waiting.done.cancel()
            raise AuditUnavailable(
                "the audit row was not written in time, so nothing was read", retry_after=2
            ) from None

    async def _flush(self) -> None:
        while self._queue:
            batch, count = [], 0
            while self._queue and count < MAX_BATCH:
                waiting = self._queue.pop(0)
                if not waiting.done.done():
                    batch.append(waiting)
                    count += len(waiting.rows)
            if batch:
                await self._commit(batch)

    async def _commit(self, batch: list[_Waiting]) -> None:
        rows = [row for waiting in batch for row in waiting.rows]
        failure: Exception | None = None
        try:
            await self._rows.run(partial(_insert, rows))
            self.commits += 1
        except (SQLAlchemyError, Problem, OSError, TimeoutError) as error:
            _log.error("audit rows not written", rows=len(rows), error=type(error).__name__)
            failure = error
        except BaseException:
            for waiting in batch:
                waiting.done.cancel()
            raise
        for waiting in batch:
            if waiting.done.done():
                continue
            if failure is None:
                waiting.done.set_result(None)
            else:
                waiting.done.set_exception(
                    AuditUnavailable("the audit row cannot be written now", retry_after=2)
                )

    async def pixels(
        self, key: WindowKey, make_row: Callable[[], RowValues], *, count: int, size: int
    ) -> None:
        """Count pixel reads; the first of a window is written before this returns.

        ``make_row`` gives the opening row of a new window. Raises AuditUnavailable (503) when
        that row cannot be written.
        """
        window = self.windows.get(key)
        if window is not None and monotonic() - window.opened >= self.settings.pixel_window_s:
            self._close_later(key)
            window = None
        if window is None:
            window = self._open(key, make_row())
        if window.written is not None:
            await self._opening(key, window)
        window.reads += count
        window.size += size

    def _open(self, key: WindowKey, row: RowValues) -> PixelWindow:
        loop = asyncio.get_running_loop()
        window = PixelWindow(row, monotonic(), loop.create_task(self.write([row])))
        self.windows[key] = window
        window.timer = loop.call_later(self.settings.pixel_window_s, self._close_later, key)
        return window

    async def _opening(self, key: WindowKey, window: PixelWindow) -> None:
        assert window.written is not None
        try:
            await asyncio.shield(window.written)
        except AuditUnavailable:
            if self.windows.get(key) is window:
                del self.windows[key]
            if window.timer is not None:
                window.timer.cancel()
            raise
        window.written = None

    def _close_later(self, key: WindowKey) -> None:
        window = self.windows.pop(key, None)
        if window is None:
            return
        if window.timer is not None:
            window.timer.cancel()
        task = asyncio.get_running_loop().create_task(self._close(window))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close(self, window: PixelWindow) -> None:
        if window.reads <= 1:  # the opening row says it all
            return
        try:
            await self.write([closing_row(window)])
        except AuditUnavailable:
            _log.error("pixel window not closed in the log", reads=window.reads)

    async def stop(self) -> None:
        """Close all windows and wait until everything is written."""
        for key in list(self.windows):
            self._close_later(key)
        while self._tasks or (self._flusher is not None and not self._flusher.done()):
            pending = {*self._tasks, *([self._flusher] if self._flusher else [])}
            await asyncio.wait(pending)
            await asyncio.sleep(0)
