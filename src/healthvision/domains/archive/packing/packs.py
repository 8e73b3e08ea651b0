# SPDX-License-Identifier: Apache-2.0
"""The format of a series object: bytes to and from parts, without a database or a store.

Layout: magic (8); the sealed blobs of the instances, one after the other; the document (ready
DICOM JSON of all instances), the thumbnail (a JPEG, or nothing), the index (JSON, enough to make
all rows again), each compressed where it helps and sealed; the trailer. The trailer has a fixed
length, holds ids, places and digests only, and ends with its own SHA-256, so that a pack can be
read from its end with nothing but the keys. No bit of a pack is outside a check.
"""

import hashlib
import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import zstandard

from healthvision.kernel.crypto import Damaged

MAGIC = b"HVPACK\x01\n"
ROOT = "series"
VERSION = 1
BULK_MARK = b'"BulkDataURI":"hv:'  # what an answer puts its own address in for
MAX_PART = 4 << 30  # bytes of a decompressed document or index
_PART = struct.Struct(">QQQ32s")
_HEAD = struct.Struct(">8sH16s16sI?16sIQ")
_END = b"HVPACKEND"
TRAILER_BYTES = _HEAD.size + 3 * _PART.size + 32 + len(_END)
DOCUMENT, THUMBNAIL, INDEX = "document", "thumbnail", "index"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a pack: ``length`` as stored, ``plain`` before sealing, SHA-256 as stored."""

    offset: int
    length: int
    plain: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Trailer:
    """What the end of a pack says. ``size``: bytes of the whole object."""

    org_id: UUID
    series_id: UUID
    generation: int
    key_id: UUID | None
    count: int
    size: int
    document: Part
    thumbnail: Part
    index: Part

    def context(self, name: str) -> bytes:
        """Return what a part of this pack is sealed with."""
        return part_context(pack_key(self.org_id, self.series_id, self.generation), name)


def pack_key(org_id: UUID, series_id: UUID, generation: int) -> str:
    """Return the object key of a pack."""
    return f"{ROOT}/{org_id}/{series_id.hex[-2:]}/{series_id}/{generation}"


def part_context(key: str, name: str) -> bytes:
    """Return what a part of the pack with this key is sealed with."""
    return f"hv-pack/{key}/{name}".encode()


def part_of(offset: int, stored: bytes, plain: int) -> Part:
    """Return the place of a part that is about to be written."""
    return Part(offset, len(stored), plain, hashlib.sha256(stored).digest())


def trailer_bytes(trailer: Trailer) -> bytes:
    """Return the trailer as it is written."""
    head = _HEAD.pack(
        MAGIC,
        VERSION,
        trailer.org_id.bytes,
        trailer.series_id.bytes,
        trailer.generation,
        trailer.key_id is not None,
        trailer.key_id.bytes if trailer.key_id else bytes(16),
        trailer.count,
        trailer.size,
    )
    parts = (trailer.document, trailer.thumbnail, trailer.index)
    body = head + b"".join(_PART.pack(p.offset, p.length, p.plain, p.sha256) for p in parts)
    return body + hashlib.sha256(body).digest() + _END


def read_trailer(data: bytes) -> Trailer:
    """Return what the last ``TRAILER_BYTES`` of a pack say; raises Damaged."""
    body, digest, end = data[: -32 - len(_END)], data[-32 - len(_END) : -len(_END)], data[-9:]
    if len(data) != TRAILER_BYTES or end != _END or hashlib.sha256(body).digest() != digest:
        raise Damaged("the trailer of a pack fails its check")
    magic, version, org, series, generation, sealed, key, count, size = _HEAD.unpack_from(body)
    if magic != MAGIC or version != VERSION:
        raise Damaged("the pack is of a kind this version does not know")
    parts = [
        Part(*_PART.unpack_from(body, _HEAD.size + number * _PART.size)) for number in range(3)
    ]
    return Trailer(
        UUID(bytes=org),
        UUID(bytes=series),
        generation,
        UUID(bytes=key) if sealed else None,
        count,
        size,
        *parts,
    )


def squeeze(data: bytes) -> bytes:
    """Return compressed bytes."""
    return zstandard.ZstdCompressor(level=3, write_checksum=True).compress(data)


def expand(data: bytes) -> bytes:
    """Return decompressed bytes; raises Damaged."""
    try:
        if zstandard.frame_content_size(data) > MAX_PART:
            raise Damaged("a part of a pack is too large")
        return zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError:
        raise Damaged("a part of a pack cannot be read") from None


def document_bytes(texts: Iterable[tuple[UUID, bytes]]) -> bytes:
    """Return the document of a pack: id, length and JSON text of each instance."""
    return b"".join(
        piece for id_, text in texts for piece in (id_.bytes, struct.pack(">Q", len(text)), text)
    )


def read_document(data: bytes) -> dict[UUID, bytes]:
    """Return the JSON texts of a document by instance id; raises Damaged."""
    texts, at = {}, 0
    while at < len(data):
        if at + 24 > len(data):
            raise Damaged("the document of a pack is cut short")
        length = int.from_bytes(data[at + 16 : at + 24], "big")
        text = data[at + 24 : at + 24 + length]
        if len(text) != length:
            raise Damaged("the document of a pack is cut short")
        texts[UUID(bytes=data[at : at + 16])] = text
        at += 24 + length
    return texts


def marked_text(document: Mapping[str, Any], bulk: Iterable[str]) -> bytes:
    """Return the JSON text of an instance with a mark where each bulk value's address belongs.

    ``bulk``: paths ``GGGGEEEE[/item/GGGGEEEE...]``. The mark is ``"BulkDataURI":"hv:<path>"``; no
    text of the instance can look like it, since its quotes would be escaped.
    """
    marked = dict(document)
    for path in bulk:
        _mark(marked, path)
    text = json.dumps(marked, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()


def _mark(document: dict[str, Any], path: str) -> None:
    here: Any = document
    steps = path.split("/")
    for position, step in enumerate(steps):
        if position % 2 == 0:
            if not isinstance(here.get(step), dict):
                return
            here[step] = dict(here[step])
            here = here[step]
        else:
            items = list(here.get("Value", []))
            if int(step) >= len(items) or not isinstance(items[int(step)], dict):
                return
            items[int(step)] = dict(items[int(step)])
            here["Value"] = items
            here = items[int(step)]
    here["BulkDataURI"] = f"hv:{path}"


def addressed(text: bytes, base: str) -> bytes:
    """Return an instance's JSON text with real addresses; ``base``: URL of the instance."""
    start = json.dumps(f"{base}/bulkdata/", ensure_ascii=False)[:-1].encode()
    return text.replace(BULK_MARK, b'"BulkDataURI":' + start)


def plain_document(text: bytes) -> dict[str, Any]:
    """Return an instance's DICOM JSON as it was received: without addresses of bulk values."""
    found: dict[str, Any] = json.loads(text)
    if BULK_MARK in text:
        _unmark(found)
    return found


def _unmark(document: dict[str, Any]) -> None:
    for entry in document.values():
        if not isinstance(entry, dict):
            continue
        if str(entry.get("BulkDataURI", "")).startswith("hv:"):
            del entry["BulkDataURI"]
        for item in entry.get("Value") or ():
            if isinstance(item, dict) and entry.get("vr") == "SQ":
                _unmark(item)


def index_bytes(head: Mapping[str, Any], instances: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the index of a pack; values are JSON."""
    whole = {**head, "instances": list(instances)}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def read_index(data: bytes) -> dict[str, Any]:
    """Return the index of a pack; raises Damaged."""
    try:
        found: dict[str, Any] = json.loads(data)
    except ValueError:
        raise Damaged("the index of a pack cannot be read") from None
    return found
