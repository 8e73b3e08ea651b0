# SPDX-License-Identifier: Apache-2.0
"""Removes objects that no row names: what a crash between bytes and rows leaves behind."""

from datetime import timedelta

from healthvision.domains.archive import repository
from healthvision.domains.storage import service as storage
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database
from healthvision.kernel.telemetry import logger

GRACE = timedelta(hours=6)  # longer than any batch takes from its bytes to its rows
BATCH = 500
_log = logger("archive.sweeping")


async def sweep_orphans(db: Database, *, grace: timedelta = GRACE) -> int:
    """Delete instance objects older than ``grace`` that no row names; return how many."""
    before = now() - grace
    removed, keys = 0, []
    async for found in storage.list_objects(db, "objects/"):
        if found.modified < before:
            keys.append(found.key)
        if len(keys) >= BATCH:
            removed += await _sweep(db, keys)
            keys = []
    return removed + await _sweep(db, keys)


async def _sweep(db: Database, keys: list[str]) -> int:
    if not keys:
        return 0
    async with db.reading() as session:
        used = await repository.used_keys(session, keys)
    orphans = [k for k in keys if k not in used]
    for key in orphans:
        await storage.delete_key(db, key)
    if orphans:
        _log.info("objects without rows removed", count=len(orphans))
    return len(orphans)
