# SPDX-License-Identifier: Apache-2.0
"""The one place of a receiving process that writes rows of received objects, a turn at a time.

Whoever has the turn takes all that waits, writes it in one transaction together with how far its
journal is done (``ReceiverRow``), and answers. A thread that would only wait for its answer takes
the turn itself when it is free (two changes of threads less for an object); else a thread of the
writer's own does. What nobody waits for (``later``) is gathered for a moment before. When the
database is away it tries again for a while, then answers DatabaseUnavailable; what was promised
nobody stays in the journal and is written later.
"""

import queue
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from healthvision.domains.archive.receiving.recording import Request, Written, write_requests
from healthvision.domains.archive.records.planning import Prepared
from healthvision.domains.archive.records.receivers import save_checkpoint
from healthvision.domains.archive.records.unit import Memory, Raced
from healthvision.kernel.bulkdb import BulkDatabase, is_race
from healthvision.kernel.db import DatabaseUnavailable
from healthvision.kernel.errors import Busy, OutOfSpace
from healthvision.kernel.journal import Position
from healthvision.kernel.resources import Resources
from healthvision.kernel.telemetry import logger

MAX_ITEMS = 512  # instances of one transaction
ATTEMPTS = 6
PATIENCE_S = 20.0  # how long callers wait for a database that is away
LINGER_S = 0.1  # for how long works that nobody waits for are gathered
_log = logger("archive.bulk_writer")
Checkpoint = Callable[[Collection[Position]], Position]


class _Bell(Enum):
    """What the writer's own thread is called for."""

    NOW = "now"
    LATER = "later"
    END = "end"


@dataclass(frozen=True, slots=True)
class Work:
    """A request whose bytes are durable.

    ``checkpoint``: given the positions that are finished by it, how far the journal of
    ``receiver`` is done then; None in a replay, which notes it at its end.
    """

    request: Request
    receiver: UUID
    checkpoint: Checkpoint | None
    answer: "Future[Written]" = field(default_factory=Future)


class BulkWriter:
    """Writes the rows of one process; its thread starts with the first work, ends at ``stop``."""

    def __init__(self, database: BulkDatabase, resources: Resources) -> None:
        self._steady = database.steady()
        self._memory = Memory()
        self._resources = resources
        self._queue: queue.SimpleQueue[Work] = queue.SimpleQueue()
        self._bell: queue.SimpleQueue[_Bell] = queue.SimpleQueue()
        self._called = False  # the thread was rung and has not begun to write since
        self._turn = threading.Lock()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._stopping = False

    def put(self, work: Work) -> "Future[Written]":
        """Queue a request; its answer comes when its rows are committed, or as a Problem."""
        self._enqueue(work)
        self._ring()
        return work.answer

    def later(self, work: Work) -> "Future[Written]":
        """Do as ``put`` for a work that nobody waits for now; see ``hurry``."""
        self._enqueue(work)
        if not self._called:  # else the thread takes ours with what it was called for
            self._ring(_Bell.LATER)
        return work.answer

    def hurry(self, answer: "Future[Any]") -> None:
        """Write what waits, in this thread when nobody else does, until an answer is there.

        Not for the event loop. When others write now, or the answer takes more than rows, it may
        come later than the return.
        """
        while not answer.done() and self._turn.acquire(blocking=False):
            try:
                if self._queue.empty():
                    return
                self._write_some()
            finally:
                self._turn.release()
        if not self._queue.empty():
            self._ring()

    def write(self, work: Work) -> "Future[Written]":
        """Do as ``put``, and write in this thread when nobody else does; not for the event loop."""
        self._enqueue(work)
        while not work.answer.done() and self._turn.acquire(blocking=False):
            try:
                self._write_some()
            finally:
                self._turn.release()
        if not self._queue.empty():  # who came while we had the turn relies on this
            self._ring()
        return work.answer

    def _enqueue(self, work: Work) -> None:
        with self._lock:
            if self._stopping:
                raise Busy("this process is going down; send again", retry_after=2)
            work.answer.set_running_or_notify_cancel()  # who stops waiting stops no other's answer
            self._queue.put(work)

    def _ring(self, bell: _Bell = _Bell.NOW) -> None:
        """Have the writer's own thread look at what waits."""
        with self._lock:
            self._called = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="bulk-writer", daemon=True)
                self._thread.start()
            self._bell.put(bell)

    def stop(self) -> None:
        """Write what waits and end the thread."""
        with self._lock:
            self._stopping = True
            thread = self._thread
        if thread is not None:
            self._bell.put(_Bell.END)
            thread.join()
        with self._turn:
            while not self._queue.empty():
                self._write_some()
            self._steady.close()

    def _run(self) -> None:
        bell = _Bell.NOW
        while bell is not _Bell.END:
            bell = self._bell.get()
            if bell is _Bell.LATER:
                bell = self._lingered()
            self._called = False  # before we look: who comes now rings again
            with self._turn:
                while not self._queue.empty():
                    self._write_some()

    def _lingered(self) -> _Bell:
        """Wait for more that nobody waits for; return what ended it."""
        end = time.monotonic() + LINGER_S
        while (left := end - time.monotonic()) > 0:
            try:
                bell = self._bell.get(timeout=left)
            except queue.Empty:
                break
            if bell is not _Bell.LATER:
                return bell
        return _Bell.LATER

    def _write_some(self) -> None:
        """Write the works that wait, up to a size; only with the turn."""
        batch: list[Work] = []
        count = 0
        while count < MAX_ITEMS:
            try:
                found = self._queue.get_nowait()
            except queue.Empty:
                break
            batch.append(found)
            count += len(found.request.items)
        if batch:
            self._write(batch)

    def _write(self, batch: list[Work]) -> None:
        try:
            written = self._patiently(batch)
        except Exception as error:
            self._alone(batch, error)
            return
        _tell(batch, written)

    def _alone(self, batch: list[Work], error: Exception) -> None:
        """Find the work that spoils a batch: write each by itself."""
        if len(batch) > 1 and not isinstance(error, DatabaseUnavailable | OutOfSpace):
            for work in batch:
                self._write([work])
            return
        if not isinstance(error, DatabaseUnavailable | OutOfSpace | Busy):
            _log.error("rows not written", error=type(error).__name__)
        for work in batch:
            work.answer.set_exception(error)

    def _patiently(self, batch: list[Work]) -> list[Written]:
        end, pause, races = time.monotonic() + PATIENCE_S, 0.05, 0
        while True:
            try:
                return self._transaction(batch)
            except DatabaseUnavailable:
                if time.monotonic() + pause > end or self._stopping:
                    raise
            except (Raced, DBAPIError) as error:
                races += 1
                if not isinstance(error, Raced) and not is_race(error):
                    raise
                if races >= ATTEMPTS:
                    raise Busy("others change the same objects now", retry_after=1) from error
            time.sleep(pause)
            pause = min(1.0, pause * 2)

    def _transaction(self, batch: list[Work]) -> list[Written]:
        merged = _merge(batch)
        with self._steady.transaction() as (connection, untouched):
            if not untouched:
                self._memory.clear()
            requests = [m.request for m in merged]
            results = write_requests(connection, self._resources, requests, self._memory)
            written = _split(merged, results, len(batch))
            for receiver, position in _checkpoints(batch, written):
                save_checkpoint(connection, receiver, position)
        return written


@dataclass(frozen=True, slots=True)
class _Merged:
    """Requests of one sender written as one; ``owners``: (work, its item's index) per item."""

    request: Request
    owners: Sequence[tuple[int, int]]


def _merge(batch: Sequence[Work]) -> list[_Merged]:
    if len(batch) == 1:
        only = batch[0].request
        return [_Merged(only, [(0, item.index) for item in only.items])]
    groups: dict[object, list[int]] = {}
    for number, work in enumerate(batch):
        request = work.request
        groups.setdefault((request.actor, request.space.id, request.origin), []).append(number)
    merged = []
    for numbers in groups.values():
        items: list[Prepared] = []
        owners: list[tuple[int, int]] = []
        for number in numbers:
            for item in batch[number].request.items:
                owners.append((number, item.index))
                items.append(replace(item, index=len(items)))
        merged.append(_Merged(replace(batch[numbers[0]].request, items=items), owners))
    return merged


def _split(merged: Sequence[_Merged], results: Sequence[Written], count: int) -> list[Written]:
    """Give each work its part of what was written, with its own numbers."""
    out = [Written() for _ in range(count)]
    for group, result in zip(merged, results, strict=True):
        owners = zip(group.request.items, group.owners, strict=True)
        place = {item.index: owner for item, owner in owners}
        for index, answer in result.answers.items():
            number, own = place[index]
            out[number].answers[own] = answer
        for source, target in ((result.again, "again"), (result.held, "held")):
            for item in source:
                number, own = place[item.index]
                getattr(out[number], target).append(replace(item, index=own))
    return out


def _checkpoints(batch: Sequence[Work], written: Sequence[Written]) -> list[tuple[UUID, Position]]:
    """Return how far each journal is done once this is committed."""
    done: dict[UUID, tuple[Checkpoint, set[Position]]] = {}
    for work, result in zip(batch, written, strict=True):
        if work.checkpoint is None:
            continue
        held = {item.index for item in result.held}
        _, positions = done.setdefault(work.receiver, (work.checkpoint, set()))
        positions |= {i.position for i in work.request.items if i.position and i.index not in held}
    return [(owner, checkpoint(places)) for owner, (checkpoint, places) in done.items()]


def _tell(batch: Sequence[Work], written: Sequence[Written]) -> None:
    for work, result in zip(batch, written, strict=True):
        work.answer.set_result(result)
