# SPDX-License-Identifier: Apache-2.0
"""Checks that every row has its bytes, and takes everything out as plain Part 10 files.

For whoever looks after the installation; the service may be down. Works over all organisations.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

from healthvision.domains.archive import repository
from healthvision.domains.archive.errors import StudyNotFound
from healthvision.domains.archive.keeping.scrubbing import inspect, single_is_whole
from healthvision.domains.archive.packing import documents
from healthvision.domains.archive.packing.pack_reading import Entry, damaged_of, open_pack
from healthvision.domains.archive.packing.pack_writing import blob_of
from healthvision.domains.archive.records import pack_rows, upkeep_rows
from healthvision.domains.archive.retrieving.opening import open_bytes
from healthvision.domains.archive.retrieving.reading import ref_of
from healthvision.domains.archive.schemas import InstanceRef
from healthvision.domains.archive.tables import Pack
from healthvision.domains.audit import service as audit
from healthvision.domains.spaces import service as spaces
from healthvision.domains.storage import service as storage
from healthvision.domains.storage.errors import ObjectMissing
from healthvision.kernel.crypto import Damaged
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Problem
from healthvision.kernel.security import Actor

BATCH = 500


@dataclass(slots=True)
class Verified:
    """What was looked at, and what is wrong: (instance id or object key, what)."""

    packs: int = 0
    instances: int = 0
    bytes: int = 0
    wrong: list[tuple[str, str]] = field(default_factory=list)


async def count_stored(db: Database) -> tuple[int, int]:
    """Return how many packs and how many instance rows there are."""
    async with db.reading() as session:
        return await upkeep_rows.counts(session)


async def verify(db: Database, result: Verified, *, full: bool) -> AsyncIterator[int]:
    """Check packs and instance rows; yields how many of both were done in each step.

    ``full``: reads every byte, else ends, indexes and that each row's place exists.
    """
    after = UUID(int=0)
    while True:
        async with db.reading() as session:
            packs = await upkeep_rows.packs_after(session, after, BATCH)
        for pack in packs:
            await _verify_pack(db, pack, result, full=full)
            yield 1
        if len(packs) < BATCH:
            break
        after = packs[-1].id
    after = UUID(int=0)
    while True:
        async with db.reading() as session:
            rows = await upkeep_rows.instances_after(session, after, BATCH)
        await _verify_rows(db, rows, result, full=full)
        yield len(rows)
        if len(rows) < BATCH:
            return
        after = rows[-1].id


async def _verify_pack(db: Database, pack: Pack, result: Verified, *, full: bool) -> None:
    result.packs += 1
    try:
        if full:
            checked = await inspect(db, pack)
            result.bytes += pack.size
        else:
            checked = await open_pack(db, pack.store, pack.object_key, pack.size)
    except Problem as problem:
        result.wrong.append((pack.object_key, problem.code))
        return
    if checked is None:
        result.wrong.append((pack.object_key, "store-unavailable"))
        return
    result.wrong += [(pack.object_key, f"{what} damaged") for what in checked.damaged]
    place = {(pack.store, pack.object_key)}
    async with db.reading() as session:
        rows = await pack_rows.packed_rows(session, pack.org_id, place, pack.series_id)
    held = {(e.id, e.blob.offset) for e in checked.entries}
    if held:
        result.wrong += [
            (str(r.id), "not in its pack") for r in rows if (r.id, r.offset) not in held
        ]


async def _verify_rows(
    db: Database, rows: list[upkeep_rows.Single], result: Verified, *, full: bool
) -> None:
    result.instances += len(rows)
    packed = {(r.store, r.object_key) for r in rows if documents.is_packed(r.object_key)}
    async with db.reading() as session:
        known = await upkeep_rows.known_places(session, packed)
    for row in rows:
        if documents.is_packed(row.object_key):
            if (row.store, row.object_key) not in known:
                result.wrong.append((str(row.id), "its pack is not known"))
        elif not await _is_there(db, row, full=full):
            result.wrong.append((str(row.id), "damaged or missing"))


async def _is_there(db: Database, row: upkeep_rows.Single, *, full: bool) -> bool:
    if not full:
        try:
            await storage.read_span(db, row.store, row.object_key, row.offset, 1)
        except (ObjectMissing, Damaged):
            return False
        return True
    if row.object_key.startswith("objects/"):
        return await single_is_whole(db, row)
    entry = Entry(row.id, blob_of(row.org_id, row), {})
    return not await damaged_of(db, row.org_id, [entry])


@dataclass(slots=True)
class Exported:
    """Files written, files that were there already, and instances that could not be written."""

    files: int = 0
    kept: int = 0
    bytes: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


async def to_export(
    db: Database, *, study_uid: str | None = None, space: str | None = None
) -> list[tuple[UUID, UUID]]:
    """Return (organisation, study) to take out; raises StudyNotFound when there is none."""
    async with db.reading() as session:
        found = await upkeep_rows.studies(session, study_uid=study_uid)
        if space is not None:
            found = [(org, study) for org, study in found if await _is_in(db, org, study, space)]
    if not found:
        raise StudyNotFound("no such study is stored")
    return found


async def _is_in(db: Database, org_id: UUID, study_id: UUID, space: str) -> bool:
    async with db.reading() as session:
        rows = await repository.memberships(session, org_id, [study_id])
        known = await spaces.policies(session, org_id)
    return any(
        str(r.space_id) == space or (r.space_id in known and known[r.space_id].slug == space)
        for r in rows
    )


async def export_plain(
    db: Database, folder: Path, org_id: UUID, study_id: UUID, result: Exported
) -> None:
    """Write the instances of a study as ``<study>/<series>/<instance>.dcm``, checked as written.

    A file that is there with the right bytes is kept, so that an export can be gone on with.
    Objects kept out of sight by a conflict get their digest into the name.
    """
    async with db.reading() as session:
        study = await repository.find_study(session, org_id, study_id)
        if study is None:
            return
        rows = await upkeep_rows.all_instances(session, org_id, study_id)
        refs = [(replace(ref_of(i, s, study), changes=None), i.current) for i, s in rows]
    before = result.files
    for ref, current in refs:
        name = ref.sop_uid if current else f"{ref.sop_uid}-{ref.location.sha256[:16]}"
        path = folder / ref.study_uid / ref.series_uid / f"{name}.dcm"
        try:
            await _write(db, ref, path, result)
        except (Problem, Damaged) as problem:
            result.failed.append((str(ref.id), problem.code))
    async with db.transaction() as session:
        await audit.record(
            session,
            Actor.system(org_id),
            "archive.study_exported",
            study_id,
            kind="study",
            patient_id=study.patient_ref,
            category="export",
            detail={"format": "part10", "files": result.files - before},
        )


async def _write(db: Database, ref: InstanceRef, path: Path, result: Exported) -> None:
    if await asyncio.to_thread(_has, path, ref):
        result.kept += 1
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside, digest = path.with_suffix(".part"), hashlib.sha256()
    try:
        with beside.open("wb") as file:
            async for piece in open_bytes(db, ref):
                digest.update(piece)
                await asyncio.to_thread(file.write, piece)
        if digest.hexdigest() != ref.location.sha256:
            raise Damaged("the bytes of an instance do not have their SHA-256")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    result.files += 1
    result.bytes += ref.size


def _has(path: Path, ref: InstanceRef) -> bool:
    if not path.is_file() or path.stat().st_size != ref.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == ref.location.sha256
