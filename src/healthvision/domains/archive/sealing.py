# SPDX-License-Identifier: Apache-2.0
"""Sealing: the unsealed instances of a quiet series become one object, a further generation.

A worker takes the series by a leased, fenced claim, copies the sealed blobs out of the journals,
writes document, thumbnail and index behind them, reads everything back and checks it, and then,
in one transaction, points exactly those rows to their new place. A crash before that leaves an
object nobody names (``sweeping`` removes it) and rows that still point into the journals.
"""

import asyncio
import os
import socket
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from healthvision.domains.archive import damage, pack_rows, repository
from healthvision.domains.archive.errors import PackFailed
from healthvision.domains.archive.pack_reading import Entry, check_pack, damaged_of
from healthvision.domains.archive.pack_rows import Claim, Waiting
from healthvision.domains.archive.pack_writing import Content, WrittenPack, blob_of, write_pack
from healthvision.domains.archive.packs import marked_text
from healthvision.domains.archive.rows import INSTANCE_TAGS, pick
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.domains.archive.thumbnails import PictureMaker
from healthvision.domains.storage import service as storage
from healthvision.domains.storage.errors import ObjectMissing
from healthvision.kernel.clock import now
from healthvision.kernel.crypto import Damaged
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Problem
from healthvision.kernel.telemetry import logger

BATCH = 64  # series looked at in one round
AT_ONCE = 2
LEASE_S = 60.0
LEASE_BYTES_PER_S = 5_000_000  # slower than any store we would use
PAUSE_S = 15.0  # after a failure
_log = logger("archive.sealing")


async def seal_quiet_series(db: Database) -> int:
    """Seal series nobody adds to any more or whose study is due; return how many instances."""
    at = now()
    quiet = at - timedelta(seconds=ArchiveSettings().seal_quiet_s)
    async with db.reading() as session:
        waiting = await pack_rows.unsealed(session, quiet, at, BATCH)
    return await _seal_all(db, waiting)


async def seal_study(db: Database, org_id: UUID, study_id: UUID) -> int:
    """Seal all of a study that is unsealed now; return how many instances."""
    async with db.reading() as session:
        waiting = await pack_rows.unsealed_of_study(session, org_id, study_id)
    return await _seal_all(db, waiting)


async def _seal_all(db: Database, waiting: Sequence[Waiting]) -> int:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(found: Waiting) -> int:
        async with gate:
            try:
                return await _seal_series(db, found)
            except Problem as problem:
                series = str(found.series_id)
                _log.error("series not sealed", series=series, problem=problem.code)
                return 0

    return sum(await asyncio.gather(*(one(found) for found in waiting)))


async def _seal_series(db: Database, found: Waiting) -> int:
    sealed = 0
    while claim := await take(db, found):
        count, more = await _seal_claimed(db, claim)
        sealed += count
        if not more:
            break
    return sealed


def holder() -> str:
    """Return who this process is in claims."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _dead(claimed_by: str) -> str:
    """Return a holder of this machine whose process is gone, else ''."""
    host, _, pid = claimed_by.rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return ""
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return claimed_by
    except PermissionError:
        return ""
    return ""


async def take(db: Database, found: Waiting) -> Claim | None:
    """Claim a series; None while somebody who lives works on it."""
    dead = _dead(found.claimed_by)
    if found.claim_until is not None and found.claim_until >= now() and not dead:
        return None
    async with db.transaction() as session:
        return await pack_rows.claim(
            session, found.org_id, found.series_id, holder(), LEASE_S, dead
        )


async def _seal_claimed(db: Database, claim: Claim) -> tuple[int, bool]:
    """Seal what the claim covers; return how many instances, and whether more are left."""
    async with db.reading() as session:
        rows = await pack_rows.journal_rows(session, claim.org_id, claim.series_id)
    if not rows:
        async with db.transaction() as session:
            await pack_rows.recount_unsealed(session, claim)
        return 0, False
    part = next(_portions(rows))
    try:
        count = await _seal_rows(db, claim, part)
    except BaseException:
        async with db.transaction() as session:
            await pack_rows.give_up(session, claim, PAUSE_S)
        raise
    return count, len(part) < len(rows)


def _portions(rows: Sequence[Any]) -> Iterator[list[Any]]:
    """Cut rows into what goes into one object each."""
    limit, size = ArchiveSettings().pack_bytes, 0
    part: list[Any] = []
    for row in rows:
        if part and size + row.length > limit:
            yield part
            part, size = [], 0
        part.append(row)
        size += row.length
    yield part


async def _seal_rows(db: Database, claim: Claim, rows: Sequence[Any]) -> int:
    total = sum(row.length for row in rows)
    async with db.transaction() as session:
        if not await pack_rows.renew(session, claim, LEASE_S + total / LEASE_BYTES_PER_S):
            return 0
    try:
        content, picked = await _content(db, claim, rows)
        written = await write_pack(db, claim, content, storage.store_names(db)[0])
    except (Damaged, ObjectMissing):
        return await _without_damaged(db, claim, rows)
    try:
        await prove(db, claim, written, rows)
        swapped = await _swap(db, claim, written, rows, picked)
    except BaseException:
        await drop(db, written)
        raise
    if not swapped:
        await drop(db, written)
    return len(rows) if swapped else 0


async def _content(
    db: Database, claim: Claim, rows: Sequence[Any]
) -> tuple[Content, dict[UUID, dict[str, Any]]]:
    async with db.reading() as session:
        found = await pack_rows.study_of_series(session, claim.org_id, claim.series_id)
        members = await repository.memberships(session, claim.org_id, [claim.study_id])
        documents = await pack_rows.rows_with_json(session, claim.org_id, [r.id for r in rows])
    if found is None:
        raise PackFailed("the series is gone")
    texts = {d.id: marked_text(d.dicom_json, d.bulk) for d in documents}
    picked = {d.id: pick(d.dicom_json, INSTANCE_TAGS) for d in documents}
    picture = await db.resources.get(PictureMaker).of_series(db, claim.org_id, rows)
    return Content(found[0], found[1], rows, texts, picture, [m.space_id for m in members]), picked


async def prove(
    db: Database, claim: Claim, written: WrittenPack, rows: Sequence[Any]
) -> list[UUID]:
    """Read a written pack back; return instances that were damaged at their source already.

    Raises PackFailed when the pack is not what was to be written.
    """
    pack = written.row
    checked = await check_pack(db, pack.store, pack.object_key, pack.size)
    if {e.id for e in checked.entries} != {row.id for row in rows}:
        raise PackFailed("a written series object cannot be read back")
    if len(checked.damaged) > len(checked.instances):
        raise PackFailed("a written series object fails its check")
    bad = set(checked.instances)
    if bad:
        entries = [Entry(r.id, blob_of(claim.org_id, r), {}) for r in rows if r.id in bad]
        if set(await damaged_of(db, claim.org_id, entries)) != bad:
            raise PackFailed("a written series object fails its check")
        pack.damaged = sorted(str(b) for b in bad)
    pack.verified_at = now()
    return list(bad)


async def _swap(
    db: Database,
    claim: Claim,
    written: WrittenPack,
    rows: Sequence[Any],
    picked: dict[UUID, dict[str, Any]],
) -> bool:
    pack = written.row
    moves = [{**move_of(row, written), "dicom_json": picked[row.id]} for row in rows]
    async with db.transaction() as session:
        if not await pack_rows.finish(session, claim, len(rows)):
            return False
        session.add(pack)
        await session.flush()
        await pack_rows.relocate(session, claim.org_id, moves)
        if pack.damaged:
            bad = [UUID(b) for b in pack.damaged]
            await damage.note(session, claim.org_id, claim.study_id, bad)
    return True


def move_of(row: Any, written: WrittenPack) -> dict[str, Any]:
    """Return the step of an instance row from where it lies to its place in a pack."""
    place = written.places[row.id]
    return {
        "row_id": row.id,
        "was_store": row.store,
        "was_key": row.object_key,
        "was_offset": row.offset,
        "store": place.store,
        "object_key": place.key,
        "offset": place.offset,
        "generation": written.row.generation,
    }


async def drop(db: Database, written: WrittenPack) -> None:
    """Remove a pack that no row names; what cannot be removed now is swept later."""
    try:
        await storage.delete_key(db, written.row.object_key, store=written.row.store)
    except Problem as problem:
        _log.warning("series object not removed", problem=problem.code)


async def _without_damaged(db: Database, claim: Claim, rows: Sequence[Any]) -> int:
    """Note the instances whose journal bytes are gone, so that the others can be sealed.

    They keep their place: the journal's segment stays for whoever can mend it.
    """
    entries = [Entry(row.id, blob_of(claim.org_id, row), {}) for row in rows]
    bad = await damaged_of(db, claim.org_id, entries)
    if not bad:
        raise PackFailed("the bytes of a series could not be copied")
    async with db.transaction() as session:
        await damage.note(session, claim.org_id, claim.study_id, bad)
        await pack_rows.finish(session, claim, len(bad))
    return 0
