# SPDX-License-Identifier: Apache-2.0
"""SQL of the archive: studies, series, instances and their spaces.

Searches lie in ``search.py``; uploads and quarantine in ``intake_rows.py``. Every query filters
by organisation; deleted studies are found only by the functions that say so.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, delete, literal_column, or_, select, update
from sqlalchemy.orm import undefer

from healthvision.domains.archive.tables import (
    Instance,
    RejectedInstance,
    Series,
    Study,
    StudySpaceRow,
)
from healthvision.kernel.db import Session

Row = TypeVar("Row")


async def lock_study(session: Session, org_id: UUID, study_uid: str) -> Study | None:
    """Return a live study by UID, locked until the transaction ends."""
    query = select(Study).where(
        Study.org_id == org_id, Study.study_uid == study_uid, Study.deleted_at.is_(None)
    )
    query = query.with_for_update().execution_options(populate_existing=True)
    return (await session.scalars(query)).one_or_none()


async def find_study(session: Session, org_id: UUID, study_id: UUID) -> Study | None:
    """Return a live study by our id."""
    query = select(Study).where(
        Study.org_id == org_id, Study.id == study_id, Study.deleted_at.is_(None)
    )
    return (await session.scalars(query)).one_or_none()


async def is_shown(session: Session, org_id: UUID, study_id: UUID) -> bool:
    """Tell whether a study is live and in any space."""
    query = (
        select(Study.id)
        .join(StudySpaceRow, StudySpaceRow.study_id == Study.id)
        .where(Study.org_id == org_id, Study.id == study_id, Study.deleted_at.is_(None))
    )
    return (await session.execute(query.limit(1))).first() is not None


async def study_in_space(
    session: Session, org_id: UUID, space_id: UUID, study_uid: str
) -> Study | None:
    """Return a live study of a space by UID."""
    query = (
        select(Study)
        .join(StudySpaceRow, StudySpaceRow.study_id == Study.id)
        .where(
            Study.org_id == org_id,
            Study.study_uid == study_uid,
            Study.deleted_at.is_(None),
            StudySpaceRow.space_id == space_id,
        )
    )
    return (await session.scalars(query)).one_or_none()


async def series_by_uid(
    session: Session, org_id: UUID, study_id: UUID, uids: Collection[str]
) -> dict[str, Series]:
    """Return series of a study by UID."""
    query = select(Series).where(
        Series.org_id == org_id, Series.study_id == study_id, Series.series_uid.in_(uids)
    )
    query = query.execution_options(populate_existing=True)
    return {row.series_uid: row for row in await session.scalars(query)}


async def all_series(session: Session, org_id: UUID, study_id: UUID) -> Sequence[Series]:
    """Return the series of a study by number."""
    query = select(Series).where(Series.org_id == org_id, Series.study_id == study_id)
    return (await session.scalars(query.order_by(Series.number, Series.id))).all()


async def memberships(
    session: Session, org_id: UUID, study_ids: Collection[UUID]
) -> Sequence[StudySpaceRow]:
    """Return the rows of studies in spaces."""
    query = select(StudySpaceRow).where(
        StudySpaceRow.org_id == org_id, StudySpaceRow.study_id.in_(study_ids)
    )
    query = query.order_by(StudySpaceRow.id).execution_options(populate_existing=True)
    return (await session.scalars(query)).all()


async def membership(
    session: Session, org_id: UUID, study_id: UUID, space_id: UUID
) -> StudySpaceRow | None:
    """Return the row of a study in a space, locked until the transaction ends."""
    query = select(StudySpaceRow).where(
        StudySpaceRow.org_id == org_id,
        StudySpaceRow.study_id == study_id,
        StudySpaceRow.space_id == space_id,
    )
    return (await session.scalars(query.with_for_update())).one_or_none()


async def leave_space(session: Session, org_id: UUID, space_id: UUID, home_id: UUID) -> None:
    """Take all studies out of a space; those that are nowhere else go to another one."""
    elsewhere = select(StudySpaceRow.study_id).where(
        StudySpaceRow.org_id == org_id, StudySpaceRow.space_id != space_id
    )
    mine = (StudySpaceRow.org_id == org_id, StudySpaceRow.space_id == space_id)
    lonely = [
        r.id
        for r in await session.scalars(
            select(StudySpaceRow).where(*mine, StudySpaceRow.study_id.not_in(elsewhere))
        )
    ]
    if lonely:
        await session.execute(
            update(StudySpaceRow).where(StudySpaceRow.id.in_(lonely)).values(space_id=home_id)
        )
    await session.execute(delete(StudySpaceRow).where(*mine))


async def take_due(session: Session, at: datetime, limit: int) -> Sequence[StudySpaceRow]:
    """Return memberships that became complete, of all organisations; each to one caller only.

    A study with unsealed instances is left out until they are sealed.
    """
    query = _sealed_and_due(select(StudySpaceRow), at).order_by(StudySpaceRow.due_at).limit(limit)
    locked = query.with_for_update(skip_locked=True, of=StudySpaceRow)
    return (await session.scalars(locked)).all()


async def any_due(session: Session, at: datetime) -> bool:
    """Tell whether ``take_due`` would find any."""
    query = _sealed_and_due(select(StudySpaceRow.id), at).limit(1)
    return await session.scalar(query) is not None


def _sealed_and_due(query: Select[Row], at: datetime) -> Select[Row]:
    unsealed = select(Series.id).where(
        Series.org_id == Study.org_id, Series.study_id == Study.id, Series.unsealed > 0
    )
    return query.join(Study, Study.id == StudySpaceRow.study_id).where(
        StudySpaceRow.due_at <= at, Study.deleted_at.is_(None), ~unsealed.exists()
    )


async def newest_unsealed(
    session: Session, due_before: datetime, at: datetime, limit: int
) -> Sequence[tuple[UUID, UUID]]:
    """Return (organisation, study) of memberships that became due and are not sealed, newest first.

    Studies that others seal now, or tried to a moment ago, are left out.
    """
    query = (
        select(StudySpaceRow.org_id, StudySpaceRow.study_id)
        .join(
            Series,
            and_(
                Series.org_id == StudySpaceRow.org_id,
                Series.study_id == StudySpaceRow.study_id,
                Series.unsealed > 0,
                or_(Series.claim_until.is_(None), Series.claim_until < at),
            ),
        )
        .where(StudySpaceRow.due_at <= due_before)
        .order_by(StudySpaceRow.due_at.desc())
        .limit(limit)
    )
    return list(dict.fromkeys((row[0], row[1]) for row in await session.execute(query)))


async def has_unsealed(session: Session, org_id: UUID, study_id: UUID) -> bool:
    """Tell whether a study has instances that lie in journals."""
    query = select(Series.id).where(
        Series.org_id == org_id, Series.study_id == study_id, Series.unsealed > 0
    )
    return await session.scalar(query.limit(1)) is not None


async def instances_of(
    session: Session,
    org_id: UUID,
    study_id: UUID,
    *,
    series_uid: str | None = None,
    sop_uid: str | None = None,
    with_json: bool = False,
) -> list[tuple[Instance, Series]]:
    """Return the current instances of a study in reading order, with their series."""
    org: ColumnElement[UUID] = Instance.org_id.expression
    if sop_uid is None and session.get_bind().dialect.name == "sqlite":
        # without the plus SQLite walks all instances of the organisation
        org = literal_column("+instances.org_id", org.type)
    query = (
        select(Instance, Series)
        .join(Series, Series.id == Instance.series_id)
        .where(
            org == org_id,
            Instance.study_id == study_id,
            Instance.current.is_(True),
            Instance.deleted_at.is_(None),
        )
        .order_by(Series.number, Series.id, Instance.instance_number, Instance.id)
    )
    if series_uid is not None:
        query = query.where(Series.series_uid == series_uid)
    if sop_uid is not None:
        query = query.where(Instance.sop_uid == sop_uid)
    if with_json:
        query = query.options(undefer(Instance.dicom_json))
    return [(row[0], row[1]) for row in await session.execute(query)]


async def variants(session: Session, org_id: UUID, study_id: UUID) -> Sequence[Instance]:
    """Return all live instances of a study, also those not current."""
    query = select(Instance).where(
        Instance.org_id == org_id, Instance.study_id == study_id, Instance.deleted_at.is_(None)
    )
    return (await session.scalars(query.order_by(Instance.id))).all()


async def mark_deleted(
    session: Session, org_id: UUID, study_id: UUID, at: datetime, by: str
) -> None:
    """Take a study and its instances out of sight."""
    await session.execute(
        update(Study)
        .where(Study.org_id == org_id, Study.id == study_id)
        .values(deleted_at=at, deleted_by=by)
    )
    await session.execute(
        update(Instance)
        .where(
            Instance.org_id == org_id,
            Instance.study_id == study_id,
            Instance.deleted_at.is_(None),
        )
        .values(deleted_at=at)
    )
    await session.execute(
        update(StudySpaceRow)
        .where(StudySpaceRow.org_id == org_id, StudySpaceRow.study_id == study_id)
        .values(due_at=None)
    )


async def purgeable(session: Session, before: datetime, limit: int) -> Sequence[Study]:
    """Return studies deleted before a time, without legal hold, of all organisations."""
    query = select(Study).where(Study.deleted_at < before, Study.legal_hold.is_(False))
    return (await session.scalars(query.order_by(Study.deleted_at).limit(limit))).all()


async def deleted_instances(session: Session, org_id: UUID, study_id: UUID) -> Sequence[Instance]:
    """Return the instances of a study whose bytes are to be removed."""
    query = select(Instance).where(
        Instance.org_id == org_id,
        Instance.study_id == study_id,
        Instance.deleted_at.is_not(None),
    )
    return (await session.scalars(query)).all()


async def remove_study(session: Session, org_id: UUID, study_id: UUID) -> None:
    """Delete all rows of a study."""
    for table in (RejectedInstance, Instance, Series, StudySpaceRow):
        await session.execute(
            delete(table).where(table.org_id == org_id, table.study_id == study_id)
        )
    await session.execute(delete(Study).where(Study.org_id == org_id, Study.id == study_id))


async def find_instance(
    session: Session, org_id: UUID, instance_id: UUID
) -> tuple[Instance, Series] | None:
    """Return a live instance by our id, with its series."""
    query = (
        select(Instance, Series)
        .join(Series, Series.id == Instance.series_id)
        .where(
            Instance.org_id == org_id,
            Instance.id == instance_id,
            Instance.deleted_at.is_(None),
        )
        .options(undefer(Instance.dicom_json))
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else (row[0], row[1])


async def find_series(session: Session, org_id: UUID, series_id: UUID) -> Series | None:
    """Return a series by our id."""
    query = select(Series).where(Series.org_id == org_id, Series.id == series_id)
    return (await session.scalars(query)).one_or_none()
