# SPDX-License-Identifier: Apache-2.0
"""The bytes of instances: one, a range, or a whole series, from wherever they lie now."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Literal

from healthvision.domains.archive.errors import StorageDamaged
from healthvision.domains.archive.packing import documents
from healthvision.domains.archive.records import pack_rows
from healthvision.domains.archive.records.blobs import blob_context
from healthvision.domains.archive.retrieving import coercing
from healthvision.domains.archive.retrieving.references import location_in
from healthvision.domains.archive.schemas import InstanceRef
from healthvision.domains.storage import service as storage
from healthvision.domains.storage.errors import ObjectMissing
from healthvision.domains.storage.ports import Blob, StoredObject
from healthvision.kernel.crypto import Damaged
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Invalid, Problem
from healthvision.kernel.telemetry import logger

Profile = Literal["none"]
_log = logger("archive.opening")


async def open_bytes(
    db: Database,
    ref: InstanceRef,
    start: int = 0,
    length: int | None = None,
    *,
    profile: Profile = "none",
) -> AsyncIterator[bytes]:
    """Yield bytes ``start .. start + length`` of an instance's Part 10 file, decrypted.

    Changed bytes give StorageDamaged, never bad bytes. ``profile`` is the slot for
    de-identification. The caller has located the instance and recorded the access: doors use
    ``read_instances``.
    """
    _check(profile)
    if ref.changes:
        async for piece in _open_corrected(db, ref, start, length):
            yield piece
        return
    given = False
    try:
        async for piece in _open(db, ref, start, length):
            given = True
            yield piece
    except (Damaged, ObjectMissing) as error:
        moved = None if given else await _moved(db, ref)
        if moved is None:
            raise _damaged(ref, error) from error
        ref = moved
    else:
        return
    try:
        async for piece in _open(db, ref, start, length):
            yield piece
    except (Damaged, ObjectMissing) as error:
        raise _damaged(ref, error) from error


def _check(profile: Profile) -> None:
    if profile != "none":
        raise Invalid(f"unknown de-identification profile {profile!r}")


async def corrected(db: Database, refs: Sequence[InstanceRef]) -> list[InstanceRef]:
    """Return references that speak of the corrected objects; nothing is read for other ones.

    Raises NotCorrectable, StorageDamaged.
    """
    return [await _corrected(db, r) if r.changes and r.head is None else r for r in refs]


async def _corrected(db: Database, ref: InstanceRef) -> InstanceRef:
    stored = replace(ref, changes=None)
    return await coercing.with_head(ref, await read_bytes(db, stored, 0, coercing.needed(ref)))


async def _open_corrected(
    db: Database, ref: InstanceRef, start: int, length: int | None
) -> AsyncIterator[bytes]:
    """Yield bytes of a corrected object: of its new beginning, then as stored.

    A range of a reference without a head is one of the stored object; the whole is corrected.
    """
    if ref.head is None and start == 0 and length is None:
        ref = await _corrected(db, ref)
    head, cut = (b"", 0) if ref.head is None else (ref.head.head, ref.head.cut)
    stop = ref.size if length is None else min(ref.size, start + length)
    if start < len(head):
        yield head[start:stop]
    first = max(start, len(head))
    if first < stop:
        stored = replace(ref, changes=None, head=None)
        async for piece in open_bytes(db, stored, first - len(head) + cut, stop - first):
            yield piece


def _damaged(ref: InstanceRef, error: Problem) -> StorageDamaged:
    _log.error("stored bytes damaged", instance=str(ref.id), problem=error.code)
    return StorageDamaged("the stored bytes of this instance fail their check")


def _open(db: Database, ref: InstanceRef, start: int, length: int | None) -> AsyncIterator[bytes]:
    place = ref.location
    if not documents.is_single(place):
        return storage.open_blob(db, ref.org_id, blob_of_ref(ref), start, length)
    stored = StoredObject(place.store, place.object_key, place.key_id, place.length, place.sha256)
    if start == 0 and (length is None or length >= place.length):
        return storage.read_whole(db, ref.org_id, stored)
    return storage.read(db, ref.org_id, stored, start, length)


def blob_of_ref(ref: InstanceRef) -> Blob:
    """Return where the sealed bytes of an instance lie."""
    place = ref.location
    return Blob(
        place.store,
        place.object_key,
        place.key_id,
        place.offset,
        place.length,
        blob_context(ref.org_id, ref.id),
        place.sha256,
    )


async def _moved(db: Database, ref: InstanceRef) -> InstanceRef | None:
    """Return the instance at its new place when it was sealed or compacted since it was found."""
    async with db.reading() as session:
        row = await pack_rows.location_of(session, ref.org_id, ref.id)
    if row is None:
        return None
    place = location_in(row)
    return None if place == ref.location else replace(ref, location=place)


async def open_many(db: Database, refs: Sequence[InstanceRef]) -> AsyncIterator[tuple[int, bytes]]:
    """Yield the bytes of many instances as (position, piece), in order.

    Neighbours in a pack are read together. Raises StorageDamaged. The caller has recorded the
    access.
    """
    position = 0
    while position < len(refs):
        end = position
        while end < len(refs) and not _apart(refs[end]):
            end += 1
        if end > position:
            async for at, piece in _open_run(db, refs[position:end]):
                yield position + at, piece
            position = end
            continue
        async for piece in open_bytes(db, refs[position]):
            yield position, piece
        position += 1


def _apart(ref: InstanceRef) -> bool:
    """Tell whether an instance is read by itself: an object of its own, or a corrected one."""
    return documents.is_single(ref.location) or ref.changes is not None


async def _open_run(db: Database, refs: Sequence[InstanceRef]) -> AsyncIterator[tuple[int, bytes]]:
    got = [0] * len(refs)
    try:
        blobs = [blob_of_ref(ref) for ref in refs]
        async for at, piece in storage.read_many(db, refs[0].org_id, blobs):
            got[at] += len(piece)
            yield at, piece
        return
    except (Damaged, ObjectMissing):
        pass
    for at, ref in enumerate(refs):  # one by one: what moved is found, what is bad named
        if got[at] < ref.size or (ref.size == 0 and not any(got[at:])):
            async for piece in open_bytes(db, ref, got[at]):
                yield at, piece


async def open_joined(
    db: Database, refs: Sequence[InstanceRef], heads: Sequence[bytes]
) -> AsyncIterator[bytes | memoryview]:
    """Yield ``heads[0]``, the bytes of instance 0, ``heads[1]``, ... in few large pieces.

    What a long answer is made of. Raises StorageDamaged. The caller has recorded the access.
    """
    sent = 0
    if not any(_apart(ref) for ref in refs):
        try:
            blobs = [blob_of_ref(ref) for ref in refs]
            async for piece in storage.read_joined(db, refs[0].org_id, blobs, heads):
                sent += len(piece)
                yield piece
            return
        except (Damaged, ObjectMissing):
            pass
    for ref, head in zip(refs, heads, strict=True):  # one by one, as in ``_open_run``
        if sent < len(head):
            yield head[sent:]
        sent = max(0, sent - len(head))
        if sent < ref.size:
            async for text in open_bytes(db, ref, sent):
                yield text
        sent = max(0, sent - ref.size)


async def read_bytes(
    db: Database, ref: InstanceRef, start: int = 0, length: int | None = None
) -> bytes:
    """Return bytes of an instance at once; see ``open_bytes``."""
    return b"".join([piece async for piece in open_bytes(db, ref, start, length)])
