# SPDX-License-Identifier: Apache-2.0
"""Refused bytes: kept with the reason until an administrator releases or deletes them."""

from collections.abc import AsyncIterator
from typing import BinaryIO
from uuid import UUID

from healthvision.domains.archive.errors import QuarantineNotFound, ResolvedAlready
from healthvision.domains.archive.receiving.receive import read_file, receive
from healthvision.domains.archive.receiving.refusing import quarantine_rows
from healthvision.domains.archive.records import intake_rows
from healthvision.domains.archive.records.rows import quarantine_key
from healthvision.domains.archive.schemas import (
    Incoming,
    Origin,
    QuarantineRead,
    ReceivedRead,
)
from healthvision.domains.archive.tables import Quarantined
from healthvision.domains.audit import service as audit
from healthvision.domains.spaces import service as spaces
from healthvision.domains.storage import service as storage
from healthvision.domains.storage.ports import StoredObject
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Database, Session
from healthvision.kernel.paging import cursor_id, next_id
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor


async def quarantine_file(
    db: Database,
    actor: Actor,
    file: BinaryIO,
    *,
    space_id: UUID | None,
    origin: Origin,
    refusal: tuple[str, str],
) -> UUID:
    """Keep a refused file with (reason, detail) and return its id in quarantine."""
    quarantine_id = new_id()
    key = quarantine_key(actor.org_id, quarantine_id)
    stored = await storage.put(db, actor.org_id, key, read_file(file))
    kept = [(0, "", quarantine_id, stored, DicomRefused(*refusal))]
    async with db.transaction() as session:
        await quarantine_rows(session, actor, kept, space_id=space_id, origin=origin)
    return quarantine_id


async def list_quarantine(
    session: Session,
    actor: Actor,
    *,
    state: str | None = "held",
    reason: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[QuarantineRead]:
    """Return refused objects, newest first."""
    rows = await intake_rows.quarantined(
        session,
        actor.org_id,
        state=state,
        reason=reason,
        after=cursor_id(cursor),
        limit=limit + 1,
    )
    items = [QuarantineRead.model_validate(r) for r in rows[:limit]]
    total = await intake_rows.count_quarantined(session, actor.org_id, state=state, reason=reason)
    return Page[QuarantineRead](items=items, next=next_id(rows, limit), total=total)


async def get_quarantined(session: Session, actor: Actor, quarantine_id: UUID) -> QuarantineRead:
    """Return a refused object; raises QuarantineNotFound."""
    return QuarantineRead.model_validate(await _row(session, actor, quarantine_id))


async def _row(session: Session, actor: Actor, quarantine_id: UUID) -> Quarantined:
    row = await intake_rows.find_quarantined(session, actor.org_id, quarantine_id)
    if row is None:
        raise QuarantineNotFound("there is no such quarantined object")
    return row


def _stored(row: Quarantined) -> StoredObject:
    return StoredObject(row.store, row.object_key, row.key_id, row.size, row.sha256)


async def open_quarantined(db: Database, actor: Actor, quarantine_id: UUID) -> AsyncIterator[bytes]:
    """Record the access and return the bytes of a refused object; raises QuarantineNotFound."""
    async with db.reading() as session:
        row = await _row(session, actor, quarantine_id)
    await audit.record_read(
        db, actor, "archive.quarantine_downloaded", row.id, kind="quarantine", space_id=row.space_id
    )
    return storage.read_whole(db, row.org_id, _stored(row))


async def release(db: Database, actor: Actor, quarantine_id: UUID) -> ReceivedRead:
    """Take a refused object in again, e.g. after a better reader was installed.

    It leaves quarantine only when it is stored now. Raises QuarantineNotFound, ResolvedAlready.
    """
    async with db.reading() as session:
        row = await _row(session, actor, quarantine_id)
        if row.state != "held":
            raise ResolvedAlready("the object was released or deleted before")
        home = row.space_id or (await spaces.get(session, actor, spaces.DEFAULT, "write")).id
    with storage.scratch_file(db) as file:
        async for piece in storage.read_whole(db, row.org_id, _stored(row)):
            file.write(piece)
        file.flush()
        origin = Origin("quarantine", str(quarantine_id))
        (answer,) = await receive(db, actor, [Incoming(file)], space_id=home, origin=origin)
    if answer.outcome == "quarantined":  # the second copy is not needed
        if answer.quarantine_id is not None:
            await discard(db, actor, answer.quarantine_id)
    else:
        await _resolve(db, actor, quarantine_id, "released")
    return ReceivedRead(
        outcome=answer.outcome,
        study_id=answer.study_id,
        sop_uid=answer.sop_uid,
        reason=answer.reason,
        detail=answer.detail,
    )


async def discard(db: Database, actor: Actor, quarantine_id: UUID) -> None:
    """Delete a refused object for good; the row stays. Raises ResolvedAlready."""
    row = await _resolve(db, actor, quarantine_id, "deleted")
    await storage.delete(db, _stored(row))


async def _resolve(db: Database, actor: Actor, quarantine_id: UUID, state: str) -> Quarantined:
    async with db.transaction() as session:
        row = await _row(session, actor, quarantine_id)
        if row.state != "held":
            raise ResolvedAlready("the object was released or deleted before")
        row.state, row.resolved_at = state, now()
        row.resolved_by = f"{actor.kind}:{actor.id}"
        await audit.record(
            session,
            actor,
            f"archive.quarantine_{state}",
            row.id,
            kind="quarantine",
            space_id=row.space_id,
        )
    return row
