# SPDX-License-Identifier: Apache-2.0
"""Searches of studies, series and instances, paged by keys."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, undefer
from sqlalchemy.sql.elements import ColumnElement

from healthvision.domains.archive.matching import (
    INSTANCE_KEYS,
    SERIES_KEYS,
    STUDY_KEYS,
    Condition,
    Key,
    conditions,
)
from healthvision.domains.archive.rows import (
    INSTANCE_TAGS,
    pick,
    series_search_json,
    study_search_json,
)
from healthvision.domains.archive.schemas import ArchiveQuery, Found, FoundItem
from healthvision.domains.archive.tables import Instance, Series, Study, StudySpaceRow
from healthvision.domains.spaces import service as spaces
from healthvision.kernel.db import Session
from healthvision.kernel.paging import BadCursor, decode_cursor, encode_cursor
from healthvision.kernel.security import Actor

Statement = Select[*tuple[Any, ...]]
STUDY_LEVEL: Mapping[str, Key] = STUDY_KEYS
SERIES_LEVEL: Mapping[str, Key] = {**STUDY_KEYS, **SERIES_KEYS}
INSTANCE_LEVEL: Mapping[str, Key] = {**SERIES_LEVEL, **INSTANCE_KEYS}


async def find_studies(
    session: Session, actor: Actor, space_id: UUID | str, query: ArchiveQuery
) -> Found:
    """Return studies of a space, newest study date first. Raises SpaceNotFound, BadQuery."""
    space = await spaces.get(session, actor, space_id)
    rows, more, total = await study_page(session, actor.org_id, [space.id], query)
    items = tuple(
        FoundItem(
            r.id,
            r.study_uid,
            study_search_json(r.dicom_json, r.modalities, r.series_count, r.instance_count),
        )
        for r in rows
    )
    return Found(items, study_cursor(rows[-1]) if more else None, total)


def study_cursor(row: Study) -> str:
    """Return the cursor after a study."""
    return encode_cursor([row.study_date, str(row.id)])


async def study_page(
    session: Session, org_id: UUID, space_ids: Collection[UUID], query: ArchiveQuery
) -> tuple[Sequence[Study], bool, int | None]:
    """Return study rows of some spaces, whether there are more, and the total if wanted."""
    where = _visible(org_id, space_ids)
    where += conditions(query.filters, STUDY_LEVEL, fuzzy=query.fuzzy)
    statement = select(Study).where(*where)
    total = await _total(session, statement) if query.with_total else None
    statement = statement.order_by(Study.study_date.desc(), Study.id.desc())
    if query.cursor is not None:
        date, last = decode_cursor(query.cursor, 2)
        after = and_(Study.study_date == str(date), Study.id < _uuid(last))
        statement = statement.where(or_(Study.study_date < str(date), after))
    rows = (await session.scalars(_window(statement, query))).all()
    return rows[: query.limit], len(rows) > query.limit, total


async def find_series(
    session: Session, actor: Actor, space_id: UUID | str, query: ArchiveQuery
) -> Found:
    """Return series of a space in order of arrival, with the attributes of their studies."""
    space = await spaces.get(session, actor, space_id)
    where = [*_visible(actor.org_id, [space.id]), Series.instance_count > 0]
    where += conditions(query.filters, SERIES_LEVEL, fuzzy=query.fuzzy)
    statement = select(Series, Study).join(Study, Study.id == Series.study_id).where(*where)
    total = await _total(session, statement) if query.with_total else None
    statement = statement.order_by(Series.id)
    if query.cursor is not None:
        (last,) = decode_cursor(query.cursor, 1)
        statement = statement.where(Series.id > _uuid(last))
    rows = (await session.execute(_window(statement, query))).all()
    items = tuple(FoundItem(s.id, s.series_uid, _series_json(s, t)) for s, t in rows[: query.limit])
    following = encode_cursor([str(items[-1].id)]) if len(rows) > query.limit else None
    return Found(items, following, total)


def _series_json(series: Series, study: Study) -> dict[str, Any]:
    upper = study_search_json(
        study.dicom_json, study.modalities, study.series_count, study.instance_count
    )
    return series_search_json({**upper, **series.dicom_json}, series.instance_count)


async def find_instances(
    session: Session, actor: Actor, space_id: UUID | str, query: ArchiveQuery
) -> Found:
    """Return instances of a space by series and number, with the attributes above them."""
    space = await spaces.get(session, actor, space_id)
    where = [
        *_visible(actor.org_id, [space.id]),
        Instance.current.is_(True),
        Instance.deleted_at.is_(None),
    ]
    where += conditions(query.filters, INSTANCE_LEVEL, fuzzy=query.fuzzy)
    statement = (
        select(Instance, Series, Study)
        .join(Series, Series.id == Instance.series_id)
        .join(Study, Study.id == Instance.study_id)
        .where(*where)
        .options(undefer(Instance.dicom_json))
    )
    total = await _total(session, statement) if query.with_total else None
    place = func.coalesce(Instance.instance_number, -1)
    statement = statement.order_by(Instance.series_id, place, Instance.id)
    if query.cursor is not None:
        statement = statement.where(_after_instance(query.cursor, place))
    rows = (await session.execute(_window(statement, query))).all()
    items = tuple(
        FoundItem(i.id, i.sop_uid, {**_series_json(s, t), **pick(i.dicom_json, INSTANCE_TAGS)})
        for i, s, t in rows[: query.limit]
    )
    following = _instance_cursor(rows[query.limit - 1][0]) if len(rows) > query.limit else None
    return Found(items, following, total)


def _instance_cursor(row: Instance) -> str:
    place = -1 if row.instance_number is None else row.instance_number
    return encode_cursor([str(row.series_id), place, str(row.id)])


def _after_instance(cursor: str, place: ColumnElement[int]) -> Condition:
    series, number, last = decode_cursor(cursor, 3)
    if not isinstance(number, int):
        raise BadCursor("the cursor was not made by this list")
    same = Instance.series_id == _uuid(series)
    return or_(
        Instance.series_id > _uuid(series),
        and_(same, place > number),
        and_(same, place == number, Instance.id > _uuid(last)),
    )


def _visible(org_id: UUID, space_ids: Collection[UUID]) -> list[Condition]:
    inside = exists().where(
        StudySpaceRow.study_id == Study.id, StudySpaceRow.space_id.in_(space_ids)
    )
    return [
        Study.org_id == org_id,
        Study.deleted_at.is_(None),
        Study.instance_count > 0,
        inside,
    ]


def _window(statement: Statement, query: ArchiveQuery) -> Statement:
    if query.cursor is None and query.offset:
        statement = statement.offset(query.offset)
    return statement.limit(query.limit + 1)


async def _total(session: Session, statement: Statement) -> int:
    key: InstrumentedAttribute[UUID] = Study.id
    counted = statement.with_only_columns(key).order_by(None).subquery()
    return await session.scalar(select(func.count()).select_from(counted)) or 0


def _uuid(value: object) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        raise BadCursor("the cursor was not made by this list") from None
