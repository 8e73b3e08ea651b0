# SPDX-License-Identifier: Apache-2.0
"""Bytes into the journal of this process, rows by its bulk writer: the way of every object.

``Receiver.keep`` and ``submit`` are for threads (C-STORE), ``receive`` for the event loop. Law:
bytes durable, then rows and audit, then the answer. Objects that are refused, or belong to a study
out of the sender's sight, go to quarantine. After a crash ``recovery`` replays the journal.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

from healthvision.domains.archive import heads
from healthvision.domains.archive.blobs import JOURNAL, blob_context, journal_key
from healthvision.domains.archive.bulk_writer import BulkWriter, Work
from healthvision.domains.archive.errors import FileTooLarge
from healthvision.domains.archive.holding import hold_back, quarantine
from healthvision.domains.archive.planning import Prepared
from healthvision.domains.archive.recording import Request, Written
from healthvision.domains.archive.rows import json_text
from healthvision.domains.archive.scanning import Scanned, pieces_of, scan, size_of
from healthvision.domains.archive.schemas import Incoming, Location, Origin, Received
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.domains.archive.unit import known_instances
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.domains.storage import service as storage
from healthvision.kernel.bulkdb import BulkDatabase
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Busy
from healthvision.kernel.journal import Journal, JournalOwned, Place, Position
from healthvision.kernel.security import Actor

ATTEMPTS = 4
THREADS = 8  # that read objects and write them to the journal for the event loop


@dataclass(frozen=True, slots=True)
class _Sender:
    """Who sends what where, and what seals it."""

    actor: Actor
    space: SpaceRead
    origin: Origin
    sealer: storage.BlobSealer


@dataclass(frozen=True, slots=True)
class _Staged:
    """A request after its bytes are durable: what is to be written, and what was refused."""

    items: list[Prepared]
    refused: list[tuple[int, Scanned]]


class Receiver:
    """The way in of one process. Journal, connections and thread begin with the first object."""

    def __init__(self, db: Database, loop: asyncio.AbstractEventLoop) -> None:
        self.id = new_id()
        self.settings = ArchiveSettings()
        self.database = BulkDatabase(db.url)
        self.writer = BulkWriter(self.database, db.resources)
        self.owed: set[Position] = set()  # durable records whose rows could not be written yet
        self._db = db
        self._loop = loop
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="receive")
        self._journal: Journal | None = None

    @property
    def journal(self) -> Journal:
        """The journal of this process; raises OutOfSpace, StoreUnavailable."""
        with self._lock:
            if self._journal is None:
                self._journal = self._new_journal()
            return self._journal

    def _new_journal(self) -> Journal:
        while True:
            try:
                return Journal(storage.spool_folder(self._db) / str(self.id))
            except (JournalOwned, FileNotFoundError):  # taken for one of a dead process
                self.id = new_id()
            except OSError as error:
                raise storage.problem_of(error) from error

    def space(self, actor: Actor, space_id: UUID | str) -> SpaceRead:
        """Return the space when the actor may write to it; for threads.

        Raises SpaceNotFound, Forbidden.
        """
        with self.database.reading() as connection:
            return spaces.get_on(connection, actor, space_id, "write")

    def check_size(self, incoming: Incoming) -> int:
        """Return an object's size in bytes; raises FileTooLarge."""
        size, limit = size_of(incoming.source), self.settings.max_image_bytes
        if size > limit:
            raise FileTooLarge("the object is over the limit", limit=limit)
        return size

    def submit(
        self, actor: Actor, space: SpaceRead, origin: Origin, incoming: Incoming
    ) -> "Future[Received]":
        """Take one object in from any thread but the loop's; the answer comes when it is safe.

        Blocks until the bytes are durable. Raises OutOfSpace, StoreUnavailable, Busy; the answer
        may be one of them, or DatabaseUnavailable. The right to write was checked by the caller.
        Raises FileTooLarge for an object over ``max_image_bytes``.
        """
        return self._begin(actor, space, origin, incoming, self.writer.put)

    def keep(self, actor: Actor, space: SpaceRead, origin: Origin, incoming: Incoming) -> Received:
        """Do as ``submit`` and wait for the answer; this thread may write the rows itself."""
        return self._begin(actor, space, origin, incoming, self.writer.write).result()

    def _begin(
        self,
        actor: Actor,
        space: SpaceRead,
        origin: Origin,
        incoming: Incoming,
        write: "Callable[[Work], Future[Written]]",
    ) -> "Future[Received]":
        self.check_size(incoming)
        sealer = storage.known_blob_sealer(self._db, actor.org_id)
        if sealer is None:
            asked = storage.blob_sealer(self._db, actor.org_id)
            sealer = asyncio.run_coroutine_threadsafe(asked, self._loop).result()
        sender = _Sender(actor, space, origin, sealer)
        staged = self._stage(sender, [incoming])
        answer: Future[Received] = Future()
        if not staged.items:
            self._on_loop(self._answers(sender, staged, None), answer)
            return answer
        written = write(self._work(sender, staged.items))
        written.add_done_callback(partial(self._finish, sender, staged, answer))
        return answer

    def _finish(
        self,
        sender: _Sender,
        staged: _Staged,
        answer: "Future[Received]",
        written: "Future[Written]",
    ) -> None:
        """Answer a thread at once when all went well, else by way of the loop."""
        if (error := written.exception()) is not None:
            answer.set_exception(error)
            return
        result = written.result()
        if 0 in result.answers:
            answer.set_result(result.answers[0])
        else:
            self._on_loop(self._answers(sender, staged, result), answer)

    def _on_loop(self, work: Any, answer: "Future[Received]") -> None:
        def done(found: "Future[list[Received]]") -> None:
            if (error := found.exception()) is not None:
                answer.set_exception(error)
            else:
                answer.set_result(found.result()[0])

        asyncio.run_coroutine_threadsafe(work, self._loop).add_done_callback(done)

    async def receive(
        self,
        actor: Actor,
        space: SpaceRead | UUID | str,
        origin: Origin,
        items: Sequence[Incoming],
    ) -> list[Received]:
        """Take objects in and return their answers in order; see ``submit``.

        ``space``: one that ``self.space`` returned, or its id or slug; then it may raise what
        that raises.
        """
        sealer = await storage.blob_sealer(self._db, actor.org_id)
        answer: Future[tuple[_Sender, _Staged, Written | None]] = Future()
        answer.set_running_or_notify_cancel()  # the work goes on when nobody waits any more
        self._threads.submit(self._take_in, actor, space, origin, sealer, items, answer)
        return await self._answers(*await asyncio.wrap_future(answer))

    def _take_in(
        self,
        actor: Actor,
        space: SpaceRead | UUID | str,
        origin: Origin,
        sealer: storage.BlobSealer,
        items: Sequence[Incoming],
        answer: "Future[tuple[_Sender, _Staged, Written | None]]",
    ) -> None:
        """Make bytes durable and queue their rows, in a thread; ``answer`` follows the rows."""
        try:
            if not isinstance(space, SpaceRead):
                space = self.space(actor, space)
            sender = _Sender(actor, space, origin, sealer)
            staged = self._stage(sender, items)
            if not staged.items:
                answer.set_result((sender, staged, None))
                return
            written = self.writer.write(self._work(sender, staged.items))
        except BaseException as error:
            answer.set_exception(error)
            return

        def tell(done: "Future[Written]") -> None:
            if (error := done.exception()) is not None:
                answer.set_exception(error)
            else:
                answer.set_result((sender, staged, done.result()))

        written.add_done_callback(tell)

    async def _answers(
        self, sender: _Sender, staged: _Staged, written: Written | None
    ) -> list[Received]:
        """Do what is left after the rows: refused and held objects, and those to try again."""
        answers: dict[int, Received] = {}
        for index, scanned in staged.refused:
            answers[index] = await quarantine(
                self._db, sender.actor, scanned, space_id=sender.space.id, origin=sender.origin
            )
        for _ in range(ATTEMPTS):
            if written is None:
                break
            answers |= written.answers
            for item in written.held:
                answers[item.index] = await hold_back(
                    self._db, sender.actor, item, space_id=sender.space.id, origin=sender.origin
                )
                self.done([item])
            again, written = written.again, None
            if again:
                fresh = [replace(i, stored=None, instance_id=new_id()) for i in again]
                stage = partial(self._make_durable, sender, fresh, frozenset())
                work = self._work(sender, await asyncio.to_thread(stage))
                written = await asyncio.wrap_future(self.writer.put(work))
        if written is not None:
            raise Busy("the same objects are being changed by others; send again", retry_after=1)
        return [answers[i] for i in sorted(answers)]

    def _stage(self, sender: _Sender, items: Sequence[Incoming]) -> _Staged:
        """Read the objects and make the bytes of new ones durable."""
        found = [scan(item) for item in items]
        refused = [(i, s) for i, s in enumerate(found) if s.header is None]
        at = now()
        readable = [
            Prepared(i, s.item, s.header, *json_text(s.header.json), s.sha256, new_id(), at, None)
            for i, s in enumerate(found)
            if s.header is not None
        ]
        if not readable:
            return _Staged([], refused)
        known = self._known(sender.actor.org_id, readable)
        return _Staged(self._make_durable(sender, readable, known), refused)

    def _known(self, org_id: UUID, items: Sequence[Prepared]) -> frozenset[tuple[str, str]]:
        with self.database.reading() as connection:
            rows = known_instances(connection, org_id, {p.header.sop_uid for p in items})
        return frozenset((r.sop_uid, r.sha256) for r in rows)

    def _make_durable(
        self, sender: _Sender, items: Sequence[Prepared], known: frozenset[tuple[str, str]]
    ) -> list[Prepared]:
        """Write the bytes of objects that are not ``known`` to the journal, one sync for all."""
        journal, fresh = self.journal, _first_of_each(items, known)
        common = heads.common_of(sender.actor, sender.space.id, sender.origin, len(fresh))
        out: list[Prepared] = []
        last: Place | None = None
        try:
            for item in items:
                number = fresh.get(item.index)
                if number is None:
                    out.append(item)
                    continue
                place = self._append(journal, sender, {**common, "number": number}, item)
                out.append(self._placed(sender, item, place))
                last = place if place.ticket else last
            if last is not None:
                journal.sync(last)
        except OSError as error:
            self.done(out)
            raise storage.problem_of(error) from error
        except BaseException:
            self.done(out)
            raise
        return out

    def _append(
        self, journal: Journal, sender: _Sender, common: dict[str, Any], item: Prepared
    ) -> Place:
        source, size = item.incoming.source, size_of(item.incoming.source)
        head = heads.pack_head(
            sender.sealer,
            sender.actor.org_id,
            common,
            item.instance_id,
            received_at=item.received_at,
            sha256=item.sha256,
            length=size,
        )
        context = blob_context(sender.actor.org_id, item.instance_id)
        if size <= self.settings.memory_bytes:
            text = source if isinstance(source, bytes) else b"".join(pieces_of(source))
            return journal.append(head, sender.sealer.seal(context, text))
        sealed = sender.sealer.stream(context, pieces_of(source))
        return journal.solo(head, sender.sealer.sealed_length(size), sealed)

    def _placed(self, sender: _Sender, item: Prepared, place: Place) -> Prepared:
        stored = Location(
            store=JOURNAL,
            object_key=journal_key(str(self.id), place.name),
            generation=0,
            offset=place.offset,
            length=size_of(item.incoming.source),
            key_id=sender.sealer.key_id,
            sha256=item.sha256,
        )
        return replace(item, stored=stored, position=place.position)

    def _work(self, sender: _Sender, items: list[Prepared]) -> Work:
        request = Request(sender.actor, sender.space, sender.origin, items)
        work = Work(request, self.id, self.journal.checkpoint)
        work.answer.add_done_callback(partial(self._written, items))
        return work

    def _written(self, items: Sequence[Prepared], written: "Future[Written]") -> None:
        if written.exception() is not None:
            self.owed |= {i.position for i in items if i.position}
            return
        held = {item.index for item in written.result().held}
        self.done([i for i in items if i.index not in held])

    def done(self, items: Sequence[Prepared]) -> None:
        """Note that these objects need no replay."""
        if self._journal is not None:
            self._journal.done([i.position for i in items if i.position])

    async def stop(self) -> None:
        """Write what waits, end the thread and let go of the journal."""
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self.writer.stop)
        with self._lock:
            if self._journal is not None:
                self._journal.close()
                self._journal = None
        self.database.close()


def receiver_of(db: Database) -> Receiver:
    """Return the receiver of this process; it is made at first use, on the event loop."""
    if not db.resources.has(Receiver):
        db.resources.put(Receiver, Receiver(db, asyncio.get_running_loop()))
    return db.resources.get(Receiver)


async def stop(db: Database) -> None:
    """End the receiver of this process, when there is one."""
    if db.resources.has(Receiver):
        await db.resources.get(Receiver).stop()


def _first_of_each(items: Sequence[Prepared], known: frozenset[tuple[str, str]]) -> dict[int, int]:
    """Number the items whose bytes have to be written: item's index -> 0, 1, 2, ..."""
    seen, numbers = set(known), dict[int, int]()
    for item in items:
        identity = (item.header.sop_uid, item.sha256)
        if identity not in seen:
            seen.add(identity)
            numbers[item.index] = len(numbers)
    return numbers
