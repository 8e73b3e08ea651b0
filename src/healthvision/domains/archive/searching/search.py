# SPDX-License-Identifier: Apache-2.0
"""Searches of studies, series and instances, newest study first, paged by keys."""

from collections.abc import Callable, Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.orm import Session as OrmSession

from healthvision.domains.archive.schemas import ArchiveQuery, Found, FoundItem, SearchLevel
from healthvision.domains.archive.searching import search_prepared as prepared
from healthvision.domains.archive.searching.matching import STUDY_LEVEL
from healthvision.domains.archive.searching.search_items import (
    instance_items,
    series_items,
    study_items,
)
from healthvision.domains.archive.searching.search_plans import (
    LEVELS,
    SERIES,
    STUDY,
    Plan,
    Source,
    instance_statement,
    plan_of,
    series_statement,
    study_statement,
)
from healthvision.domains.archive.searching.search_totals import exact_total, of_page, total_of
from healthvision.domains.archive.tables import Study
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.kernel.db import Session
from healthvision.kernel.paging import encode_cursor
from healthvision.kernel.security import Actor

Items = tuple[FoundItem, ...]


def searchable(level: SearchLevel, keyword: str) -> bool:
    """Tell whether a keyword or dotted path is a search key of 'study', 'series', 'instance'."""
    return LEVELS[level].knows(keyword)


async def find_studies(
    session: Session, actor: Actor, space_id: UUID | str, query: ArchiveQuery
) -> Found:
    """Return studies of a space, newest study date first. Raises SpaceNotFound, BadQuery."""
    place = await spaces.get(session, actor, space_id)
    return await find_in(session, actor, place, "study", query)


async def find_series(
    session: Session, actor: Actor, space_id: UUID | str, query: ArchiveQuery
) -> Found:
    """Return series of a space, with the attributes of their studies."""
    place = await spaces.get(session, actor, space_id)
    return await find_in(session, actor, place, "series", query)


async def find_instances(
    session: Session, actor: Actor, space_id: UUID | str, query: ArchiveQuery
) -> Found:
    """Return instances of a space by series and number, with the attributes above them."""
    place = await spaces.get(session, actor, space_id)
    return await find_in(session, actor, place, "instance", query)


async def find_in(
    session: Session, actor: Actor, space: SpaceRead, level: SearchLevel, query: ArchiveQuery
) -> Found:
    """Search a space that ``spaces.get`` gave for this actor; raises BadQuery, BadCursor."""
    return await session.run_sync(_find, actor, space, level, query)


def find_on(
    connection: Connection,
    actor: Actor,
    space: SpaceRead,
    level: SearchLevel,
    query: ArchiveQuery,
) -> Found:
    """Do what ``find_in`` does on a sync connection."""
    return _find(connection, actor, space, level, query)


def _find(
    source: Source, actor: Actor, space: SpaceRead, level: SearchLevel, query: ArchiveQuery
) -> Found:
    def new_plan() -> Plan:
        return plan_of(source, actor.org_id, [space.id], query, LEVELS[level])

    plan: Plan | None = None
    rows: Sequence[Any] | None = prepared.rows_of(source, actor.org_id, space.id, query, level)
    if rows is None:
        plan = new_plan()
        rows = source.execute(_STATEMENTS[level](plan)).all()
    shown = rows[: query.limit]
    following = _cursor(level, shown[-1]) if len(rows) > query.limit and shown else None
    items = _items(source, actor.org_id, level, shown)
    total = of_page(query, len(rows)) or total_of(source, plan or new_plan(), level)
    return Found(items, following, total.number, exact=total.exact)


_STATEMENTS: dict[SearchLevel, Callable[[Plan], Any]] = {
    "study": lambda plan: study_statement(plan, *STUDY),
    "series": lambda plan: series_statement(plan, *STUDY, *SERIES),
    "instance": instance_statement,
}


def _items(source: Source, org_id: UUID, level: SearchLevel, rows: Sequence[Any]) -> Items:
    if level == "study":
        return study_items(rows)
    if level == "series":
        return series_items(rows)
    if not rows:
        return ()
    above = prepared.series_above(source, org_id, {r.series_id for r in rows})
    own = prepared.instance_documents(source, org_id, [r.instance_id for r in rows])
    return instance_items(rows, above, own)


def _cursor(level: SearchLevel, last: Any) -> str:
    key: list[str | int] = [last.study_date, str(last.id)]
    if level != "study":
        key.append(str(last.series_id))
    if level == "instance":
        key += [-1 if last.instance_number is None else last.instance_number]
        key.append(str(last.instance_id))
    return encode_cursor(key)


def study_cursor(row: Study) -> str:
    """Return the cursor after a study."""
    return encode_cursor([row.study_date, str(row.id)])


async def study_page(
    session: Session, org_id: UUID, space_ids: Collection[UUID], query: ArchiveQuery
) -> tuple[Sequence[Study], bool, int | None]:
    """Return study rows of some spaces, whether there are more, and the total if wanted."""
    return await session.run_sync(_page, org_id, space_ids, query)


def _page(
    source: OrmSession, org_id: UUID, space_ids: Collection[UUID], query: ArchiveQuery
) -> tuple[Sequence[Study], bool, int | None]:
    plan = plan_of(source, org_id, space_ids, query, STUDY_LEVEL)
    rows = source.scalars(study_statement(plan, Study)).all()
    total = exact_total(source, plan) if query.with_total else None
    return rows[: query.limit], len(rows) > query.limit, total
