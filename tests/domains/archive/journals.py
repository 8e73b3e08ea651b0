# SPDX-License-Identifier: Apache-2.0
"""Puts received instances into a journal's segment, as unsealed ones lie there."""

from pathlib import Path

from sqlalchemy import select

from healthvision.domains.archive.records.blobs import JOURNAL, blob_context
from healthvision.domains.archive.tables import Instance, Series
from healthvision.domains.storage import service as storage
from healthvision.domains.storage.ports import StoredObject
from healthvision.domains.storage.vault import Vault
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Database


async def unsealed(db: Database) -> None:
    """Move the bytes of all single objects into one segment; nothing to do for others."""
    receiver = str(new_id())
    vault = db.resources.get(Vault)
    folder: Path = vault.spool / receiver
    at = 0
    async with db.transaction() as session:
        rows = (
            await session.scalars(select(Instance).where(Instance.object_key.like("objects/%")))
        ).all()
    for row in rows:
        stored = StoredObject(row.store, row.object_key, row.key_id, row.length, row.sha256)
        text = b"".join([p async for p in storage.read_whole(db, row.org_id, stored)])
        context = blob_context(row.org_id, row.id)
        key_id, sealed = await storage.seal_text(db, row.org_id, context, text)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "00000001.log").open("ab") as file:
            file.write(b"record head" + sealed)
        async with db.transaction() as session:
            found = await session.get(Instance, row.id)
            assert found is not None
            found.store, found.object_key = JOURNAL, f"{receiver}/00000001.log"
            found.offset, found.generation, found.key_id = at + 11, 0, key_id
            series = await session.get(Series, row.series_id)
            assert series is not None
            series.unsealed += 1
            series.last_instance_at = row.received_at
        await storage.delete(db, stored)
        at += 11 + len(sealed)
