# SPDX-License-Identifier: Apache-2.0
"""The only way out for bytes: find, check the right, audit, decrypt, check, yield."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from healthvision.domains.archive import repository
from healthvision.domains.archive.errors import StorageDamaged, StudyNotFound
from healthvision.domains.archive.packing import documents
from healthvision.domains.archive.packing.pack_reading import read_part
from healthvision.domains.archive.packing.packs import THUMBNAIL, plain_document
from healthvision.domains.archive.records import pack_rows
from healthvision.domains.archive.retrieving.coercing import (
    changes_of,
    coerced_text,
    plain_coerced,
)
from healthvision.domains.archive.retrieving.opening import Profile, corrected, open_bytes
from healthvision.domains.archive.retrieving.references import InStudy, reference
from healthvision.domains.archive.schemas import InstanceRef, Json
from healthvision.domains.archive.tables import Instance, Series, Study
from healthvision.domains.audit import service as audit
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.domains.storage.errors import ObjectMissing
from healthvision.kernel.crypto import Damaged
from healthvision.kernel.db import Database, Session
from healthvision.kernel.security import Actor


@dataclass(frozen=True, slots=True)
class Pixels:
    """One instance with its bytes still to come; iterate ``stream`` once."""

    ref: InstanceRef
    stream: AsyncIterator[bytes]


async def visible_study(
    session: Session, actor: Actor, study_id: UUID, space_id: UUID | None = None
) -> Study:
    """Return a live study the actor may read, in a given space or in any.

    Raises StudyNotFound; nobody learns that a study exists elsewhere.
    """
    study = await repository.find_study(session, actor.org_id, study_id)
    if study is None:
        raise StudyNotFound("there is no such study")
    rows = await repository.memberships(session, actor.org_id, [study_id])
    mine = {s.id for s in await spaces.visible(session, actor)}
    if not any(r.space_id in mine and space_id in (None, r.space_id) for r in rows):
        raise StudyNotFound("there is no such study")
    return study


async def locate(
    session: Session,
    actor: Actor,
    space_id: UUID | str | SpaceRead,
    study_uid: str,
    series_uid: str | None = None,
    sop_uid: str | None = None,
) -> list[InstanceRef]:
    """Return the instances of a study, series or one instance in reading order.

    Raises SpaceNotFound and StudyNotFound (also when the series or instance is not there).
    """
    study, found = await _rows(session, actor, space_id, study_uid, series_uid, sop_uid)
    return [ref_of(instance, series, study) for instance, series in found]


async def metadata(
    session: Session,
    actor: Actor,
    space_id: UUID | str,
    study_uid: str,
    series_uid: str | None = None,
    sop_uid: str | None = None,
) -> list[tuple[InstanceRef, Json]]:
    """Return instances with their full DICOM JSON; bulk values are listed in ``ref.bulk``."""
    found = await metadata_texts(session, actor, space_id, study_uid, series_uid, sop_uid)
    return [(ref, plain_document(text)) for ref, text in found]


async def metadata_texts(
    session: Session,
    actor: Actor,
    space_id: UUID | str | SpaceRead,
    study_uid: str,
    series_uid: str | None = None,
    sop_uid: str | None = None,
) -> list[tuple[InstanceRef, bytes]]:
    """Return instances with their ready DICOM JSON text, not parsed at all for sealed ones.

    ``packs.addressed(text, instance URL)`` puts in the addresses of bulk values. Raises
    StudyNotFound, SpaceNotFound, StorageDamaged.
    """
    study, found = await _rows(session, actor, space_id, study_uid, series_uid, sop_uid)
    return await _with_texts(session, actor, study, found)


async def _with_texts(
    session: Session, actor: Actor, study: Study, found: list[tuple[Instance, Series]]
) -> list[tuple[InstanceRef, bytes]]:
    places = documents.places_of([instance for instance, _ in found])
    texts = await documents.texts_of(session, actor.org_id, places)
    refs = [(ref_of(i, s, study), texts[i.id]) for i, s in found]
    return [(ref, coerced_text(text, ref.changes)) for ref, text in refs]


async def document_of(
    session: Session, actor: Actor, row: Instance, study: Study, series: Series
) -> Json:
    """Return the full DICOM JSON of one instance row; raises StorageDamaged."""
    texts = await documents.texts_of(session, actor.org_id, documents.places_of([row]))
    return plain_coerced(texts[row.id], changes_of(study.coercion, series.series_uid))


async def _rows(
    session: Session,
    actor: Actor,
    space_id: UUID | str | SpaceRead,
    study_uid: str,
    series_uid: str | None,
    sop_uid: str | None,
) -> tuple[Study, list[tuple[Instance, Series]]]:
    if isinstance(space_id, SpaceRead):  # found, and so allowed, by the caller
        space = space_id
    else:
        space = await spaces.get(session, actor, space_id)
    study = await repository.study_in_space(session, actor.org_id, space.id, study_uid)
    if study is None:
        raise StudyNotFound("there is no such study in this space")
    found = await repository.instances_of(
        session,
        actor.org_id,
        study.id,
        series_uid=series_uid,
        sop_uid=sop_uid,
    )
    if not found:
        raise StudyNotFound("there is no such series or instance in this study")
    return study, found


async def study_instances(session: Session, actor: Actor, study_id: UUID) -> list[InstanceRef]:
    """Return the current instances of a study by our id; raises StudyNotFound."""
    study = await visible_study(session, actor, study_id)
    found = await repository.instances_of(session, actor.org_id, study.id)
    return [ref_of(instance, series, study) for instance, series in found]


async def study_metadata(
    session: Session, actor: Actor, study_id: UUID
) -> list[tuple[InstanceRef, Json]]:
    """Return the current instances of a study by our id with their full DICOM JSON."""
    study = await visible_study(session, actor, study_id)
    rows = await repository.instances_of(session, actor.org_id, study.id)
    found = await _with_texts(session, actor, study, rows)
    return [(ref, plain_document(text)) for ref, text in found]


def ref_of(row: Instance, series: Series, study: Study) -> InstanceRef:
    """Return the readable reference of an instance row, with the corrections of its study."""
    place = InStudy(row.study_id, study.study_uid, study.patient_ref)
    return reference(row, series, place, changes_of(study.coercion, series.series_uid))


async def thumbnail(
    db: Database, actor: Actor, space_id: UUID | str, study_uid: str, series_uid: str
) -> bytes | None:
    """Return the ready JPEG of a sealed series; None when there is none (yet). Audited.

    Raises SpaceNotFound, StudyNotFound, StorageDamaged, AuditUnavailable.
    """
    async with db.reading() as session:
        space = await spaces.get(session, actor, space_id)
        study = await repository.study_in_space(session, actor.org_id, space.id, study_uid)
        if study is None:
            raise StudyNotFound("there is no such study in this space")
        found = await repository.series_by_uid(session, actor.org_id, study.id, [series_uid])
        if series_uid not in found or not found[series_uid].instance_count:
            raise StudyNotFound("there is no such series in this study")
        row = await pack_rows.picture_pack(session, actor.org_id, found[series_uid].id)
    if row is None:
        return None
    await audit.record_pixels(
        db,
        actor,
        study.id,
        patient_id=study.patient_ref,
        space_id=space.id,
        action="archive.pixels_read",
        count=1,
        size=row.thumbnail_length,
    )
    try:
        place = (row.thumbnail_offset, row.thumbnail_length)
        return await read_part(db, row, THUMBNAIL, *place)
    except (Damaged, ObjectMissing) as error:
        raise StorageDamaged("the stored picture of this series fails its check") from error


async def record_access(
    db: Database,
    actor: Actor,
    refs: Sequence[InstanceRef],
    *,
    space_id: UUID | None = None,
    action: str = "archive.pixels_read",
) -> None:
    """Record that the actor gets bytes of these instances; await it before the first byte.

    Raises AuditUnavailable (503): then no byte may leave.
    """
    by_study: dict[UUID, list[InstanceRef]] = {}
    for ref in refs:
        by_study.setdefault(ref.study_id, []).append(ref)
    for study_id, group in by_study.items():
        await audit.record_pixels(
            db,
            actor,
            study_id,
            patient_id=group[0].patient_ref,
            space_id=space_id,
            action=action,
            count=len(group),
            size=sum(r.size for r in group),
        )


async def read_instances(
    db: Database,
    actor: Actor,
    space_id: UUID | str,
    study_uid: str,
    series_uid: str | None = None,
    sop_uid: str | None = None,
    *,
    profile: Profile = "none",
) -> AsyncIterator[Pixels]:
    """Locate, record the access, then yield each instance with its stream of bytes.

    This is what doors call: the audit row is written before the first byte.
    """
    async with db.reading() as session:
        space = await spaces.get(session, actor, space_id)
        refs = await locate(session, actor, space.id, study_uid, series_uid, sop_uid)
    refs = await corrected(db, refs)
    await record_access(db, actor, refs, space_id=space.id)
    for ref in refs:
        yield Pixels(ref, open_bytes(db, ref, profile=profile))
