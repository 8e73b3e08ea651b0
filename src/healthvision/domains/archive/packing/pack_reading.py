# SPDX-License-Identifier: Apache-2.0
"""Reads packs: their parts, their ready documents (kept a while), and every bit for a check."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from healthvision.domains.archive.packing import packs
from healthvision.domains.archive.packing.packs import Part, Trailer
from healthvision.domains.archive.records.blobs import blob_context
from healthvision.domains.archive.tables import Pack
from healthvision.domains.storage import service as storage
from healthvision.domains.storage.errors import ObjectMissing
from healthvision.domains.storage.ports import Blob
from healthvision.kernel import crypto
from healthvision.kernel.crypto import Damaged
from healthvision.kernel.db import Database, Session

Where = Database | Session
THREAD_BYTES = 256 << 10  # smaller parts are opened on the event loop
TRAILER = "trailer"


async def read_part(where: Where, pack: Pack, name: str, offset: int, length: int) -> bytes:
    """Return one part of a pack as it was before sealing; raises Damaged, ObjectMissing."""
    stored = await storage.read_span(where, pack.store, pack.object_key, offset, length)
    context = packs.part_context(pack.object_key, name)
    return await _opened(where, pack.org_id, pack.key_id, context, stored)


async def _opened(
    where: Where, org_id: UUID, key_id: UUID | None, context: bytes, stored: bytes
) -> bytes:
    if key_id is None:
        return stored
    key = await storage.opening_key(where, org_id, key_id)
    if len(stored) < THREAD_BYTES:
        return crypto.open_whole(key, stored, context)
    return await asyncio.to_thread(crypto.open_whole, key, stored, context)


class Documents:
    """The ready documents used last, of this process; bounded by their bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held = 0
        self._kept: OrderedDict[UUID, dict[UUID, bytes]] = OrderedDict()

    async def of_pack(self, where: Where, pack: Pack) -> Mapping[UUID, bytes]:
        """Return the JSON texts of a pack by instance id; raises Damaged, ObjectMissing."""
        found = self._kept.get(pack.id)
        if found is not None:
            self._kept.move_to_end(pack.id)
            return found
        place = (pack.document_offset, pack.document_length)
        text = await read_part(where, pack, packs.DOCUMENT, *place)
        if len(text) < THREAD_BYTES:
            found = _document_of(text)
        else:
            found = await asyncio.to_thread(_document_of, text)
        self._keep(pack.id, found)
        return found

    def _keep(self, pack_id: UUID, texts: dict[UUID, bytes]) -> None:
        size = _size(texts)
        if size > self._max_bytes or pack_id in self._kept:
            return
        self._kept[pack_id] = texts
        self._held += size
        while self._held > self._max_bytes:
            self._held -= _size(self._kept.popitem(last=False)[1])


def _document_of(text: bytes) -> dict[UUID, bytes]:
    return packs.read_document(packs.expand(text))


def _size(texts: Mapping[UUID, bytes]) -> int:
    return sum(len(t) + 100 for t in texts.values())


@dataclass(frozen=True, slots=True)
class Entry:
    """One instance as the index of a pack names it; ``values``: its JSON object."""

    id: UUID
    blob: Blob
    values: Mapping[str, Any]


@dataclass(slots=True)
class Checked:
    """What a check of a pack found; ``damaged``: names of parts and ids of instances."""

    trailer: Trailer | None = None
    index: Mapping[str, Any] = field(default_factory=dict)
    entries: Sequence[Entry] = ()
    damaged: list[str] = field(default_factory=list)
    instances: list[UUID] = field(default_factory=list)  # those of ``damaged``
    size: int = 0


async def open_pack(where: Where, store: str, key: str, size: int) -> Checked:
    """Read trailer and index of a pack from its own bytes; what fails is in ``damaged``.

    Raises ObjectMissing, StoreUnavailable.
    """
    found = Checked(size=size)
    try:
        found.trailer = await _trailer(where, store, key, size)
        raw = await _part(where, store, key, found.trailer, packs.INDEX, found.trailer.index)
        found.index = packs.read_index(packs.expand(raw))
        found.entries = _entries(found, store, key)
    except Damaged:
        found.damaged.append(TRAILER if found.trailer is None else packs.INDEX)
    return found


async def _trailer(where: Where, store: str, key: str, size: int) -> Trailer:
    if size < packs.TRAILER_BYTES + len(packs.MAGIC):
        raise Damaged("a pack is cut short")
    start = size - packs.TRAILER_BYTES
    end = await storage.read_span(where, store, key, start, packs.TRAILER_BYTES)
    trailer = packs.read_trailer(end)
    if trailer.size != size:
        raise Damaged("a pack does not have its length")
    return trailer


async def _part(
    where: Where, store: str, key: str, trailer: Trailer, name: str, part: Part
) -> bytes:
    stored = await storage.read_span(where, store, key, part.offset, part.length)
    if hashlib.sha256(stored).digest() != part.sha256:
        raise Damaged(f"the {name} of a pack fails its check")
    if not stored:
        return b""
    return await _opened(where, trailer.org_id, trailer.key_id, trailer.context(name), stored)


def _entries(found: Checked, store: str, key: str) -> list[Entry]:
    assert found.trailer is not None
    entries, at, org_id = [], len(packs.MAGIC), found.trailer.org_id
    for values in found.index["instances"]:
        instance_id = UUID(values["id"])
        key_id = None if values["key_id"] is None else UUID(values["key_id"])
        context = blob_context(org_id, instance_id)
        blob = Blob(
            store, key, key_id, values["offset"], values["length"], context, values["sha256"]
        )
        if blob.offset != at:
            raise Damaged("the index of a pack does not fit its bytes")
        at += blob.stored_length
        entries.append(Entry(instance_id, blob, values))
    if at != found.trailer.document.offset or len(entries) != found.trailer.count:
        raise Damaged("the index of a pack does not fit its bytes")
    return entries


async def check_pack(where: Where, store: str, key: str, size: int) -> Checked:
    """Read and check every byte of a pack: each instance's seal and SHA-256, parts, trailer.

    Raises ObjectMissing, StoreUnavailable.
    """
    found = await open_pack(where, store, key, size)
    if found.trailer is None:
        return found
    trailer = found.trailer
    if await storage.read_span(where, store, key, 0, len(packs.MAGIC)) != packs.MAGIC:
        found.damaged.append("magic")
    for name, part in ((packs.DOCUMENT, trailer.document), (packs.THUMBNAIL, trailer.thumbnail)):
        try:
            text = await _part(where, store, key, trailer, name, part)
            if name == packs.DOCUMENT and len(text) < THREAD_BYTES:
                _document_of(text)
            elif name == packs.DOCUMENT:
                await asyncio.to_thread(_document_of, text)
        except Damaged:
            found.damaged.append(name)
    bad = await damaged_of(where, trailer.org_id, found.entries)
    found.instances += bad
    found.damaged += [str(b) for b in bad]
    return found


async def damaged_of(where: Where, org_id: UUID, entries: Sequence[Entry]) -> list[UUID]:
    """Return which instances do not have their bytes any more; all are read and opened."""
    try:
        good = await _digests_fit(where, org_id, [e.blob for e in entries])
        return [e.id for e, fits in zip(entries, good, strict=True) if not fits]
    except (Damaged, ObjectMissing):
        pass
    bad = []
    for entry in entries:
        try:
            (fits,) = await _digests_fit(where, org_id, [entry.blob])
        except (Damaged, ObjectMissing):
            fits = False
        if not fits:
            bad.append(entry.id)
    return bad


async def _digests_fit(where: Where, org_id: UUID, blobs: Sequence[Blob]) -> list[bool]:
    digests = [hashlib.sha256() for _ in blobs]
    async for position, piece in storage.read_many(where, org_id, blobs):
        if len(piece) < THREAD_BYTES:
            digests[position].update(piece)
        else:
            await asyncio.to_thread(digests[position].update, piece)
    return [d.hexdigest() == b.sha256 for d, b in zip(digests, blobs, strict=True)]
