# SPDX-License-Identifier: Apache-2.0
"""Uploads: agreed with the caller, put to presigned URLs in parts, checked, queued.

Parts are staged objects of their own, so an interrupted upload goes on with the parts that are
missing; the same on a folder and on S3. ``taking_in`` does the rest in a job.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from healthvision.domains.archive.errors import (
    DigestMismatch,
    FileTooLarge,
    UploadClosed,
    UploadExpired,
    UploadIncomplete,
    UploadNotFound,
)
from healthvision.domains.archive.records import intake_rows, kinds
from healthvision.domains.archive.schemas import (
    ArchiveLimits,
    UploadComplete,
    UploadCreate,
    UploadPart,
    UploadRead,
)
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.domains.archive.tables import Upload
from healthvision.domains.audit import service as audit
from healthvision.domains.spaces import service as spaces
from healthvision.domains.storage import service as storage
from healthvision.kernel import jobs
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Database, Session
from healthvision.kernel.errors import Problem
from healthvision.kernel.paging import cursor_id, next_id
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

TAKE_IN = "archive.take_in_upload"
EXPIRE_BATCH = 50


def limits() -> ArchiveLimits:
    """Return the published limits."""
    settings = ArchiveSettings()
    return ArchiveLimits(
        image_bytes=settings.max_image_bytes,
        study_bytes=settings.max_study_bytes,
        zip_expanded_bytes=settings.zip_expanded_bytes,
        zip_ratio=settings.zip_ratio,
        part_bytes=settings.part_bytes,
    )


async def create_upload(session: Session, actor: Actor, new: UploadCreate) -> UploadRead:
    """Agree on an upload and return the URLs of its parts.

    Raises FileTooLarge above the limit of its kind, SpaceNotFound, Forbidden.
    """
    space = await spaces.get(session, actor, new.space, "write")
    settings = ArchiveSettings()
    kind = kinds.by_name(new.filename, new.content_type)
    limit = settings.max_study_bytes if kind == "zip" else settings.max_image_bytes
    if new.size > limit:
        raise FileTooLarge(f"a file of this kind may have {limit} bytes", limit=limit)
    row = Upload(
        id=new_id(),
        org_id=actor.org_id,
        space_id=space.id,
        actor=_actor_values(actor),
        filename=new.filename,
        kind=kind,
        size=new.size,
        content_type=new.content_type,
        sha256=new.sha256,
        part_size=settings.part_bytes,
        meta=new.meta.model_dump(mode="json"),
        state="waiting",
        progress=0.0,
        stored=0,
        skipped=0,
        failed=0,
        results=[],
        studies=[],
        expires_at=now() + timedelta(seconds=settings.upload_expires_s),
    )
    session.add(row)
    await session.flush()
    await audit.record(
        session,
        actor,
        "archive.upload_created",
        row.id,
        kind="upload",
        space_id=space.id,
        detail={"size": row.size, "kind": kind},
    )
    return await _read(session, row)


def _actor_values(actor: Actor) -> dict[str, Any]:
    return {
        "kind": actor.kind,
        "id": actor.id,
        "user_id": None if actor.user_id is None else str(actor.user_id),
        "tier": actor.tier,
        "permissions": sorted(actor.permissions),
        "address": actor.address,
    }


def actor_of(row: Upload) -> Actor:
    """Return who made an upload, with the rights held then."""
    values = row.actor
    return Actor(
        org_id=row.org_id,
        id=values["id"],
        kind=values["kind"],
        user_id=None if values["user_id"] is None else UUID(values["user_id"]),
        tier=values["tier"],
        permissions=frozenset(values["permissions"]),
        address=values["address"],
    )


async def get_upload(session: Session, actor: Actor, upload_id: UUID) -> UploadRead:
    """Return an upload and the URLs of missing parts; raises UploadNotFound."""
    return await _read(session, await visible_upload(session, actor, upload_id))


async def visible_upload(
    session: Session, actor: Actor, upload_id: UUID, *, lock: bool = False
) -> Upload:
    """Return an upload into a space the actor may write to; raises UploadNotFound."""
    row = await intake_rows.find_upload(session, actor.org_id, upload_id, lock=lock)
    if row is None:
        raise UploadNotFound("there is no such upload")
    try:
        await spaces.get(session, actor, row.space_id, "write")
    except Problem:
        raise UploadNotFound("there is no such upload") from None
    return row


async def list_uploads(
    session: Session, actor: Actor, *, cursor: str | None, limit: int
) -> Page[UploadRead]:
    """Return uploads into the spaces the actor may write to, newest first, without URLs."""
    places = [s.id for s in await spaces.visible(session, actor, "write")]
    rows = await intake_rows.uploads(
        session, actor.org_id, places, after=cursor_id(cursor), limit=limit + 1
    )
    items = [_values(r, []) for r in rows[:limit]]
    return Page[UploadRead](items=items, next=next_id(rows, limit), total=None)


def part_count(row: Upload) -> int:
    """Return the number of parts of an upload."""
    return -(-row.size // row.part_size)


def _part_size(row: Upload, number: int) -> int:
    return min(row.part_size, row.size - (number - 1) * row.part_size)


def part_name(row: Upload, number: int) -> str:
    """Return the staged name of a part; numbers count from 1."""
    return f"{row.id}/{number:05d}"


async def _read(session: Session, row: Upload) -> UploadRead:
    parts: list[UploadPart] = []
    if row.state == "waiting":
        sizes = await storage.staged_sizes(session, row.org_id, str(row.id))
        parts = [await _part(session, row, n + 1, sizes) for n in range(part_count(row))]
    return _values(row, parts)


async def _part(session: Session, row: Upload, number: int, sizes: dict[str, int]) -> UploadPart:
    size = _part_size(row, number)
    signed = await storage.presign_put(
        session,
        row.org_id,
        part_name(row, number),
        size=size,
        content_type=row.content_type,
        expires_at=row.expires_at,
        sha256=row.sha256 if part_count(row) == 1 else None,
        actor=actor_of(row),
    )
    return UploadPart(
        number=number,
        offset=(number - 1) * row.part_size,
        size=size,
        done=sizes.get(f"{number:05d}") == size,
        method=signed.method,
        url=signed.url,
        headers=signed.headers,
        expires_at=signed.expires_at,
    )


def _values(row: Upload, parts: list[UploadPart]) -> UploadRead:
    names = [n for n in UploadRead.model_fields if n != "parts"]
    return UploadRead.model_validate({**{n: getattr(row, n) for n in names}, "parts": parts})


async def complete_upload(
    session: Session, actor: Actor, upload_id: UUID, end: UploadComplete
) -> UploadRead:
    """Check that all parts are there and queue the upload; doing it again changes nothing.

    Raises UploadExpired, UploadIncomplete (``missing`` names the first part), DigestMismatch
    when another SHA-256 was agreed before. The bytes' own SHA-256 is checked by the job.
    """
    row = await visible_upload(session, actor, upload_id, lock=True)
    if row.state != "waiting":
        if row.state == "failed" and row.error == UploadExpired.code:
            raise UploadExpired("the time of this upload is over")
        if end.sha256 not in (None, row.sha256):
            raise UploadClosed("the upload was completed before, with another SHA-256")
        return await _read(session, row)
    if now() > row.expires_at:
        raise UploadExpired("the time of this upload is over")
    if row.sha256 is not None and end.sha256 not in (None, row.sha256):
        raise DigestMismatch("another SHA-256 was agreed at the beginning")
    sizes = await storage.staged_sizes(session, row.org_id, str(row.id))
    for number in range(1, part_count(row) + 1):
        if sizes.get(f"{number:05d}") != _part_size(row, number):
            raise UploadIncomplete(f"part {number} is missing or has another size", missing=number)
    row.sha256 = row.sha256 or end.sha256
    row.state = "queued"
    await session.flush()
    payload = {"org_id": str(row.org_id), "upload_id": str(row.id)}
    await jobs.enqueue(session, TAKE_IN, payload, job_id=f"upload:{row.id}")
    return _values(row, [])


async def expire_uploads(db: Database) -> int:
    """Close uploads whose time is over and remove what came of them; return how many."""
    async with db.reading() as session:
        rows = await intake_rows.expired_uploads(session, now(), EXPIRE_BATCH)
    for row in rows:
        await storage.delete_staged(db, row.org_id, str(row.id))
        async with db.transaction() as session:
            again = await intake_rows.find_upload(session, row.org_id, row.id, lock=True)
            if again is not None and again.state == "waiting":
                again.state, again.error, again.swept = "failed", UploadExpired.code, True
    return len(rows) + await _sweep_ended(db)


async def _sweep_ended(db: Database) -> int:
    """Remove what was put to the URLs of uploads after their end; none of them is valid now."""
    async with db.reading() as session:
        rows = await intake_rows.unswept_uploads(session, now(), EXPIRE_BATCH)
    for row in rows:
        await storage.delete_staged(db, row.org_id, str(row.id))
        async with db.transaction() as session:
            again = await intake_rows.find_upload(session, row.org_id, row.id, lock=True)
            if again is not None:
                again.swept = True
    return len(rows)


async def check_put(db: Database, org_id: UUID, name: str) -> None:
    """Refuse bytes for an upload that does not wait for any; raises UploadClosed."""
    upload_id = UUID(name.split("/")[0])
    async with db.reading() as session:
        row = await intake_rows.find_upload(session, org_id, upload_id)
    if row is None or row.state != "waiting":
        raise UploadClosed("the upload does not wait for bytes any more")
