# SPDX-License-Identifier: Apache-2.0
"""Writes one pack: blobs copied as they lie, then document, thumbnail, index and trailer."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from healthvision.domains.archive.packing.packs import (
    DOCUMENT,
    INDEX,
    MAGIC,
    THUMBNAIL,
    TRAILER_BYTES,
    VERSION,
    Part,
    Trailer,
    document_bytes,
    index_bytes,
    pack_key,
    part_context,
    part_of,
    squeeze,
    trailer_bytes,
)
from healthvision.domains.archive.records.blobs import blob_context
from healthvision.domains.archive.records.pack_rows import Claim
from healthvision.domains.archive.tables import Pack, Series, Study
from healthvision.domains.storage import service as storage
from healthvision.domains.storage.ports import Blob
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Busy

WHOLE_BYTES = 4 << 20  # a pack up to this size is written at once


@dataclass(frozen=True, slots=True)
class Content:
    """What goes into a pack: instance rows in order, JSON texts by id, a JPEG or b''."""

    study: Study
    series: Series
    rows: Sequence[Any]  # of pack_rows
    texts: Mapping[UUID, bytes]
    thumbnail: bytes
    spaces: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class WrittenPack:
    """A durable pack nobody points to yet."""

    row: Pack
    places: Mapping[UUID, Blob]


def blob_of(org_id: UUID, row: Any) -> Blob:
    """Return where the bytes of an instance row lie."""
    return Blob(
        row.store,
        row.object_key,
        row.key_id,
        row.offset,
        row.length,
        blob_context(org_id, row.id),
        row.sha256,
    )


async def write_pack(db: Database, claim: Claim, content: Content, store: str) -> WrittenPack:
    """Write a pack under the claim's generation; it is durable when this returns.

    Raises OutOfSpace, StoreUnavailable, ObjectMissing, Damaged (a source is cut short).
    """
    key = pack_key(claim.org_id, claim.series_id, claim.generation)
    sources = [blob_of(claim.org_id, row) for row in content.rows]
    places, at = {}, len(MAGIC)
    for row, source in zip(content.rows, sources, strict=True):
        places[row.id] = Blob(
            store, key, source.key_id, at, source.length, source.context, source.sha256
        )
        at += source.stored_length
    tail, trailer = await _tail(db, claim, content, places, at)

    async def chunks() -> AsyncIterator[bytes]:
        yield MAGIC
        async for piece in storage.read_sealed(db, sources):
            yield piece
        yield tail

    if trailer.size <= WHOLE_BYTES:
        await storage.put_sealed(db, store, key, [piece async for piece in chunks()])
    else:
        await storage.put_sealed(db, store, key, chunks())
    return WrittenPack(_row(claim, trailer, store, key), places)


async def _tail(
    db: Database, claim: Claim, content: Content, places: Mapping[UUID, Blob], at: int
) -> tuple[bytes, Trailer]:
    document = squeeze(document_bytes((row.id, content.texts[row.id]) for row in content.rows))
    index = squeeze(index_bytes(_head(claim, content), _entries(content, places)))
    stored, parts, keys = [], [], set()
    for name, text in ((DOCUMENT, document), (THUMBNAIL, content.thumbnail), (INDEX, index)):
        key_id, sealed = await _sealed_part(db, claim, name, text)
        keys.add(key_id)
        parts.append(part_of(at, sealed, len(text)))
        stored.append(sealed)
        at += len(sealed)
    key_id, *others = keys - {None} or {None}
    if others:
        raise Busy("the key of the organisation was changed; try again")
    trailer = Trailer(
        claim.org_id,
        claim.series_id,
        claim.generation,
        key_id,
        len(content.rows),
        at + TRAILER_BYTES,
        *parts,
    )
    return b"".join((*stored, trailer_bytes(trailer))), trailer


async def _sealed_part(
    db: Database, claim: Claim, name: str, text: bytes
) -> tuple[UUID | None, bytes]:
    if not text:
        return None, b""
    key = pack_key(claim.org_id, claim.series_id, claim.generation)
    context = part_context(key, name)
    return await storage.seal_text(db, claim.org_id, context, text)


def _head(claim: Claim, content: Content) -> dict[str, Any]:
    study, series = content.study, content.series
    return {
        "version": VERSION,
        "org_id": str(claim.org_id),
        "study_id": str(study.id),
        "study_uid": study.study_uid,
        "patient_ref": str(study.patient_ref),
        "series_id": str(claim.series_id),
        "series_uid": series.series_uid,
        "series_origin": series.origin,
        "spaces": [str(s) for s in content.spaces],
        "generation": claim.generation,
        "made_at": now().isoformat(),
    }


def _entries(content: Content, places: Mapping[UUID, Blob]) -> list[dict[str, Any]]:
    return [
        {
            "id": str(row.id),
            "sop_uid": row.sop_uid,
            "sop_class_uid": row.sop_class_uid,
            "sha256": row.sha256,
            "offset": places[row.id].offset,
            "length": row.length,
            "key_id": None if row.key_id is None else str(row.key_id),
            "origin": row.origin,
            "origin_detail": row.origin_detail,
            "received_at": row.received_at.isoformat(),
            "current": row.current,
            "conflict": row.conflict,
        }
        for row in content.rows
    ]


def _row(claim: Claim, trailer: Trailer, store: str, key: str) -> Pack:
    return pack_row(trailer, store, key, study_id=claim.study_id, series_id=claim.series_id)


def pack_row(trailer: Trailer, store: str, key: str, *, study_id: UUID, series_id: UUID) -> Pack:
    """Return the row of a pack with that trailer."""

    def place(part: Part) -> tuple[int, int]:
        return part.offset, part.length

    row = Pack(
        id=new_id(),
        org_id=trailer.org_id,
        study_id=study_id,
        series_id=series_id,
        generation=trailer.generation,
        store=store,
        object_key=key,
        size=trailer.size,
        key_id=trailer.key_id,
        state="live",
        instance_count=trailer.count,
        garbage=0,
        damaged=[],
    )
    row.document_offset, row.document_length = place(trailer.document)
    row.thumbnail_offset, row.thumbnail_length = place(trailer.thumbnail)
    row.index_offset, row.index_length = place(trailer.index)
    return row
