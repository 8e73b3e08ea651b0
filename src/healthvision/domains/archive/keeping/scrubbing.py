# SPDX-License-Identifier: Apache-2.0
"""Reads stored bytes again and again, so that damage is found while there is still a copy."""

from datetime import timedelta
from uuid import UUID

from healthvision.domains.archive.keeping import compaction
from healthvision.domains.archive.packing import documents
from healthvision.domains.archive.packing.pack_reading import Checked, Entry, check_pack, damaged_of
from healthvision.domains.archive.packing.pack_writing import blob_of
from healthvision.domains.archive.records import damage, pack_rows, upkeep_rows
from healthvision.domains.archive.schemas import Integrity
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.domains.archive.tables import Pack
from healthvision.domains.storage import service as storage
from healthvision.domains.storage.errors import ObjectMissing
from healthvision.domains.storage.ports import StoredObject
from healthvision.kernel.clock import now
from healthvision.kernel.crypto import Damaged
from healthvision.kernel.db import Database, Session
from healthvision.kernel.errors import Problem
from healthvision.kernel.security import Actor
from healthvision.kernel.telemetry import logger

SCRUB_EVERY_S = 60.0
BATCH = 100
SINGLES = 2000
_log = logger("archive.scrubbing")


class Cursor:
    """How far this process came with objects of single instances."""

    def __init__(self) -> None:
        self.at = UUID(int=0)


async def scrub(db: Database) -> int:
    """Check what was not checked for longest, as much as the budget of a round allows.

    Returns how many bytes. Damage is noted on rows, in the log and as an event.
    """
    settings, at = ArchiveSettings(), now()
    left = int(settings.scrub_bytes_per_s * SCRUB_EVERY_S)
    before, checked = at - timedelta(seconds=settings.scrub_after_s), 0
    async with db.reading() as session:
        packs = await upkeep_rows.to_scrub(session, before, BATCH)
    for pack in packs:
        if checked >= left:
            return checked
        await scrub_pack(db, pack)
        checked += pack.size
    if checked < left:
        checked += await _scrub_singles(db, left - checked)
    return checked


async def scrub_pack(db: Database, pack: Pack) -> list[str]:
    """Check one pack, note what is damaged and mend what can be made again; return the damage."""
    checked = await inspect(db, pack)
    if checked is None:
        return []
    parts = set(checked.damaged) - {str(i) for i in checked.instances}
    async with db.transaction() as session:
        known = set(pack.damaged)
        if not await upkeep_rows.note_check(session, pack, sorted(checked.damaged)):
            return []  # retired meanwhile
        await damage.note(
            session, pack.org_id, pack.study_id, checked.instances, parts=parts - known
        )
    if parts and not checked.instances:
        await _mend(db, pack)
    return checked.damaged


async def _mend(db: Database, pack: Pack) -> None:
    """Make a pack anew whose instances are whole but whose other parts are not."""
    try:
        await compaction.rewrite(db, pack.org_id, pack.series_id, store=pack.store)
    except Problem as problem:
        _log.error("series object not mended", pack=str(pack.id), problem=problem.code)


async def inspect(db: Database, pack: Pack) -> Checked | None:
    """Check every byte of a pack; with a damaged index its rows say where instances lie.

    None when its store does not answer: that is no damage.
    """
    try:
        checked = await check_pack(db, pack.store, pack.object_key, pack.size)
        if not checked.entries:
            await _by_rows(db, pack, checked)
        return checked
    except ObjectMissing:
        checked = Checked(damaged=["object"])
        await _by_rows(db, pack, checked)
        return checked
    except Problem as problem:
        _log.warning("series object not checked", pack=str(pack.id), problem=problem.code)
        return None


async def _by_rows(db: Database, pack: Pack, checked: Checked) -> None:
    place = {(pack.store, pack.object_key)}
    async with db.reading() as session:
        rows = await pack_rows.packed_rows(session, pack.org_id, place, pack.series_id)
    entries = [Entry(row.id, blob_of(pack.org_id, row), {}) for row in rows]
    bad = await damaged_of(db, pack.org_id, entries)
    checked.instances += bad
    checked.damaged += [str(b) for b in bad]


async def _scrub_singles(db: Database, budget: int) -> int:
    """Check instances that lie in objects of their own, from where the last round ended."""
    cursor, checked = db.resources.get(Cursor), 0
    async with db.reading() as session:
        rows = await upkeep_rows.instances_after(session, cursor.at, SINGLES)
    for row in rows:
        if checked >= budget:
            return checked
        cursor.at = row.id
        if not row.object_key.startswith("objects/") or row.damaged_at is not None:
            continue
        checked += row.length
        if not await single_is_whole(db, row):
            async with db.transaction() as session:
                await damage.note(session, row.org_id, row.study_id, [row.id])
    if len(rows) < SINGLES:
        cursor.at = UUID(int=0)
    return checked


async def single_is_whole(db: Database, row: upkeep_rows.Single) -> bool:
    """Tell whether an instance in an object of its own has its bytes."""
    stored = StoredObject(row.store, row.object_key, row.key_id, row.length, row.sha256)
    try:
        async for _ in storage.read_whole(db, row.org_id, stored):
            pass
    except (Damaged, ObjectMissing):
        async with db.reading() as session:
            place = await pack_rows.location_of(session, row.org_id, row.id)
        return place is None or documents.is_packed(place.object_key)
    except Problem:
        return True  # the store does not answer: that is no damage
    return True


async def integrity(session: Session, actor: Actor) -> Integrity:
    """Return what is stored, checked and damaged in the actor's organisation."""
    return Integrity(**await upkeep_rows.totals(session, actor.org_id))
