# SPDX-License-Identifier: Apache-2.0
"""The only way in for bytes. Law: bytes durable, then rows, audit and events, then the answer.

A crash in between leaves at most objects that no row names; ``sweeping`` removes them. Sending
the same bytes again is harmless at any time.
"""

import asyncio
import hashlib
import struct
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from dataclasses import dataclass, replace
from typing import BinaryIO
from uuid import UUID

from healthvision.domains.archive import repository
from healthvision.domains.archive.errors import FileTooLarge
from healthvision.domains.archive.planning import Prepared
from healthvision.domains.archive.recording import Written, quarantine_rows, write_rows
from healthvision.domains.archive.rows import clean_json, object_key, quarantine_key
from healthvision.domains.archive.schemas import Incoming, Origin, Received
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.domains.storage import service as storage
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.header import InstanceHeader, read_header
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Busy
from healthvision.kernel.security import Actor
from healthvision.kernel.telemetry import logger

Items = Iterable[Incoming] | AsyncIterable[Incoming]
READ_BYTES = 1 << 20
WRITERS = 4  # objects written at the same time
ATTEMPTS = 4
_UNREADABLE = (ValueError, ArithmeticError, LookupError, struct.error, MemoryError, RecursionError)
_log = logger("archive.receive")


async def receive(
    db: Database,
    actor: Actor,
    items: Items,
    *,
    space_id: UUID | str,
    origin: Origin,
) -> list[Received]:
    """Keep objects and return one answer per item, in order; then they are safe and visible.

    Objects that are refused go to quarantine and are answered as such. Items are written in
    batches; when this raises, earlier batches are kept and sending again is harmless. Must not
    be called inside a writing session. Raises SpaceNotFound, Forbidden, FileTooLarge,
    OutOfSpace, StoreUnavailable.
    """
    async with db.reading() as session:
        space = await spaces.get(session, actor, space_id, "write")
    settings = ArchiveSettings()
    answers: list[Received] = []
    async for batch in _batches(items, settings):
        answers += await _receive_batch(db, actor, batch, space, origin)
    return answers


def spool(db: Database) -> BinaryIO:
    """Return an empty temporary file without a name for an object too large for memory.

    Fill it, pass it as ``Incoming.source``, close it afterwards. Raises OutOfSpace.
    """
    return storage.scratch_file(db)


async def _batches(items: Items, settings: ArchiveSettings) -> AsyncIterator[list[Incoming]]:
    batch: list[Incoming] = []
    held = 0
    async for item in _each(items):
        size = _size(item.source)
        if size > settings.max_image_bytes:
            raise FileTooLarge("the object is over the limit", limit=settings.max_image_bytes)
        batch.append(item)
        held += size
        if len(batch) >= settings.batch_items or held >= settings.memory_bytes * 4:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


async def _each(items: Items) -> AsyncIterator[Incoming]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


def _size(source: bytes | BinaryIO) -> int:
    return len(source) if isinstance(source, bytes) else source.seek(0, 2)


@dataclass(frozen=True, slots=True)
class _Read:
    """One item after its header was read: a header or the reason why there is none."""

    item: Incoming
    sha256: str
    header: InstanceHeader | None
    refusal: DicomRefused | None


def _read_all(batch: list[Incoming]) -> list[_Read]:
    return [_read_one(item) for item in batch]


def _read_one(item: Incoming) -> _Read:
    source = item.source
    if isinstance(source, bytes):
        digest = hashlib.sha256(source).hexdigest()
    else:
        source.seek(0)
        digest = _digest(source)
        source.seek(0)
    try:
        return _Read(item, digest, read_header(source), None)
    except DicomRefused as refusal:
        return _Read(item, digest, None, refusal)
    except _UNREADABLE as error:
        _log.error("header reader failed", error=type(error).__name__, sha256=digest)
        return _Read(item, digest, None, DicomRefused("unreadable", "The object cannot be read."))


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := file.read(READ_BYTES):
        digest.update(piece)
    return digest.hexdigest()


async def _receive_batch(
    db: Database, actor: Actor, batch: list[Incoming], space: SpaceRead, origin: Origin
) -> list[Received]:
    found = await asyncio.to_thread(_read_all, batch)
    answers: dict[int, Received] = {}
    refused = [(i, r) for i, r in enumerate(found) if r.refusal is not None]
    if refused:
        answers |= await _quarantine(db, actor, refused, space, origin)
    waiting = [
        Prepared(i, r.item, r.header, clean_json(r.header.json), r.sha256, new_id(), None)
        for i, r in enumerate(found)
        if r.header is not None
    ]
    for _ in range(ATTEMPTS):
        if not waiting:
            break
        written = await _keep(db, actor, waiting, space, origin)
        answers |= written.answers
        await asyncio.gather(*(storage.delete(db, s) for s in written.orphans))
        waiting = [replace(p, stored=None, instance_id=new_id()) for p in written.again]
    if waiting:
        raise Busy("the same objects are being changed by others; send them again", retry_after=1)
    return [answers[i] for i in range(len(batch))]


async def _keep(
    db: Database, actor: Actor, waiting: list[Prepared], space: SpaceRead, origin: Origin
) -> Written:
    known = await _known(db, actor, waiting)
    gate = asyncio.Semaphore(WRITERS)

    async def stored(item: Prepared) -> Prepared:
        if (item.header.sop_uid, item.sha256) in known:
            return item
        async with gate:
            key = object_key(actor.org_id, item.instance_id, 1)
            return replace(item, stored=await storage.put(db, actor.org_id, key, _bytes(item)))

    seen: set[tuple[str, str]] = set()
    first: list[Prepared] = []
    for item in waiting:
        identity = (item.header.sop_uid, item.sha256)
        if identity not in seen:
            first.append(item)
        seen.add(identity)
    durable = {p.index: p for p in await asyncio.gather(*(stored(p) for p in first))}
    items = [durable.get(p.index, p) for p in waiting]
    async with db.transaction() as session:
        return await write_rows(session, actor, items, space=space, origin=origin)


async def _known(db: Database, actor: Actor, waiting: list[Prepared]) -> frozenset[tuple[str, str]]:
    uids = {p.header.sop_uid for p in waiting}
    async with db.reading() as session:
        rows = await repository.known_instances(session, actor.org_id, uids)
    return frozenset((r.sop_uid, r.sha256) for r in rows)


def _bytes(item: Prepared) -> bytes | AsyncIterator[bytes]:
    source = item.incoming.source
    return source if isinstance(source, bytes) else read_file(source)


async def read_file(file: BinaryIO) -> AsyncIterator[bytes]:
    """Yield an open file from its start in pieces of 1 MiB."""
    file.seek(0)
    while piece := await asyncio.to_thread(file.read, READ_BYTES):
        yield piece


async def _quarantine(
    db: Database,
    actor: Actor,
    refused: list[tuple[int, _Read]],
    space: SpaceRead,
    origin: Origin,
) -> dict[int, Received]:
    kept = []
    for index, read in refused:
        quarantine_id, source = new_id(), read.item.source
        body = source if isinstance(source, bytes) else read_file(source)
        key = quarantine_key(actor.org_id, quarantine_id)
        stored = await storage.put(db, actor.org_id, key, body)
        assert read.refusal is not None
        kept.append((index, read.item.name, quarantine_id, stored, read.refusal))
    async with db.transaction() as session:
        return await quarantine_rows(session, actor, kept, space_id=space.id, origin=origin)
