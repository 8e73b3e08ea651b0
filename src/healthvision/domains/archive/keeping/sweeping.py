# SPDX-License-Identifier: Apache-2.0
"""Removes what nobody names any more: orphans of a crash, retired packs, spent journal segments."""

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from healthvision.domains.archive.packing.packs import ROOT
from healthvision.domains.archive.records import upkeep_rows
from healthvision.domains.archive.records.blobs import JOURNAL
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.domains.storage import service as storage
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database, Session
from healthvision.kernel.leases import settle
from healthvision.kernel.telemetry import logger

GRACE = timedelta(hours=6)  # longer than any batch or sealing takes from its bytes to its rows
BATCH = 500
_Used = Callable[[Session, list[str]], Awaitable[Collection[str]]]
_log = logger("archive.sweeping")


async def sweep_orphans(db: Database, *, grace: timedelta = GRACE) -> int:
    """Delete objects of instances and series older than ``grace`` that no row names.

    Returns how many.
    """
    before, removed = now() - grace, 0
    for store in storage.store_names(db):
        removed += await _sweep(db, store, "objects/", before, _used_objects)
        used_packs = partial(_used_packs, store)
        removed += await _sweep(db, store, f"{ROOT}/", before, used_packs)
    if removed:
        _log.info("objects without rows removed", count=removed)
    return removed


async def _sweep(db: Database, store: str, prefix: str, before: datetime, used: _Used) -> int:
    removed, keys = 0, []
    async for found in storage.list_objects(db, prefix, store=store):
        if found.modified < before:
            keys.append(found.key)
        if len(keys) >= BATCH:
            removed += await _remove(db, store, keys, used)
            keys = []
    return removed + await _remove(db, store, keys, used)


async def _remove(db: Database, store: str, keys: list[str], used: _Used) -> int:
    if not keys:
        return 0
    async with db.reading() as session:
        named = await used(session, keys)
    orphans = [k for k in keys if k not in named]
    for key in orphans:
        await storage.delete_key(db, key, store=store)
    return len(orphans)


async def _used_objects(session: Session, keys: list[str]) -> Collection[str]:
    ids = {key: found for key in keys if (found := _instance_of(key)) is not None}
    rows = await upkeep_rows.single_keys(session, list(ids.values()))
    return [key for key, instance_id in ids.items() if rows.get(instance_id) == key]


def _instance_of(key: str) -> UUID | None:
    """Return the instance a single object's key names; None: it is none of ours."""
    try:
        return UUID(key.split("/")[3])
    except (IndexError, ValueError):
        return None


async def _used_packs(store: str, session: Session, keys: list[str]) -> Collection[str]:
    return await upkeep_rows.used_pack_keys(session, store, keys)


async def delete_retired(db: Database) -> int:
    """Delete packs that were replaced or purged longer ago than any reader reads."""
    before = now() - timedelta(seconds=ArchiveSettings().retired_grace_s)
    async with db.reading() as session:
        packs = await upkeep_rows.retired(session, before, BATCH)
    for pack in packs:
        await storage.delete_key(db, pack.object_key, store=pack.store)
        async with db.transaction() as session:
            await upkeep_rows.forget_pack(session, pack.org_id, pack.id)
    return len(packs)


async def remove_spent_segments(db: Database) -> int:
    """Delete journal segments before their receiver's checkpoint that no row points into.

    Rows never come to point into such a segment again: what it holds is in the database, sealed
    or purged. Returns how many.
    """
    async with db.reading() as session:
        checkpoints = await upkeep_rows.checkpoints(session)
    spent = []
    async for found in storage.list_objects(db, "", store=JOURNAL):
        receiver, _, name = found.key.partition("/")
        number = name.removesuffix(".log")
        if number.isdigit() and int(number) < checkpoints.get(receiver, 0):
            spent.append(found.key)
    async with db.reading() as session:
        named = await upkeep_rows.used_segments(session, spent)
    if len(named) < len(spent):
        await settle(db)  # sealing is not durable by itself; behind it the bytes are needed no more
    for key in spent:
        if key not in named:
            await storage.delete_key(db, key, store=JOURNAL)
    return len(spent) - len(named)
