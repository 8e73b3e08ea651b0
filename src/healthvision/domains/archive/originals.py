# SPDX-License-Identifier: Apache-2.0
"""Original files of uploads, returned byte for byte."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from healthvision.domains.archive.errors import UploadNotFound
from healthvision.domains.archive.tables import Upload
from healthvision.domains.archive.uploads import visible_upload
from healthvision.domains.audit import service as audit
from healthvision.domains.storage import service as storage
from healthvision.domains.storage.ports import StoredObject
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor


@dataclass(frozen=True, slots=True)
class Original:
    """An original file with its bytes still to come."""

    size: int
    content_type: str
    sha256: str
    stream: AsyncIterator[bytes]


async def open_original(db: Database, actor: Actor, upload_id: UUID) -> Original:
    """Record the access and return the original file of an upload; raises UploadNotFound."""
    async with db.reading() as session:
        row = await visible_upload(session, actor, upload_id)
    stored = _stored(row)
    await audit.record_read(
        db, actor, "archive.original_read", row.id, kind="upload", space_id=row.space_id
    )
    stream = storage.read_whole(db, row.org_id, stored)
    return Original(stored.size, row.content_type, stored.sha256, stream)


def _stored(row: Upload) -> StoredObject:
    if row.original is None:
        raise UploadNotFound("no original file is kept for this upload")
    found = row.original
    key_id = None if found["key_id"] is None else UUID(found["key_id"])
    return StoredObject(found["store"], found["key"], key_id, found["size"], found["sha256"])
