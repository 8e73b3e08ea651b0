# SPDX-License-Identifier: Apache-2.0
"""Makes the rows of sealed instances again, from nothing but the series objects and the keys.

Needed: the stores, the master key, and a database with the organisations and their keys (a backup
of any age; it may hold no studies at all). Rows that are there stay; missing ones are added, and
those whose bytes are not where they say are pointed to where they are. Journals are replayed by
``recovery``. What lives only in rows is not made again: legal holds, deletions, audit, results.
"""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from healthvision.domains.archive import repository
from healthvision.domains.archive.packing.pack_reading import Checked, Entry, open_pack
from healthvision.domains.archive.packing.pack_writing import pack_row
from healthvision.domains.archive.packing.packs import ROOT
from healthvision.domains.archive.receiving.bulk_writer import Work
from healthvision.domains.archive.receiving.ingest import receiver_of
from healthvision.domains.archive.receiving.recording import Request
from healthvision.domains.archive.records import pack_rows, upkeep_rows
from healthvision.domains.archive.records.planning import Prepared
from healthvision.domains.archive.records.rows import (
    INSTANCE_TAGS,
    SERIES_TAGS,
    STUDY_TAGS,
    json_text,
    pick,
)
from healthvision.domains.archive.schemas import Incoming, Location, Origin
from healthvision.domains.archive.tables import StudySpaceRow
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.domains.storage import service as storage
from healthvision.domains.storage.errors import ObjectMissing
from healthvision.formats.dicom.header import read_header
from healthvision.kernel.crypto import Damaged
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Problem
from healthvision.kernel.security import Actor

BATCH = 32  # instances held in memory at once
BATCH_BYTES = 256_000_000
KEPT_TAGS = (*STUDY_TAGS, *SERIES_TAGS, *INSTANCE_TAGS)


@dataclass(frozen=True, slots=True)
class FoundPack:
    """One series object of a store; ``generation`` orders those of a series."""

    store: str
    key: str
    size: int
    generation: int


@dataclass(slots=True)
class Rebuilt:
    """What was done: packs looked at, rows added or pointed to their place, and what failed."""

    packs: int = 0
    known: int = 0
    added: int = 0
    mended: int = 0
    failed: list[str] = field(default_factory=list)  # object keys and instance ids, with a reason


async def find_packs(db: Database) -> list[FoundPack]:
    """Return all series objects of all stores, the newest generation of each series first."""
    found = []
    for store in storage.store_names(db):
        async for info in storage.list_objects(db, f"{ROOT}/", store=store):
            last = info.key.rpartition("/")[2]
            if last.isdigit():
                found.append(FoundPack(store, info.key, info.size, int(last)))
    return sorted(found, key=lambda p: (p.key.rpartition("/")[0], -p.generation))


async def rebuild_index(
    db: Database, packs: Sequence[FoundPack], result: Rebuilt
) -> AsyncIterator[FoundPack]:
    """Make missing rows again; yields each series object when it is done. Safe to run twice."""
    for pack in packs:
        try:
            await _rebuild_pack(db, pack, result)
        except Problem as problem:
            result.failed.append(f"{pack.key}: {problem.code}")
        result.packs += 1
        yield pack


async def _rebuild_pack(db: Database, pack: FoundPack, result: Rebuilt) -> None:
    checked = await open_pack(db, pack.store, pack.key, pack.size)
    if checked.trailer is None or checked.damaged:
        result.failed.append(f"{pack.key}: {', '.join(checked.damaged)} damaged")
        return
    org_id = checked.trailer.org_id
    async with db.reading() as session:
        rows = await upkeep_rows.located(session, org_id, [e.id for e in checked.entries])
        named = await pack_rows.packs_at(session, org_id, {(pack.store, pack.key)})
    missing = [e for e in checked.entries if e.id not in rows]
    lost = [e for e in checked.entries if e.id in rows and await _is_lost(db, e, rows[e.id])]
    result.known += len(checked.entries) - len(missing) - len(lost)
    if missing:
        await _add(db, org_id, checked, missing, result)
    await _point(db, org_id, pack, checked, lost, add_row=not named)
    result.mended += len(lost)


async def _is_lost(db: Database, entry: Entry, row: Any) -> bool:
    """Tell whether the object a row points to is not there any more."""
    if (row.store, row.object_key) == (entry.blob.store, entry.blob.key):
        return False
    try:
        await storage.read_span(db, row.store, row.object_key, row.offset, 1)
    except (ObjectMissing, Damaged):
        return True
    return False


async def _add(
    db: Database, org_id: UUID, checked: Checked, missing: list[Entry], result: Rebuilt
) -> None:
    places = await _spaces(db, org_id, checked.index)
    for entries in _batches(missing):
        prepared = await _prepare(db, org_id, entries, result)
        for kind in {e.values["origin"] for e, _ in prepared}:
            items = [p for e, p in prepared if e.values["origin"] == kind]
            request = Request(Actor.system(org_id), places[0], Origin(kind), items)
            receiver = receiver_of(db)
            work = Work(request, receiver.id, None)
            written = await asyncio.wrap_future(receiver.writer.put(work))
            result.added += len(written.answers)
            result.failed += [f"{i.instance_id}: study is elsewhere" for i in written.held]
    await _settle(db, org_id, checked.index["study_uid"], places)


def _batches(entries: Sequence[Entry]) -> list[list[Entry]]:
    batches: list[list[Entry]] = []
    size = 0
    for entry in entries:
        full = batches and (len(batches[-1]) >= BATCH or size + entry.blob.length > BATCH_BYTES)
        if not batches or full:
            batches.append([])
            size = 0
        batches[-1].append(entry)
        size += entry.blob.length
    return batches


async def _prepare(
    db: Database, org_id: UUID, entries: list[Entry], result: Rebuilt
) -> list[tuple[Entry, Prepared]]:
    found = []
    for index, entry in enumerate(entries):
        blob = entry.blob
        try:
            data = await storage.read_blob(db, org_id, blob)
            header = await asyncio.to_thread(read_header, data)
        except Problem as problem:
            result.failed.append(f"{entry.id}: {problem.code}")
            continue
        place = Location(
            blob.store,
            blob.key,
            int(blob.key.rpartition("/")[2]),
            blob.offset,
            blob.length,
            blob.key_id,
            blob.sha256,
        )
        json, text = json_text(pick(header.json, KEPT_TAGS))
        found.append(
            (
                entry,
                Prepared(
                    index=index,
                    incoming=Incoming(io.BytesIO()),
                    header=header,
                    json=json,
                    text=text,
                    sha256=blob.sha256,
                    instance_id=entry.id,
                    received_at=datetime.fromisoformat(entry.values["received_at"]),
                    stored=place,
                ),
            )
        )
    return found


async def _spaces(db: Database, org_id: UUID, index: Mapping[str, Any]) -> list[SpaceRead]:
    """Return the spaces a study was in, or the default one when they are not known here."""
    actor = Actor.system(org_id)
    async with db.transaction() as session:
        known = await spaces.policies(session, org_id)
        wanted = [UUID(s) for s in index.get("spaces", ())]
        found = [known[s] for s in wanted if s in known]
        return found or [await spaces.ensure_default(session, actor)]


async def _settle(db: Database, org_id: UUID, study_uid: str, places: list[SpaceRead]) -> None:
    """Show a study in all its spaces, complete as it was: rules do not run again."""
    async with db.transaction() as session:
        study = await repository.lock_study(session, org_id, study_uid)
        if study is None:
            return
        rows = {r.space_id: r for r in await repository.memberships(session, org_id, [study.id])}
        for place in places:
            row = rows.get(place.id)
            if row is None:
                row = StudySpaceRow(org_id=org_id, study_id=study.id, space_id=place.id)
                session.add(row)
            row.state, row.due_at, row.reason = "complete", None, "quiet"


async def _point(
    db: Database,
    org_id: UUID,
    pack: FoundPack,
    checked: Checked,
    lost: Sequence[Entry],
    *,
    add_row: bool,
) -> None:
    """Add the row of a pack that holds instances in use, and point lost rows to it."""
    assert checked.trailer is not None
    async with db.transaction() as session:
        rows = await upkeep_rows.located(session, org_id, [e.id for e in checked.entries])
        moves = [
            {
                "row_id": e.id,
                "was_store": rows[e.id].store,
                "was_key": rows[e.id].object_key,
                "was_offset": rows[e.id].offset,
                "store": pack.store,
                "object_key": pack.key,
                "offset": e.blob.offset,
                "generation": pack.generation,
                "key_id": e.blob.key_id,
                "damaged_at": None,
            }
            for e in lost
        ]
        await pack_rows.relocate(session, org_id, moves)
        here = [r for r in rows.values() if r.object_key == pack.key] or lost
        if not here or not add_row:
            return
        owner = rows[checked.entries[0].id] if not lost else rows[lost[0].id]
        row = pack_row(
            checked.trailer,
            pack.store,
            pack.key,
            study_id=owner.study_id,
            series_id=owner.series_id,
        )
        session.add(row)
        await session.flush()
        await upkeep_rows.raise_generation(session, org_id, owner.series_id, pack.generation)
