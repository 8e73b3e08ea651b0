# SPDX-License-Identifier: Apache-2.0
"""Original files of uploads, and objects as they were received, returned byte for byte."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from uuid import UUID

from healthvision.domains.archive import repository
from healthvision.domains.archive.correcting.corrections_rejecting import READABLE
from healthvision.domains.archive.errors import StudyNotFound, UploadNotFound
from healthvision.domains.archive.records import corrections_rows
from healthvision.domains.archive.records.sight import patient_of
from healthvision.domains.archive.retrieving.opening import open_bytes
from healthvision.domains.archive.retrieving.reading import record_access, ref_of, visible_study
from healthvision.domains.archive.tables import Upload
from healthvision.domains.archive.uploading.uploads import visible_upload
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
        study = UUID(str(row.studies[0])) if row.studies else None  # an original makes one study
        patient = None if study is None else await patient_of(session, actor, study)
    stored = _stored(row)
    await audit.record_read(
        db,
        actor,
        "archive.original_read",
        study or row.id,
        kind="upload" if study is None else "study",
        patient_id=patient,
        space_id=row.space_id,
        detail={"upload": str(row.id)},
    )
    stream = storage.read_whole(db, row.org_id, stored)
    return Original(stored.size, row.content_type, stored.sha256, stream)


def _stored(row: Upload) -> StoredObject:
    if row.original is None:
        raise UploadNotFound("no original file is kept for this upload")
    found = row.original
    key_id = None if found["key_id"] is None else UUID(found["key_id"])
    return StoredObject(found["store"], found["key"], key_id, found["size"], found["sha256"])


async def open_received(db: Database, actor: Actor, instance_id: UUID) -> Original:
    """Record the access and return an instance as it was received; raises StudyNotFound.

    Also one that is not shown: another object has its UID, or it was rejected for its quality.
    """
    async with db.reading() as session:
        found = await repository.find_instance(session, actor.org_id, instance_id)
        if found is None:
            raise StudyNotFound("there is no such instance")
        study = await visible_study(session, actor, found[0].study_id)
        code = await corrections_rows.rejection_of(session, actor.org_id, instance_id)
    if code not in READABLE:
        raise StudyNotFound("there is no such instance")
    ref = replace(ref_of(*found, study), changes=None)
    await record_access(db, actor, [ref], action="archive.original_read")
    stream = open_bytes(db, ref)
    return Original(ref.size, "application/dicom", ref.location.sha256, stream)
