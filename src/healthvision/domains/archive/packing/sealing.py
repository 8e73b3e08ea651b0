# SPDX-License-Identifier: Apache-2.0
"""Sealing: the unsealed instances of a quiet series become one object, a further generation.

A worker takes some series by leased, fenced claims, copies the sealed blobs of each out of the
journals, writes document, thumbnail and index behind them, reads everything back and checks it,
and then, in one transaction, points exactly those rows to their new place. A crash before that
leaves objects nobody names (``sweeping`` removes them) and rows that still point into the
journals. While senders are active it rests most of the time, but never for series long quiet.
"""

import asyncio
import os
import socket
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from healthvision.domains.archive.errors import PackFailed
from healthvision.domains.archive.packing import seal_rows
from healthvision.domains.archive.packing.pack_reading import Entry, check_pack, damaged_of
from healthvision.domains.archive.packing.pack_writing import (
    Content,
    WrittenPack,
    blob_of,
    write_pack,
)
from healthvision.domains.archive.packing.packs import marked_text
from healthvision.domains.archive.packing.seal_rows import Found
from healthvision.domains.archive.packing.thumbnails import PictureMaker
from healthvision.domains.archive.records import damage, pack_rows
from healthvision.domains.archive.records.pack_rows import Claim, Waiting
from healthvision.domains.archive.records.rows import INSTANCE_TAGS, pick
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.domains.storage import service as storage
from healthvision.domains.storage.errors import ObjectMissing
from healthvision.kernel.clock import monotonic, now
from healthvision.kernel.crypto import Damaged
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Problem
from healthvision.kernel.telemetry import logger

BATCH = 512  # series looked at in one round
GROUP_SERIES = 64  # sealed together
GROUP_BYTES = 64 << 20  # of them; a larger series goes alone
SWAP_ROWS = 200  # swapped in one transaction, which keeps senders waiting some 10 ms
AT_ONCE = 4
LEASE_S = 60.0
LEASE_BYTES_PER_S = 5_000_000  # slower than any store we would use
PAUSE_S = 15.0  # after a failure
BUSY_S = 1.0  # senders are active when rows were written as lately as this
REST = 3.0  # rest while they are, as a multiple of the work before
LONGEST_REST_S = 2.0
LATE_S = 60.0  # series quiet for longer than this are sealed without rests
_log = logger("archive.sealing")


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A proven pack of a series nobody points to yet; ``picked``: the JSON that rows keep."""

    found: Found
    written: WrittenPack
    picked: Mapping[UUID, dict[str, Any]]


async def seal_quiet_series(db: Database) -> int:
    """Seal series nobody adds to any more or whose study is due; return how many instances."""
    at = now()
    quiet = at - timedelta(seconds=ArchiveSettings.current().seal_quiet_s)
    async with db.reading() as session:
        waiting = await pack_rows.unsealed(session, quiet, at, BATCH)
    return await _seal_all(db, waiting, gentle=True)


async def seal_study(db: Database, org_id: UUID, study_id: UUID) -> int:
    """Seal all of a study that is unsealed now; return how many instances."""
    return await seal_studies(db, org_id, [study_id])


async def seal_studies(
    db: Database, org_id: UUID, study_ids: Collection[UUID], *, gentle: bool = False
) -> int:
    """Seal all of some studies that is unsealed now; return how many instances.

    ``gentle``: rest while senders are active.
    """
    async with db.reading() as session:
        waiting = await pack_rows.unsealed_of_studies(session, org_id, study_ids)
    return await _seal_all(db, waiting, gentle=gentle)


async def _seal_all(db: Database, waiting: Sequence[Waiting], *, gentle: bool = False) -> int:
    sealed = 0
    for group in _groups(waiting):
        left = group
        while left:
            begun = monotonic()
            try:
                count, left = await _seal_group(db, left)
            except Problem as problem:
                _log.error("series not sealed", count=len(left), problem=problem.code)
                break
            sealed += count
            if gentle:
                await _rest(db, group, monotonic() - begun)
    return sealed


def _groups(waiting: Iterable[Waiting]) -> Iterator[list[Waiting]]:
    """Cut series into groups of one organisation that are sealed together."""
    by_org: dict[UUID, list[Waiting]] = {}
    for found in waiting:
        by_org.setdefault(found.org_id, []).append(found)
    for mine in by_org.values():
        group: list[Waiting] = []
        size = 0
        for found in mine:
            if group and (len(group) == GROUP_SERIES or size + found.size > GROUP_BYTES):
                yield group
                group, size = [], 0
            group.append(found)
            size += found.size
        yield group


async def _rest(db: Database, group: Sequence[Waiting], worked: float) -> None:
    """Leave the machine to senders for a while, unless the group was late."""
    at = now()
    last = min((w.last_instance_at for w in group if w.last_instance_at), default=at)
    if at - last > timedelta(seconds=LATE_S):
        return
    async with db.reading() as session:
        received = await seal_rows.last_received(session)
    if received is not None and at - received < timedelta(seconds=BUSY_S):
        await asyncio.sleep(min(LONGEST_REST_S, worked * REST))


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
    claims = await _take_all(db, [found])
    return claims[0] if claims else None


async def _take_all(db: Database, group: Sequence[Waiting]) -> list[Claim]:
    """Claim those series of one organisation that nobody who lives works on."""
    at, dead = now(), {d for w in group if (d := _dead(w.claimed_by))}
    free = [
        w.series_id
        for w in group
        if w.claim_until is None or w.claim_until < at or w.claimed_by in dead
    ]
    if not free:
        return []
    # only a power cut undoes what SQLite did not sync, and then the holder is gone too; a server
    # may fall alone, and would give the same fence and generation to a second holder
    async with db.transaction(durable=not db.is_sqlite) as session:
        return await seal_rows.claim_many(session, group[0].org_id, free, holder(), LEASE_S, dead)


async def _seal_group(db: Database, group: Sequence[Waiting]) -> tuple[int, list[Waiting]]:
    """Seal series of one organisation; return how many instances, and series with more left."""
    claims = await _take_all(db, group)
    ended: set[Claim] = set()
    try:
        count, more = await _seal_claimed(db, claims, ended)
    except BaseException:
        await _give_up(db, [c for c in claims if c not in ended])
        raise
    return count, [
        replace(w, claimed_by="", claim_until=None) for w in group if w.series_id in more
    ]


async def _give_up(db: Database, claims: Sequence[Claim]) -> None:
    if claims:
        async with db.transaction(durable=False) as session:
            for claim in claims:
                await pack_rows.give_up(session, claim, PAUSE_S)


async def _seal_claimed(
    db: Database, claims: Sequence[Claim], ended: set[Claim]
) -> tuple[int, set[UUID]]:
    """Seal what claims cover; those that ended are added to ``ended``, whatever comes then."""
    if not claims:
        return 0, set()
    org_id = claims[0].org_id
    async with db.reading() as session:
        found, empty = await seal_rows.find_unsealed(session, org_id, claims)
    if empty:
        async with db.transaction(durable=False) as session:
            for claim in empty:
                await pack_rows.recount_unsealed(session, claim)
        ended.update(empty)
    parts = [replace(f, rows=next(_portions(f.rows))) for f in found]
    more = {
        f.claim.series_id for f, p in zip(found, parts, strict=True) if len(p.rows) < len(f.rows)
    }
    parts = await _renewed(db, parts)
    sealed = await _write_all(db, org_id, parts, ended)
    return await _swap_all(db, org_id, sealed, ended), more


def _portions(rows: Sequence[Any]) -> Iterator[list[Any]]:
    """Cut rows into what goes into one object each."""
    limit, size = ArchiveSettings.current().pack_bytes, 0
    part: list[Any] = []
    for row in rows:
        if part and size + row.length > limit:
            yield part
            part, size = [], 0
        part.append(row)
        size += row.length
    yield part


async def _renewed(db: Database, parts: list[Found]) -> list[Found]:
    """Make claims last for the bytes there are; return those that were not lost."""
    total = sum(row.length for part in parts for row in part.rows)
    if total <= 2 * GROUP_BYTES:
        return parts
    lease = LEASE_S + total / LEASE_BYTES_PER_S
    async with db.transaction(durable=not db.is_sqlite) as session:
        return [p for p in parts if await pack_rows.renew(session, p.claim, lease)]


async def _write_all(
    db: Database, org_id: UUID, parts: Sequence[Found], ended: set[Claim]
) -> list[_Sealed]:
    """Write and prove a pack for each series; those that fail are given up by themselves."""
    rows = [row for part in parts for row in part.rows]
    async with db.reading() as session:
        documents = await seal_rows.documents_of(session, org_id, rows)
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(part: Found) -> _Sealed | None:
        async with gate:
            try:
                return await _write(db, part, documents)
            except Problem as problem:
                series = str(part.claim.series_id)
                _log.error("series not sealed", series=series, problem=problem.code)
                await _give_up(db, [part.claim])
                ended.add(part.claim)
                return None

    results = await asyncio.gather(*map(one, parts), return_exceptions=True)
    sealed = [r for r in results if isinstance(r, _Sealed)]
    for result in results:
        if isinstance(result, BaseException):
            for done in sealed:
                await drop(db, done.written)
            raise result
    return sealed


async def _write(
    db: Database, found: Found, documents: Mapping[UUID, tuple[dict[str, Any], Mapping[str, Any]]]
) -> _Sealed | None:
    claim, rows = found.claim, found.rows
    mine = {row.id: documents[row.id] for row in rows}
    texts = {id_: marked_text(json, bulk) for id_, (json, bulk) in mine.items()}
    picked = {id_: pick(json, INSTANCE_TAGS) for id_, (json, _) in mine.items()}
    picture = await db.resources.get(PictureMaker).of_series(db, claim.org_id, rows)
    content = Content(found.study, found.series, rows, texts, picture, found.spaces)
    try:
        written = await write_pack(db, claim, content, storage.store_names(db)[0])
    except (Damaged, ObjectMissing):
        await _without_damaged(db, claim, rows)
        return None
    try:
        await prove(db, claim, written, rows)
    except BaseException:
        await drop(db, written)
        raise
    return _Sealed(found, written, picked)


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


async def _swap_all(
    db: Database, org_id: UUID, sealed: Sequence[_Sealed], ended: set[Claim]
) -> int:
    """Point rows to written packs; return how many. Packs of lost claims are removed.

    A swap that did not end well may have been committed all the same (its task was cancelled, or
    the connection was lost, while the database committed): its packs stay, and the sweep of
    orphans removes those that no row names.
    SQLite has one writer: some series in each transaction, few enough that senders do not wait
    long. Elsewhere each series has its own, so that nobody waits for two rows in another order
    than we.
    """
    count = 0
    for batch in _batches(sealed) if db.is_sqlite else [[one] for one in sealed]:
        held = await _swap(db, org_id, batch)
        for one in batch:
            ended.add(one.found.claim)
            if one.found.claim in held:
                count += len(one.found.rows)
            else:
                await drop(db, one.written)
    return count


def _batches(sealed: Sequence[_Sealed]) -> Iterator[list[_Sealed]]:
    batch: list[_Sealed] = []
    for one in sealed:
        if batch and sum(len(b.found.rows) for b in [*batch, one]) > SWAP_ROWS:
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


async def _swap(db: Database, org_id: UUID, batch: Sequence[_Sealed]) -> frozenset[Claim]:
    """Swap in one transaction; return the claims that were not lost.

    A power cut may undo it: the journals still have the bytes (``sweeping`` makes it durable before
    they go), and nobody was told of it (that is a durable transaction, which makes this one so).
    """
    counts = {one.found.claim: len(one.found.rows) for one in batch}
    moves = {
        one.found.claim: [
            {**move_of(row, one.written), "dicom_json": one.picked[row.id]}
            for row in one.found.rows
        ]
        for one in batch
    }
    async with db.transaction(durable=False) as session:
        held = await seal_rows.finish_many(session, org_id, counts)
        mine = [one for one in batch if one.found.claim in held]
        session.add_all([one.written.row for one in mine])
        await session.flush()
        mine_moves = [move for one in mine for move in moves[one.found.claim]]
        await pack_rows.relocate(session, org_id, mine_moves)
        for one in mine:
            if one.written.row.damaged:
                bad = [UUID(b) for b in one.written.row.damaged]
                await damage.note(session, org_id, one.found.claim.study_id, bad)
    return held


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


async def _without_damaged(db: Database, claim: Claim, rows: Sequence[Any]) -> None:
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
