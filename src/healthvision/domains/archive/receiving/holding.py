# SPDX-License-Identifier: Apache-2.0
"""Objects that are kept out of the archive: their bytes go to quarantine, with the reason."""

import asyncio
from collections.abc import AsyncIterator
from typing import BinaryIO
from uuid import UUID

from healthvision.domains.archive.receiving.refusing import quarantine_rows
from healthvision.domains.archive.receiving.scanning import READ_BYTES, Scanned
from healthvision.domains.archive.records import intake_rows
from healthvision.domains.archive.records.planning import Prepared
from healthvision.domains.archive.records.rows import quarantine_key
from healthvision.domains.archive.schemas import Origin, Received
from healthvision.domains.storage import service as storage
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor

ELSEWHERE = DicomRefused("study-in-other-space", "The study belongs to another data space.")


async def read_file(file: BinaryIO) -> AsyncIterator[bytes]:
    """Yield an open file from its start in pieces of 1 MiB."""
    file.seek(0)
    while piece := await asyncio.to_thread(file.read, READ_BYTES):
        yield piece


async def quarantine(
    db: Database, actor: Actor, scanned: Scanned, *, space_id: UUID, origin: Origin
) -> Received:
    """Keep an object that cannot be read."""
    assert scanned.refusal is not None
    quarantine_id, source = new_id(), scanned.item.source
    body = source if isinstance(source, bytes) else read_file(source)
    return await _keep(
        db,
        actor,
        body,
        (quarantine_id, scanned.item.name, scanned.refusal),
        space_id=space_id,
        origin=origin,
    )


async def hold_back(
    db: Database,
    actor: Actor,
    item: Prepared,
    *,
    space_id: UUID | None,
    origin: Origin,
    refusal: DicomRefused = ELSEWHERE,
) -> Received:
    """Keep an object of a study out of the sender's sight; safe to run twice.

    When the same bytes are in the archive already, nothing is kept and nothing is told of them.
    """
    source = item.incoming.source
    if item.stored is None:
        return _refused(item.incoming.name, refusal, None)
    body = source if isinstance(source, bytes) else read_file(source)
    kept = (item.instance_id, item.incoming.name, refusal)
    return await hold_bytes(db, actor, body, kept, space_id=space_id, origin=origin)


async def hold_bytes(
    db: Database,
    actor: Actor,
    body: bytes | AsyncIterator[bytes],
    kept: tuple[UUID, str, DicomRefused],
    *,
    space_id: UUID | None,
    origin: Origin,
) -> Received:
    """Keep bytes under an id of the caller's (id, name, reason); safe to run twice."""
    quarantine_id, name, refusal = kept
    async with db.reading() as session:
        before = await intake_rows.find_quarantined(session, actor.org_id, quarantine_id)
    if before is not None:
        return _refused(name, refusal, before.id)
    return await _keep(db, actor, body, kept, space_id=space_id, origin=origin)


def _refused(name: str, refusal: DicomRefused, quarantine_id: UUID | None) -> Received:
    return Received(
        name,
        "quarantined",
        quarantine_id=quarantine_id,
        reason=refusal.reason,
        detail=refusal.detail,
    )


async def _keep(
    db: Database,
    actor: Actor,
    body: bytes | AsyncIterator[bytes],
    kept: tuple[UUID, str, DicomRefused],
    *,
    space_id: UUID | None,
    origin: Origin,
) -> Received:
    quarantine_id, name, refusal = kept
    key = quarantine_key(actor.org_id, quarantine_id)
    stored = await storage.put(db, actor.org_id, key, body)
    rows = [(0, name, quarantine_id, stored, refusal)]
    async with db.transaction() as session:
        answers = await quarantine_rows(session, actor, rows, space_id=space_id, origin=origin)
    return answers[0]
