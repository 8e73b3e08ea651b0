# SPDX-License-Identifier: Apache-2.0
"""Series and single instances out of everybody's sight; their bytes stay until the purge."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from healthvision.domains.archive.errors import StudyNotFound, UnderLegalHold
from healthvision.domains.archive.lifecycle.lifecycle import delete_study
from healthvision.domains.archive.records.rows import add_word
from healthvision.domains.archive.retrieving.reading import visible_study
from healthvision.domains.archive.tables import Instance, Series, Study
from healthvision.domains.audit import service as audit
from healthvision.kernel.clock import now
from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor


async def delete_instances(
    session: Session, actor: Actor, study_id: UUID, series_uid: str, sop_uid: str | None = None
) -> int:
    """Mark a series or one instance of it as deleted; return how many objects that are.

    Without a last shown instance the whole study is deleted. The counts and lists of the series
    and the study are those of what is left. Raises StudyNotFound and UnderLegalHold.
    """
    study = await visible_study(session, actor, study_id)
    if study.legal_hold or (study.retain_until is not None and study.retain_until > now()):
        raise UnderLegalHold("a legal hold or the retention time of the study forbids it")
    series = await _series(session, actor, study_id, series_uid)
    mine = _live(actor, study_id, Instance.series_id == series.id)
    if sop_uid is not None:
        mine = (*mine, Instance.sop_uid == sop_uid)
    found = await session.execute(update(Instance).where(*mine).values(deleted_at=now()))
    gone = int(getattr(found, "rowcount", 0))
    if not gone:
        raise StudyNotFound("there is no such series or instance in this study")
    await recount_series(session, actor, series)
    if not await recount_study(session, actor, study):
        await delete_study(session, actor, study_id)
        return gone
    await audit.record(
        session,
        actor,
        "archive.instances_deleted",
        study_id,
        kind="study",
        patient_id=study.patient_ref,
        detail={"series": str(series.id), "instances": gone},
    )
    return gone


async def _series(session: Session, actor: Actor, study_id: UUID, series_uid: str) -> Series:
    query = select(Series).where(
        Series.org_id == actor.org_id, Series.study_id == study_id, Series.series_uid == series_uid
    )
    found = (await session.scalars(query)).first()
    if found is None:
        raise StudyNotFound("there is no such series in this study")
    return found


def _live(actor: Actor, study_id: UUID, *more: Any) -> tuple[Any, ...]:
    return (
        Instance.org_id == actor.org_id,
        Instance.study_id == study_id,
        Instance.deleted_at.is_(None),
        *more,
    )


async def recount_series(session: Session, actor: Actor, series: Series) -> None:
    """Set the counts of a series to those of its shown instances."""
    shown = _live(
        actor, series.study_id, Instance.series_id == series.id, Instance.current.is_(True)
    )
    query = select(func.count(), func.coalesce(func.sum(Instance.length), 0)).where(*shown)
    count, size = (await session.execute(query)).one()
    series.instance_count, series.size = int(count), int(size)
    await session.flush()


async def recount_study(session: Session, actor: Actor, study: Study) -> int:
    """Set the counts and lists of a study from its series; return its number of instances."""
    query = select(Series).where(
        Series.org_id == actor.org_id, Series.study_id == study.id, Series.instance_count > 0
    )
    left = (await session.scalars(query)).all()
    modalities = body_parts = sop_classes = "\\"
    for series in left:
        modalities = add_word(modalities, series.modality) or modalities
        body_parts = add_word(body_parts, series.body_part) or body_parts
    classes = select(Instance.sop_class_uid).where(*_live(actor, study.id)).distinct()
    for uid in (await session.scalars(classes)).all():
        sop_classes = add_word(sop_classes, uid)
    count = sum(series.instance_count for series in left)
    if count:
        study.modalities, study.body_parts, study.sop_classes = modalities, body_parts, sop_classes
    study.series_count, study.instance_count = len(left), count
    study.size = sum(series.size for series in left)
    await session.flush()
    return count
