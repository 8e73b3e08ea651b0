# SPDX-License-Identifier: Apache-2.0
"""Staged outputs that no result names: those of attempts that died or were fenced off."""

from datetime import timedelta

from healthvision.domains.analysis import turns
from healthvision.domains.storage import service as storage
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database
from healthvision.kernel.telemetry import logger

GRACE = timedelta(hours=1)  # staging takes seconds; the row follows in the same attempt
ROOT = "analysis/"
BATCH = 500
_log = logger("analysis.leftovers")


async def sweep_staged(db: Database, *, grace: timedelta = GRACE) -> int:
    """Delete staged outputs older than ``grace`` that no output row names; returns how many."""
    before, removed = now() - grace, 0
    for store in storage.store_names(db):
        keys: list[str] = []
        async for found in storage.list_objects(db, ROOT, store=store):
            if found.modified < before:
                keys.append(found.key)
            if len(keys) >= BATCH:
                removed += await _remove(db, store, keys)
                keys = []
        removed += await _remove(db, store, keys)
    if removed:
        _log.info("staged outputs without a result removed", count=removed)
    return removed


async def _remove(db: Database, store: str, keys: list[str]) -> int:
    if not keys:
        return 0
    async with db.reading() as session:
        named = await turns.named_outputs(session, store, keys)
    orphans = [key for key in keys if key not in named]
    for key in orphans:
        await storage.delete_key(db, key, store=store)
    return len(orphans)
