# SPDX-License-Identifier: Apache-2.0
"""Rewrites a series into one new object: fewer generations, no purged instances, another store.

The sealed blobs are copied as they lie; the old objects are deleted after a grace, since readers
may be at them.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from healthvision.domains.archive import repository
from healthvision.domains.archive.errors import PackFailed, StorageDamaged
from healthvision.domains.archive.packing import documents
from healthvision.domains.archive.packing.pack_writing import (
    Content,
    WrittenPack,
    blob_of,
    write_pack,
)
from healthvision.domains.archive.packing.packs import marked_text
from healthvision.domains.archive.packing.sealing import (
    LEASE_BYTES_PER_S,
    LEASE_S,
    PAUSE_S,
    drop,
    move_of,
    prove,
    take,
)
from healthvision.domains.archive.packing.thumbnails import PictureMaker
from healthvision.domains.archive.records import damage, pack_rows, upkeep_rows
from healthvision.domains.archive.records.pack_rows import Claim, Waiting
from healthvision.domains.archive.records.rows import clean_json
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.domains.archive.tables import Pack
from healthvision.domains.storage import service as storage
from healthvision.domains.storage.errors import StoreUnavailable
from healthvision.formats.dicom.header import read_header
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Problem
from healthvision.kernel.telemetry import logger

BATCH = 20
_log = logger("archive.compaction")


async def compact(db: Database) -> int:
    """Rewrite series in too many objects or with over 30 % garbage; return how many."""
    generations = ArchiveSettings().compact_generations
    async with db.reading() as session:
        found = await upkeep_rows.to_compact(session, generations, BATCH)
    done = 0
    for org_id, series_id in found:
        done += await _guarded(db, org_id, series_id, None)
    return done


async def move_series(db: Database, store: str, *, org_id: UUID | None = None) -> int:
    """Bring all sealed series (of one organisation) to a store; return how many moved.

    Raises StoreUnavailable when there is no such store. Safe to run twice and to stop at any time.
    """
    if store not in storage.store_names(db):
        raise StoreUnavailable(f"the object store {store!r} is not configured")
    moved = 0
    while True:
        async with db.reading() as session:
            found = await upkeep_rows.elsewhere(session, store, BATCH, org_id=org_id)
        done = sum([await _guarded(db, org, series, store) for org, series in found])
        moved += done
        if not done:
            return moved


async def _guarded(db: Database, org_id: UUID, series_id: UUID, store: str | None) -> bool:
    try:
        return await rewrite(db, org_id, series_id, store=store)
    except Problem as problem:
        _log.error("series not rewritten", series=str(series_id), problem=problem.code)
        return False


async def rewrite(db: Database, org_id: UUID, series_id: UUID, *, store: str | None = None) -> bool:
    """Put all sealed instances of a series into one new object; False when others work on it."""
    async with db.reading() as session:
        place = await pack_rows.holder_of(session, org_id, series_id)
    if place is None:
        return await _retire_rest(db, org_id, series_id)
    claim = await take(db, Waiting(org_id, series_id, *place))
    if claim is None:
        return False
    try:
        return await _rewrite(db, claim, store)
    except BaseException:
        async with db.transaction() as session:
            await pack_rows.give_up(session, claim, PAUSE_S)
        raise


async def _retire_rest(db: Database, org_id: UUID, series_id: UUID) -> bool:
    """Retire the packs of a series without a row."""
    async with db.transaction() as session:
        left = await pack_rows.live_packs(session, org_id, series_id)
        await pack_rows.retire(session, org_id, [p.id for p in left])
    return bool(left)


async def _rewrite(db: Database, claim: Claim, store: str | None) -> bool:
    async with db.reading() as session:
        old = await pack_rows.live_packs(session, claim.org_id, claim.series_id)
        places = {(p.store, p.object_key) for p in old}
        rows = await pack_rows.packed_rows(session, claim.org_id, places, claim.series_id)
    if not rows:
        async with db.transaction() as session:
            await pack_rows.finish(session, claim, 0)
            await pack_rows.retire(session, claim.org_id, [p.id for p in old])
        return bool(old)
    async with db.transaction() as session:
        total = sum(p.size for p in old)
        if not await pack_rows.renew(session, claim, LEASE_S + total / LEASE_BYTES_PER_S):
            return False
    content = await _content(db, claim, rows)
    written = await write_pack(db, claim, content, store or storage.store_names(db)[0])
    try:
        await prove(db, claim, written, rows)
    except BaseException:
        await drop(db, written)
        raise
    swapped = await _swap(db, claim, written, rows, old)  # one that fails may have been committed
    if not swapped:
        await drop(db, written)
    return swapped


async def _content(db: Database, claim: Claim, rows: Sequence[Any]) -> Content:
    async with db.reading() as session:
        found = await pack_rows.study_of_series(session, claim.org_id, claim.series_id)
        members = await repository.memberships(session, claim.org_id, [claim.study_id])
        try:
            texts = await documents.texts_of(session, claim.org_id, documents.places_of(rows))
        except StorageDamaged:
            texts = {}
    if found is None:
        raise PackFailed("the series is gone")
    for row in rows:
        if row.id not in texts:
            texts[row.id] = await _text_again(db, claim.org_id, row)
    picture = await db.resources.get(PictureMaker).of_series(db, claim.org_id, rows)
    return Content(found[0], found[1], rows, texts, picture, [m.space_id for m in members])


async def _text_again(db: Database, org_id: UUID, row: Any) -> bytes:
    """Make the JSON text of an instance from its bytes, since the ready one is damaged."""
    data = await storage.read_blob(db, org_id, blob_of(org_id, row))
    header = read_header(data)
    return marked_text(clean_json(header.json), [b.path for b in header.bulk])


async def _swap(
    db: Database, claim: Claim, written: WrittenPack, rows: Sequence[Any], old: Sequence[Pack]
) -> bool:
    async with db.transaction() as session:
        if not await pack_rows.finish(session, claim, 0):
            return False
        session.add(written.row)
        await session.flush()
        await pack_rows.relocate(session, claim.org_id, [move_of(r, written) for r in rows])
        await pack_rows.retire(session, claim.org_id, [p.id for p in old])
        if written.row.damaged:
            bad = [UUID(b) for b in written.row.damaged]
            await damage.note(session, claim.org_id, claim.study_id, bad)
    return True
