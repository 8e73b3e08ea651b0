# SPDX-License-Identifier: Apache-2.0
"""Bytes into the journal of this process, rows by its bulk writer: the way of every object.

``Receiver.keep``, ``submit`` and ``promise`` are for threads (C-STORE), ``receive`` for the event
loop. Law: bytes durable, then rows and audit, then the answer; ``promise`` lets it go out when the
bytes are durable and nothing is known against them (ADR 10). Objects that are refused, or belong to
a study out of the sender's sight, go to quarantine. After a crash ``recovery`` replays the journal,
and what could not be written meanwhile is a debt (``debts``) that this process pays.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

from healthvision.domains.archive.errors import FileTooLarge
from healthvision.domains.archive.receiving import authorship, heads
from healthvision.domains.archive.receiving.bulk_writer import BulkWriter, Work
from healthvision.domains.archive.receiving.debts import Debts
from healthvision.domains.archive.receiving.durable import Sender, append, first_of_each, placed
from healthvision.domains.archive.receiving.holding import (
    ELSEWHERE,
    hold_back,
    hold_bytes,
    quarantine,
)
from healthvision.domains.archive.receiving.recording import Request, Written
from healthvision.domains.archive.receiving.scanning import Scanned, scan, size_of
from healthvision.domains.archive.records.blobs import blob_of
from healthvision.domains.archive.records.planning import Prepared
from healthvision.domains.archive.records.rows import json_text
from healthvision.domains.archive.records.unit import known_instances, places_of
from healthvision.domains.archive.schemas import Incoming, Origin, Promised, Received
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.domains.storage import service as storage
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.kernel.bulkdb import BulkDatabase
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Busy
from healthvision.kernel.journal import Journal, JournalOwned, Place
from healthvision.kernel.security import Actor

ATTEMPTS = 4
ASK_S = 60.0  # for how long a thread waits for the loop
THREADS = 8  # that read objects and write them to the journal for the event loop
SEEN = 1000  # studies of which it is remembered that a sender may add to them
_GONE = b""  # stands for bytes that are in the journal and were let go from memory


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
        self.debts = Debts(db, loop)
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

    def promise(
        self,
        actor: Actor,
        space: SpaceRead,
        origin: Origin,
        incoming: Incoming,
        seen: set[str],
    ) -> Promised:
        """Do as ``keep``, but return when the bytes are durable and all was judged but the rows.

        ``seen``: UIDs of studies that this sender was found to be allowed to add to; it grows. An
        object that is refused, was known before or belongs to a study out of the sender's sight is
        not safe before its answer. Whoever lets senders go on keeps their unwritten objects few
        and waits for them (``hurry``). Raises Busy also while what was promised earlier is owed.
        """
        self.debts.refuse()
        self.check_size(incoming)
        sender = self._sender(actor, space, origin)
        staged = self._stage(sender, [incoming])
        safe = bool(staged.items) and self._is_safe(sender, staged.items[0], seen)
        if not safe:
            return Promised(self._follow(sender, staged, self.writer.write), safe)
        light = [replace(i, incoming=replace(i.incoming, source=_GONE)) for i in staged.items]
        return Promised(self._follow(sender, _Staged(light, []), self.writer.later), safe)

    def hurry(self, answer: "Future[Received]") -> None:
        """Have the rows that an answer waits for written at once, in this thread if it may be."""
        self.writer.hurry(answer)

    def _is_safe(self, sender: Sender, item: Prepared, seen: set[str]) -> bool:
        """Tell whether nothing speaks against an object: it is new, its study open to the sender.

        Should the study leave the sender's sight before the rows are written, the object goes to
        quarantine then.
        """
        uid, actor = item.header.study_uid, sender.actor
        if item.stored is None:
            return False
        if uid not in seen:
            with self.database.reading() as connection:
                here = places_of(connection, actor.org_id, uid)
                mine = not here or sender.space.id in here
                if not mine and not spaces.may_write_on(connection, actor, here):
                    return False
            if len(seen) >= SEEN:
                seen.clear()
            seen.add(uid)
        return True

    def _sender(self, actor: Actor, space: SpaceRead, origin: Origin) -> Sender:
        sealer = storage.known_blob_sealer(self._db, actor.org_id)
        if sealer is None:
            asked = storage.blob_sealer(self._db, actor.org_id)
            sealer = asyncio.run_coroutine_threadsafe(asked, self._loop).result()
        return Sender(actor, space, origin, sealer)

    def _begin(
        self,
        actor: Actor,
        space: SpaceRead,
        origin: Origin,
        incoming: Incoming,
        write: "Callable[[Work], Future[Written]]",
    ) -> "Future[Received]":
        self.check_size(incoming)
        sender = self._sender(actor, space, origin)
        return self._follow(sender, self._stage(sender, [incoming]), write)

    def _follow(
        self, sender: Sender, staged: _Staged, write: "Callable[[Work], Future[Written]]"
    ) -> "Future[Received]":
        """Have the rows of one durable object written, or its refusal; return the answer to be."""
        answer: Future[Received] = Future()
        if not staged.items:
            self._on_loop(self._answers(sender, staged, None), answer)
            return answer
        written = write(self._work(sender, staged.items))
        written.add_done_callback(partial(self._finish, sender, staged, answer))
        return answer

    def _finish(
        self,
        sender: Sender,
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
        answer: Future[tuple[Sender, _Staged, Written | None]] = Future()
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
        answer: "Future[tuple[Sender, _Staged, Written | None]]",
    ) -> None:
        """Make bytes durable and queue their rows, in a thread; ``answer`` follows the rows."""
        try:
            if not isinstance(space, SpaceRead):
                space = self.space(actor, space)
            sender = Sender(actor, space, origin, sealer)
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
        self, sender: Sender, staged: _Staged, written: Written | None
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
                answers[item.index] = await self._held(sender, item)
            again, written = written.again, None
            if again:
                fresh = [replace(i, stored=None, instance_id=new_id()) for i in again]
                stage = partial(self._make_durable, sender, fresh, frozenset())
                work = self._work(sender, await asyncio.to_thread(stage))
                written = await asyncio.wrap_future(self.writer.put(work))
        if written is not None:
            raise Busy("the same objects are being changed by others; send again", retry_after=1)
        return [answers[i] for i in sorted(answers)]

    async def _held(self, sender: Sender, item: Prepared) -> Received:
        """Put an object into quarantine; what cannot be is owed (its bytes are in the journal)."""
        try:
            answer = await self._hold(sender, item)
        except BaseException as error:
            self.debts.note([item.position] if item.position else [], error)
            raise
        self.done([item])
        return answer

    async def _hold(self, sender: Sender, item: Prepared) -> Received:
        db, actor, origin = self._db, sender.actor, sender.origin
        if item.stored is None or item.incoming.source != _GONE:
            return await hold_back(db, actor, item, space_id=sender.space.id, origin=origin)
        blob = blob_of(item.stored, actor.org_id, item.instance_id)
        body = storage.open_blob(db, actor.org_id, blob)
        kept = (item.instance_id, item.incoming.name, ELSEWHERE)
        return await hold_bytes(db, actor, body, kept, space_id=sender.space.id, origin=origin)

    def _stage(self, sender: Sender, items: Sequence[Incoming]) -> _Staged:
        """Read the objects and make the bytes of new ones durable."""
        found = [scan(item) for item in items]
        refused = [(i, s) for i, s in enumerate(found) if s.header is None]
        at = now()
        readable = [
            Prepared(
                i, s.item, header, *json_text(header.json, header.text), s.sha256, new_id(), at
            )
            for i, s in enumerate(found)
            if (header := s.header) is not None
        ]
        if not readable:
            return _Staged([], refused)
        known = self._known(sender.actor.org_id, readable)
        forged = self._forged(sender, readable, known)
        refused += [(i, replace(found[i], header=None, refusal=r)) for i, r in forged.items()]
        own = [p for p in readable if p.index not in forged]
        return _Staged(self._make_durable(sender, own, known) if own else [], refused)

    def _forged(
        self, sender: Sender, items: Sequence[Prepared], known: frozenset[tuple[str, str]]
    ) -> dict[int, DicomRefused]:
        """Return what a person sends in another's name, by index; what is stored may come again."""
        if not authorship.is_asked(sender):
            return {}
        savings = [
            p
            for p in items
            if authorship.is_saving(p.json) and (p.header.sop_uid, p.sha256) not in known
        ]
        if not savings:
            return {}
        asked = authorship.author_of(self._db, sender.actor)
        try:
            author = asyncio.run_coroutine_threadsafe(asked, self._loop).result(ASK_S)
        except TimeoutError:
            raise Busy("the sender's name could not be read; send again", retry_after=5) from None
        checked = ((p.index, authorship.forgery(p.json, author)) for p in savings)
        return {index: refusal for index, refusal in checked if refusal is not None}

    def _known(self, org_id: UUID, items: Sequence[Prepared]) -> frozenset[tuple[str, str]]:
        with self.database.reading() as connection:
            rows = known_instances(connection, org_id, {p.header.sop_uid for p in items})
        return frozenset((r.sop_uid, r.sha256) for r in rows)

    def _make_durable(
        self, sender: Sender, items: Sequence[Prepared], known: frozenset[tuple[str, str]]
    ) -> list[Prepared]:
        """Write the bytes of objects that are not ``known`` to the journal, one sync for all."""
        journal, fresh, most = self.journal, first_of_each(items, known), self.settings.memory_bytes
        common = heads.common_of(sender.actor, sender.space.id, sender.origin, len(fresh))
        out: list[Prepared] = []
        last: Place | None = None
        try:
            for item in items:
                number = fresh.get(item.index)
                if number is None:
                    out.append(item)
                    continue
                place = append(journal, sender, {**common, "number": number}, item, most)
                out.append(placed(self.id, sender, item, place))
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

    def _work(self, sender: Sender, items: list[Prepared]) -> Work:
        request = Request(sender.actor, sender.space, sender.origin, items)
        work = Work(request, self.id, self.journal.checkpoint)
        work.answer.add_done_callback(partial(self._written, items))
        return work

    def _written(self, items: Sequence[Prepared], written: "Future[Written]") -> None:
        if (error := written.exception()) is not None:
            self.debts.note([i.position for i in items if i.position], error)
            return
        held = {item.index for item in written.result().held}
        self.done([i for i in items if i.index not in held])

    def done(self, items: Sequence[Prepared]) -> None:
        """Note that these objects need no replay."""
        if self._journal is not None:
            self._journal.done([i.position for i in items if i.position])

    async def stop(self) -> None:
        """Write what waits, end the thread and let go of the journal."""
        await self.debts.stop()
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
