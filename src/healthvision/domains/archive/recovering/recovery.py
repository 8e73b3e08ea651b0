# SPDX-License-Identifier: Apache-2.0
"""Journals of processes that are gone: what they promised and the database lost is written again.

A folder whose lock is free belongs to nobody living. The records behind its checkpoint go through
the bulk writer of this process; running twice is harmless, since a record whose instance has a row
is passed over. Then the receiver is closed, and its segments stay readable until they are sealed.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from healthvision.domains.archive.receiving import heads
from healthvision.domains.archive.receiving.bulk_writer import Work
from healthvision.domains.archive.receiving.holding import (
    ELSEWHERE,
    hold_back,
    hold_bytes,
    read_file,
)
from healthvision.domains.archive.receiving.ingest import Receiver, receiver_of
from healthvision.domains.archive.receiving.recording import Request
from healthvision.domains.archive.receiving.scanning import Scanned, scan
from healthvision.domains.archive.records.blobs import JOURNAL, blob_of, journal_key
from healthvision.domains.archive.records.planning import Prepared
from healthvision.domains.archive.records.receivers import (
    checkpoint_of,
    close_receiver,
    forget_receiver,
)
from healthvision.domains.archive.records.rows import json_text
from healthvision.domains.archive.records.unit import has_row
from healthvision.domains.archive.schemas import Incoming, Location
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.domains.storage import service as storage
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.header import InstanceHeader
from healthvision.kernel.crypto import Damaged
from healthvision.kernel.db import Database, DatabaseUnavailable
from healthvision.kernel.errors import Busy, OutOfSpace, Problem
from healthvision.kernel.journal import (
    Hold,
    JournalOwned,
    Position,
    Record,
    records,
    segments,
)
from healthvision.kernel.telemetry import logger

UNWRITTEN = DicomRefused("not-written", "The object was received and could not be recorded.")
DAMAGED = DicomRefused("damaged", "The received bytes were damaged before they were recorded.")
SET_ASIDE = "damaged"  # folder in the spool
_log = logger("archive.recovery")


async def recover(db: Database) -> int:
    """Write what journals without a living process still owe; return how many objects.

    Also what this process itself could not write while the database was away. Raises
    DatabaseUnavailable, OutOfSpace: try again later.
    """
    receiver, count = receiver_of(db), 0
    for folder in _folders(storage.spool_folder(db)):
        if folder.name == str(receiver.id):
            continue
        try:
            hold = Hold(folder)
        except (JournalOwned, FileNotFoundError):
            continue
        try:
            count += await _adopt(db, receiver, folder)
        finally:
            hold.release()
    return count + await _pay(db, receiver)


async def recover_at_start(db: Database) -> None:
    """Do the same when a process starts; a database that is away now does not stop it."""
    spool = storage.spool_folder(db)
    if not _folders(spool):
        return
    try:
        await recover(db)
    except (Problem, DBAPIError) as error:
        _log.warning("journals not replayed yet", error=type(error).__name__)


def _folders(spool: Path) -> list[Path]:
    found = [p for p in spool.iterdir() if p.is_dir()] if spool.is_dir() else []
    return sorted(p for p in found if _is_id(p.name))


def _is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


async def _adopt(db: Database, receiver: Receiver, folder: Path) -> int:
    """Replay a folder whose lock is held, close its receiver, remove it when it is empty."""
    owner = UUID(folder.name)
    start = await asyncio.to_thread(_checkpoint, receiver, owner)
    count = 0
    if start is not None:
        found: list[Record] = []
        for path in segments(folder):
            number = int(path.stem)
            if number >= start.segment:
                first = start.offset if number == start.segment else 0
                found += await asyncio.to_thread(_records, path, first)
        count = await _replay_all(db, receiver, owner, found)
        left = segments(folder)
        last = int(left[-1].stem) + 1 if left else 1
        await asyncio.to_thread(_close, receiver, owner, last)
        if count:
            _log.info("journal replayed", receiver=str(owner), objects=count)
    if not segments(folder):
        await asyncio.to_thread(_remove, receiver, owner, folder)
    return count


async def _replay_all(
    db: Database, receiver: Receiver, owner: UUID, found: Iterable[Record]
) -> int:
    """Write the rows of records request by request; return how many had none."""
    requests = await _requests(db, owner, found)
    return sum([await _replay_request(db, receiver, owed) for owed in requests])


async def _requests(db: Database, owner: UUID, found: Iterable[Record]) -> list[list["_Owed"]]:
    """Return records by the request they came with; one that nobody can attribute is set aside."""
    requests: dict[UUID, list[_Owed]] = {}
    for record in found:
        try:
            head = await heads.read_head(db, record.head)
        except Damaged:
            await asyncio.to_thread(_set_aside, storage.spool_folder(db), owner, record.path)
            continue
        requests.setdefault(head.request, []).append(_Owed(head, record, owner))
    return list(requests.values())


async def _replay_request(db: Database, receiver: Receiver, owed: Sequence["_Owed"]) -> int:
    """Write the rows of one request's records; return how many had none.

    A request whose last records are missing was never answered: none of it is written.
    """
    if max(o.head.number for o in owed) + 1 < owed[0].head.count:
        return 0
    missing = [o for o in owed if not await asyncio.to_thread(_has_row, receiver, o.head)]
    if missing:
        await _replay(db, receiver, missing)
    return len(missing)


def _set_aside(spool: Path, owner: UUID, segment: Path) -> None:
    """Give a segment with a record nobody can attribute a second name, under which it stays."""
    kept = spool / SET_ASIDE / f"{owner}-{segment.name}"
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        os.link(segment, kept)
        _log.error("a journal record cannot be opened", kept=kept.name)


@dataclass(frozen=True, slots=True)
class _Owed:
    """One record whose rows may be missing."""

    head: heads.Head
    record: Record
    owner: UUID

    @property
    def stored(self) -> Location:
        """Where the bytes lie."""
        return Location(
            store=JOURNAL,
            object_key=journal_key(str(self.owner), self.record.place.name),
            generation=0,
            offset=self.record.place.offset,
            length=self.head.length,
            key_id=self.head.key_id,
            sha256=self.head.sha256,
        )


def _records(path: Path, start: int) -> list[Record]:
    return list(records(path, start, damaged=True))


def _checkpoint(receiver: Receiver, owner: UUID) -> Position | None:
    with receiver.database.reading() as connection:
        return checkpoint_of(connection, owner)


def _close(receiver: Receiver, owner: UUID, segment: int) -> None:
    with receiver.database.transaction() as connection:
        close_receiver(connection, owner, segment)


def _remove(receiver: Receiver, owner: UUID, folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    with receiver.database.transaction() as connection:
        forget_receiver(connection, owner)


async def _pay(db: Database, receiver: Receiver) -> int:
    """Write the records of this process's own journal whose rows failed.

    One request that cannot be written keeps no other from it; the first error is raised behind all.
    """
    async with receiver.debts.paying:
        owed = receiver.debts.owed()
        if not owed:
            return 0
        first: dict[int, int] = {}  # segment -> the first place in it
        for position in sorted(owed, reverse=True):
            first[position.segment] = position.offset
        found: list[Record] = []
        for path in segments(receiver.journal.folder):
            start = first.get(int(path.stem))
            if start is not None:
                found += await asyncio.to_thread(_records, path, start)
        mine = [record for record in found if record.place.position in owed]
        requests = await _requests(db, receiver.id, mine)
        left = owed - {one.record.place.position for request in requests for one in request}
        _settled(receiver, left)  # set aside
        count, failure = 0, None
        for request in requests:
            places = frozenset(one.record.place.position for one in request)
            try:
                count += await _replay_request(db, receiver, request)
            except DatabaseUnavailable:
                raise  # the others would wait for it as long
            except Exception as error:  # an edge: the object store is away, a record is unreadable
                receiver.debts.note(places, error)
                failure = failure or error
            else:
                _settled(receiver, places)
        if failure is not None:
            raise failure
        return count


def _settled(receiver: Receiver, places: frozenset[Position]) -> None:
    receiver.journal.done(places)
    receiver.debts.paid(places)


async def pay(db: Database) -> int:
    """Write what this process owes; return how many objects. Raises as ``recover`` does."""
    count = await _pay(db, receiver_of(db))
    if count:
        _log.info("rows that were owed are written", objects=count)
    return count


async def _replay(db: Database, receiver: Receiver, owed: Sequence[_Owed]) -> None:
    """Send the objects of one request through the bulk writer again."""
    with ExitStack() as files:
        items: list[Prepared] = []
        for one in owed:
            file = files.enter_context(storage.scratch_file(db))
            item = await _opened(db, len(items), one, file)
            if item is not None:
                items.append(item)
        if items:
            await _write_again(db, receiver, owed[0], items)


async def _opened(db: Database, index: int, owed: _Owed, file: BinaryIO) -> Prepared | None:
    """Open a record into a file and read it; what cannot be opened or read is quarantined."""
    try:
        org_id = owed.head.actor.org_id
        blob = blob_of(owed.stored, org_id, owed.head.instance_id)
        async for piece in storage.open_blob(db, org_id, blob):
            await asyncio.to_thread(file.write, piece)
    except Damaged:
        await _hold(db, owed, _each(owed.record.pieces()), DAMAGED)  # the bytes as they lie
        return None
    file.flush()
    scanned = await asyncio.to_thread(scan, Incoming(file))
    if scanned.header is None:  # an earlier version could read it
        await _hold(db, owed, read_file(file), scanned.refusal or UNWRITTEN)
        return None
    return _prepared(index, owed, scanned, scanned.header)


async def _hold(
    db: Database, owed: _Owed, body: AsyncIterator[bytes], refusal: DicomRefused
) -> None:
    head = owed.head
    _log.error("a journal record is quarantined", instance=str(head.instance_id))
    space = await _space(db, head)
    await hold_bytes(
        db,
        head.actor,
        body,
        (head.instance_id, "", refusal),
        space_id=None if space is None else space.id,
        origin=head.origin,
    )


async def _each(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece


def _prepared(index: int, owed: _Owed, scanned: Scanned, header: InstanceHeader) -> Prepared:
    json, text = json_text(header.json)
    return Prepared(
        index=index,
        incoming=scanned.item,
        header=header,
        json=json,
        text=text,
        sha256=owed.head.sha256,
        instance_id=owed.head.instance_id,
        received_at=owed.head.received_at,
        stored=owed.stored,
    )


def _has_row(receiver: Receiver, head: heads.Head) -> bool:
    with receiver.database.reading() as connection:
        return has_row(connection, head.actor.org_id, head.instance_id)


async def _write_again(
    db: Database, receiver: Receiver, owed: _Owed, items: Sequence[Prepared]
) -> None:
    """Write the rows of a request; what cannot be written goes to quarantine."""
    head, refusal, refused = owed.head, UNWRITTEN, list(items)
    space = await _space(db, head)
    if space is not None:
        request = Request(head.actor, space, head.origin, items)
        try:
            work = Work(request, owed.owner, None)
            written = await asyncio.wrap_future(receiver.writer.put(work))
        except (DatabaseUnavailable, OutOfSpace, Busy):
            raise
        except Exception as error:  # an edge: one request must not stop all others
            _log.error("a journal record cannot be written", error=type(error).__name__)
        else:
            refusal, refused = ELSEWHERE, written.held
    space_id = None if space is None else space.id
    for item in refused:
        await hold_back(
            db, head.actor, item, space_id=space_id, origin=head.origin, refusal=refusal
        )


async def _space(db: Database, head: heads.Head) -> SpaceRead | None:
    """Return the space the object was sent to, the default one when that is gone."""
    async with db.reading() as session:
        found = await spaces.policies(session, head.actor.org_id)
    return found.get(head.space_id) or next(
        (space for space in found.values() if space.slug == spaces.DEFAULT), None
    )
