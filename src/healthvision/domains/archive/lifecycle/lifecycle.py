# SPDX-License-Identifier: Apache-2.0
"""Studies as administrators see them: read, add to spaces, hold, delete, purge."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from healthvision.domains.archive import repository
from healthvision.domains.archive.errors import StudyNotFound, UnderLegalHold
from healthvision.domains.archive.events import StudyDeleted, StudyMoved, StudyPurged
from healthvision.domains.archive.records import pack_rows, upkeep_rows
from healthvision.domains.archive.records.rows import words_of
from healthvision.domains.archive.retrieving.reading import document_of, visible_study
from healthvision.domains.archive.schemas import (
    ArchiveQuery,
    InstanceRead,
    SeriesRead,
    StudyChange,
    StudyDetail,
    StudyRead,
    StudySpace,
)
from healthvision.domains.archive.searching import search
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.domains.archive.tables import Study, StudySpaceRow
from healthvision.domains.audit import service as audit
from healthvision.domains.audit.schemas import Category
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.events import SpaceRemoved
from healthvision.domains.storage import service as storage
from healthvision.domains.storage.ports import StoredObject
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database, Session
from healthvision.kernel.errors import Conflict
from healthvision.kernel.events import publish
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

PURGE_BATCH = 20
PURGE_INSTANCES = 500
_WORDS = ("modalities", "body_parts", "origins")


def study_read(row: Study) -> StudyRead:
    """Return a study row as its read shape."""
    return StudyRead.model_validate(_values(row))


def _values(row: Study) -> dict[str, Any]:
    names = [n for n in StudyRead.model_fields if n not in _WORDS]
    values: dict[str, Any] = {name: getattr(row, name) for name in names}
    return values | {name: words_of(getattr(row, name)) for name in _WORDS}


async def list_studies(
    session: Session, actor: Actor, query: ArchiveQuery, *, space: UUID | str | None = None
) -> Page[StudyRead]:
    """Return one page of studies of a space, or of all spaces the actor may read."""
    if space is None:
        places = [s.id for s in await spaces.visible(session, actor)]
    else:
        places = [(await spaces.get(session, actor, space)).id]
    rows, more, total = await search.study_page(session, actor.org_id, places, query)
    return Page[StudyRead](
        items=[study_read(r) for r in rows],
        next=search.study_cursor(rows[-1]) if more else None,
        total=total,
    )


async def get_study(session: Session, actor: Actor, study_id: UUID) -> StudyDetail:
    """Return a study with its series and spaces; raises StudyNotFound."""
    study = await visible_study(session, actor, study_id)
    series = await repository.all_series(session, actor.org_id, study_id)
    rows = await repository.memberships(session, actor.org_id, [study_id])
    mine = {s.id: s.slug for s in await spaces.visible(session, actor)}
    return StudyDetail(
        **_values(study),
        series=[SeriesRead.model_validate(s) for s in series if s.instance_count],
        spaces=[_study_space(r, mine[r.space_id]) for r in rows if r.space_id in mine],
    )


async def get_study_by_uid(
    session: Session, actor: Actor, space: UUID | str, study_uid: str
) -> StudyDetail:
    """Return a study of a space by its UID; raises SpaceNotFound, StudyNotFound."""
    place = await spaces.get(session, actor, space)
    study = await repository.study_in_space(session, actor.org_id, place.id, study_uid)
    if study is None:
        raise StudyNotFound("there is no such study in this space")
    return await get_study(session, actor, study.id)


def _study_space(row: StudySpaceRow, slug: str) -> StudySpace:
    return StudySpace.model_validate(
        {
            **{n: getattr(row, n) for n in StudySpace.model_fields if n != "slug"},
            "slug": slug,
        }
    )


async def get_series(session: Session, actor: Actor, series_id: UUID) -> SeriesRead:
    """Return a series by our id; raises StudyNotFound."""
    row = await repository.find_series(session, actor.org_id, series_id)
    if row is None:
        raise StudyNotFound("there is no such series")
    await visible_study(session, actor, row.study_id)
    return SeriesRead.model_validate(row)


async def list_instances(
    session: Session, actor: Actor, study_id: UUID, *, conflicts_only: bool = False
) -> list[InstanceRead]:
    """Return all instances of a study, also those kept out of sight by a conflict."""
    await visible_study(session, actor, study_id)
    rows = await repository.variants(session, actor.org_id, study_id)
    return [InstanceRead.model_validate(_instance(r)) for r in rows if r.conflict >= conflicts_only]


async def get_instance(session: Session, actor: Actor, instance_id: UUID) -> InstanceRead:
    """Return an instance by our id; raises StudyNotFound."""
    found = await repository.find_instance(session, actor.org_id, instance_id)
    if found is None:
        raise StudyNotFound("there is no such instance")
    await visible_study(session, actor, found[0].study_id)
    return InstanceRead.model_validate(_instance(found[0]))


async def get_instance_json(session: Session, actor: Actor, instance_id: UUID) -> dict[str, Any]:
    """Return the full DICOM JSON of an instance by our id; raises StudyNotFound."""
    found = await repository.find_instance(session, actor.org_id, instance_id)
    if found is None:
        raise StudyNotFound("there is no such instance")
    study = await visible_study(session, actor, found[0].study_id)
    return await document_of(session, actor, found[0], study, found[1])


def _instance(row: Any) -> dict[str, Any]:
    names = [n for n in InstanceRead.model_fields if n != "size"]
    return {**{n: getattr(row, n) for n in names}, "size": row.length}


async def change_study(
    session: Session, actor: Actor, study_id: UUID, change: StudyChange
) -> StudyDetail:
    """Set or lift a legal hold or a retention time."""
    study = await visible_study(session, actor, study_id)
    names = change.model_fields_set - ({"legal_hold"} if change.legal_hold is None else set())
    after = change.model_dump(include=names, mode="json")
    before = {n: _plain(getattr(study, n)) for n in after}
    for name in names:
        setattr(study, name, getattr(change, name))
    await session.flush()
    await _record(session, actor, "archive.study_changed", study, before=before, after=after)
    return await get_study(session, actor, study_id)


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


async def delete_study(session: Session, actor: Actor, study_id: UUID) -> None:
    """Take a study out of everybody's sight; its bytes stay until the purge.

    Raises StudyNotFound, and UnderLegalHold while a hold or its retention time lasts.
    """
    study = await visible_study(session, actor, study_id)
    if study.legal_hold:
        raise UnderLegalHold("the study is under a legal hold")
    if study.retain_until is not None and study.retain_until > now():
        raise UnderLegalHold("the retention time of the study is not over")
    by = f"{actor.kind}:{actor.id}"
    await repository.mark_deleted(session, actor.org_id, study_id, now(), by)
    await _record(session, actor, "archive.study_deleted", study)
    await publish(session, actor, StudyDeleted(org_id=actor.org_id, subject=study_id))


async def add_to_space(
    session: Session, actor: Actor, study_id: UUID, space: UUID | str
) -> StudyDetail:
    """Show a study in a further space; it counts as complete there after the quiet time."""
    study = await visible_study(session, actor, study_id)
    place = await spaces.get(session, actor, space, "write")
    if await repository.membership(session, actor.org_id, study_id, place.id) is None:
        at = now()
        row = StudySpaceRow(
            org_id=actor.org_id,
            study_id=study_id,
            space_id=place.id,
            state="receiving",
            generation=0,
            last_instance_at=at,
            due_at=at + timedelta(seconds=place.quiet_s) if place.complete_by_quiet else None,
            origin="system",
            reason="",
        )
        session.add(row)
        await session.flush()
        await _moved(session, actor, study, place.id, added=True)
    else:  # nothing changes, and still the study is read
        await _record(session, actor, "archive.study_read", study, category="access")
    return await get_study(session, actor, study_id)


async def remove_from_space(
    session: Session, actor: Actor, study_id: UUID, space: UUID | str
) -> None:
    """Take a study out of a space; raises Conflict when it is in no other one."""
    study = await visible_study(session, actor, study_id)
    place = await spaces.get(session, actor, space, "write")
    rows = await repository.memberships(session, actor.org_id, [study_id])
    mine = [r for r in rows if r.space_id == place.id]
    if not mine:
        raise StudyNotFound("there is no such study in this space")
    if len(rows) == 1:
        raise Conflict("the study is in no other space; delete it instead")
    await session.delete(mine[0])
    await session.flush()
    await _moved(session, actor, study, place.id, added=False)


async def _moved(
    session: Session, actor: Actor, study: Study, space_id: UUID, *, added: bool
) -> None:
    action = "archive.study_added" if added else "archive.study_removed"
    await _record(session, actor, action, study, space_id=space_id)
    event = StudyMoved(org_id=actor.org_id, subject=study.id, space_id=space_id, added=added)
    await publish(session, actor, event)


async def _record(
    session: Session,
    actor: Actor,
    action: str,
    study: Study,
    *,
    space_id: UUID | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    category: Category | None = None,
) -> None:
    await audit.record(
        session,
        actor,
        action,
        study.id,
        kind="study",
        patient_id=study.patient_ref,
        space_id=space_id,
        before=before,
        after=after,
        category=category,
    )


async def on_space_removed(session: Session, actor: Actor, event: SpaceRemoved) -> None:
    """Move the studies that are only in a removed space to the default one. Safe to run twice."""
    home = await spaces.ensure_default(session, actor)
    await repository.leave_space(session, actor.org_id, event.subject, home.id)


async def purge_deleted(db: Database) -> int:
    """Remove bytes and rows of studies and instances deleted long enough ago.

    Returns how many studies. Objects of single instances go first, then the rows: a crash in
    between is repaired by the next run. Packs are retired with the rows and deleted later.
    """
    before = now() - timedelta(seconds=ArchiveSettings().purge_after_s)
    async with db.reading() as session:
        studies = await repository.purgeable(session, before, PURGE_BATCH)
        instances = await upkeep_rows.purgeable_instances(session, before, PURGE_INSTANCES)
    for study in studies:
        await _purge(db, study)
    await _purge_instances(db, instances)
    return len(studies)


async def _purge(db: Database, study: Study) -> None:
    async with db.reading() as session:
        rows = await repository.deleted_instances(session, study.org_id, study.id)
    for stored in _objects(rows):
        await storage.delete(db, stored)
    actor = Actor.system(study.org_id)
    async with db.transaction() as session:
        await pack_rows.retire_study(session, study.org_id, study.id)
        await repository.remove_study(session, study.org_id, study.id)
        await _record(session, actor, "archive.study_purged", study)
        await publish(session, actor, StudyPurged(org_id=study.org_id, subject=study.id))


async def _purge_instances(db: Database, rows: Sequence[Any]) -> None:
    for stored in _objects(rows):
        await storage.delete(db, stored)
    by_study: dict[tuple[UUID, UUID], list[Any]] = {}
    for row in rows:
        by_study.setdefault((row.org_id, row.study_id), []).append(row)
    for (org_id, study_id), group in by_study.items():
        async with db.transaction() as session:
            await upkeep_rows.remove_instances(session, org_id, group)
            await audit.record(
                session,
                Actor.system(org_id),
                "archive.instances_purged",
                study_id,
                kind="study",
                detail={"instances": len(group)},
            )


def _objects(rows: Sequence[Any]) -> list[StoredObject]:
    """Return the objects of instances that have one of their own."""
    return [
        StoredObject(r.store, r.object_key, r.key_id, r.length, r.sha256)
        for r in rows
        if r.object_key.startswith("objects/")
    ]
