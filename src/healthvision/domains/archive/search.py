# SPDX-License-Identifier: Apache-2.0
"""Searches of studies, series and instances, newest study first, paged by keys.

A search runs in one of two ways, since no planner knows how skewed the data of a hospital are:

* *walk*: along the index of a space's memberships by study date, until the page is full. For
  everything that matches often.
* *pick*: from the few rows that a key finds by its own index (UIDs, patient id, accession
  number, rare texts by trigrams). For everything that matches seldom.

SQLite knows no figures of the data and takes the index that saves a sort, so the columns that
must not choose the index are written with a unary plus there (``_aside``).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Connection,
    Select,
    and_,
    column,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
    text,
    true,
)
from sqlalchemy.orm import Session as OrmSession
from sqlalchemy.sql.elements import ColumnElement

from healthvision.domains.archive.indexes import TEXTS
from healthvision.domains.archive.matching import (
    INSTANCE_LEVEL,
    SERIES_LEVEL,
    STUDY_LEVEL,
    Condition,
    Level,
    Matches,
    dates,
    matches,
    matching,
)
from healthvision.domains.archive.narrowing import fts_query
from healthvision.domains.archive.rows import (
    INSTANCE_TAGS,
    pick,
    series_search_json,
    study_search_json,
)
from healthvision.domains.archive.schemas import (
    ArchiveQuery,
    Found,
    FoundItem,
    Json,
    SearchLevel,
)
from healthvision.domains.archive.tables import Instance, Series, Study, StudySpaceRow
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.kernel.db import Session
from healthvision.kernel.paging import BadCursor, decode_cursor, encode_cursor
from healthvision.kernel.security import Actor

Statement = Select[*tuple[Any, ...]]
Source = Connection | OrmSession  # a search runs the same on both
FEW = 2000  # candidates of the trigram index up to which they are picked
COUNT_ROWS = 2000  # rows looked at for a total; beyond, it is 'at least'
_TEXTS = table("study_texts", column("docid"), column("study_id"))
_STUDY = (Study.id, Study.study_uid, Study.study_date, Study.dicom_json)
_COUNTS = (Study.modalities, Study.series_count, Study.instance_count)


def searchable(level: SearchLevel, keyword: str) -> bool:
    """Tell whether a keyword or dotted path is a search key of 'study', 'series', 'instance'."""
    levels = {"study": STUDY_LEVEL, "series": SERIES_LEVEL, "instance": INSTANCE_LEVEL}
    return levels[level].knows(keyword)


@dataclass(frozen=True, slots=True)
class _Plan:
    """A search ready to run: ``walk`` or pick.

    ``steered``: on SQLite, where the planner must be told; ``by_study``: a key of the study
    finds the rows, together with the organisation; ``few``: rows are picked by some key.
    """

    org_id: UUID
    space_ids: Collection[UUID]
    query: ArchiveQuery
    found: Matches
    walk: bool
    steered: bool = False
    by_study: bool = False
    few: bool = False

    @property
    def date(self) -> Any:
        """Return the column that orders by study date."""
        if self.walk:
            return StudySpaceRow.study_date
        return _aside(Study.study_date, self.steered and self.few)

    @property
    def study(self) -> Any:
        """Return the column that orders studies of one date."""
        return StudySpaceRow.study_id if self.walk else Study.id

    @property
    def org(self) -> Any:
        """Return the column that picked studies are filtered by organisation with."""
        return _aside(Study.org_id, self.steered and self.few and not self.by_study)

    @property
    def alive(self) -> Condition:
        """Return the condition that picked studies are not deleted."""
        aside = self.steered and self.few and not self.by_study
        found: Condition = _aside(Study.deleted_at, aside).is_(None)
        return found

    @property
    def unfiltered(self) -> bool:
        """Tell whether every study of the space matches."""
        return self.walk and not self.found.where

    def base(self, *columns: Any) -> Statement:
        """Return the select of visible studies that match (other tables are joined by callers)."""
        chosen: Statement = select(*columns)
        if not self.walk:
            inside = exists().where(
                StudySpaceRow.study_id == Study.id, StudySpaceRow.space_id.in_(self.space_ids)
            )
            return chosen.select_from(Study).where(
                self.org == self.org_id,
                self.alive,
                Study.instance_count > 0,
                inside,
            )
        (space_id,) = self.space_ids
        return (
            chosen.select_from(StudySpaceRow)
            .join(Study, Study.id == StudySpaceRow.study_id)
            .where(*_listed(self.org_id, space_id))
        )


def _aside(column: Any, aside: bool) -> Any:
    """Return a column as SQLite uses no index for it, or the plain column."""
    name = f"+{column.table.name}.{column.name}"
    return literal_column(name, column.type) if aside else column


def _listed(org_id: UUID, space_id: UUID) -> list[Condition]:
    return [
        StudySpaceRow.org_id == org_id,
        StudySpaceRow.space_id == space_id,
        StudySpaceRow.listed == true(),
    ]


def _plan(
    source: Source,
    org_id: UUID,
    space_ids: Collection[UUID],
    query: ArchiveQuery,
    level: Level,
) -> _Plan:
    on_sqlite = _dialect(source) == "sqlite"
    found = matches(query.filters, level, fuzzy=query.fuzzy, binary=on_sqlite)
    few = found.few or len(space_ids) != 1
    if found.phrases and not found.few:
        if not on_sqlite:
            found.where += [_has_phrase(c, p) for c, p in found.phrases]
            few = True
        elif _are_few(source, found):
            few = True
    date = query.filters.get("StudyDate", "").strip()
    if not few and date not in ("", "*"):
        found.where.append(matching(dates, StudySpaceRow.study_date, date))
    by_key = few and len(space_ids) == 1
    by_study = found.by_study and not found.by_child
    return _Plan(org_id, space_ids, query, found, not few, on_sqlite, by_study, by_key)


def _dialect(source: Source) -> str:
    bind = source if isinstance(source, Connection) else source.get_bind()
    return bind.dialect.name


def _has_phrase(name: str, phrase: str) -> Condition:
    """Return the condition by which PostgreSQL's trigram index narrows a search."""
    escaped = phrase.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    texts = {
        "names": Study.patient_search,
        "described": func.lower(Study.description),
        "referrer": func.lower(Study.referring_physician),
        "patient": Study.patient_id,
        "accession": Study.accession_number,
    }
    operator = texts[name].ilike if name in ("patient", "accession") else texts[name].like
    found: Condition = operator(f"%{escaped}%", escape="!")
    return found


def _are_few(source: Source, found: Matches) -> bool:
    """Ask SQLite's trigram index; when it finds few studies the search goes to them alone."""
    assert {c for c, _ in found.phrases} <= set(TEXTS)
    wanted = {"words": fts_query(found.phrases)}
    asked = "SELECT rowid FROM study_words WHERE study_words MATCH :words LIMIT :most"
    rows = source.scalars(text(asked), {**wanted, "most": FEW + 1})
    ids = list(rows)
    if len(ids) > FEW:
        return False
    inside = select(_TEXTS.c.study_id).where(_TEXTS.c.docid.in_(ids))
    found.where.append(Study.id.in_(inside))
    return True


# Studies


async def find_studies(
    session: Session, actor: Actor, space_id: UUID | str, query: ArchiveQuery
) -> Found:
    """Return studies of a space, newest study date first. Raises SpaceNotFound, BadQuery."""
    place = await spaces.get(session, actor, space_id)
    return await session.run_sync(_studies, actor, place, query)


def _studies(source: Source, actor: Actor, space: SpaceRead, query: ArchiveQuery) -> Found:
    plan = _plan(source, actor.org_id, [space.id], query, STUDY_LEVEL)
    rows = source.execute(_study_statement(plan, *_STUDY, *_COUNTS)).all()
    items = tuple(FoundItem(r.id, r.study_uid, _study_json(r)) for r in rows[: query.limit])
    last = rows[query.limit - 1] if len(rows) > query.limit and items else None
    following = encode_cursor([last.study_date, str(last.id)]) if last is not None else None
    total = _total(source, plan, "study", len(rows))
    return Found(items, following, total.number, exact=total.exact)


def _study_json(row: Any) -> Json:
    return study_search_json(row.dicom_json, row.modalities, row.series_count, row.instance_count)


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
    plan = _plan(source, org_id, space_ids, query, STUDY_LEVEL)
    rows = source.scalars(_study_statement(plan, Study)).all()
    total = _exact(source, plan) if query.with_total else None
    return rows[: query.limit], len(rows) > query.limit, total


def _study_statement(plan: _Plan, *columns: Any) -> Statement:
    order = (plan.date.desc(), plan.study.desc())
    after = _after_study(plan) if plan.query.cursor is not None else []
    if not plan.unfiltered:
        chosen = plan.base(*columns).where(*plan.found.where, *after)
        return _window(chosen.order_by(*order), plan.query)
    (space_id,) = plan.space_ids
    page = select(StudySpaceRow.study_id).where(*_listed(plan.org_id, space_id), *after)
    page = _window(page.order_by(*order), plan.query)  # rows that are skipped are not read
    found: Statement = select(*columns).where(_aside(Study.org_id, plan.steered) == plan.org_id)
    found = found.where(Study.id.in_(page), _aside(Study.deleted_at, plan.steered).is_(None))
    return found.order_by(_aside(Study.study_date, plan.steered).desc(), Study.id.desc())


def _after_study(plan: _Plan) -> list[Condition]:
    date, last = decode_cursor(plan.query.cursor or "", 2)
    same = and_(plan.date == str(date), plan.study < _uuid(last))
    return [plan.date <= str(date), or_(plan.date < str(date), same)]


# Series


async def find_series(
    session: Session, actor: Actor, space_id: UUID | str, query: ArchiveQuery
) -> Found:
    """Return series of a space, with the attributes of their studies."""
    place = await spaces.get(session, actor, space_id)
    return await session.run_sync(_series, actor, place, query)


def _series(source: Source, actor: Actor, space: SpaceRead, query: ArchiveQuery) -> Found:
    plan = _plan(source, actor.org_id, [space.id], query, SERIES_LEVEL)
    columns = (*_STUDY, *_COUNTS, *_SERIES)
    statement = _with_series(plan.base(*columns)).where(*plan.found.where)
    if query.cursor is not None:
        date, study, last = decode_cursor(query.cursor, 3)
        place = (_text(date), _uuid(study))
        statement = statement.where(*_after(plan, place, Series.id > _uuid(last)))
    statement = statement.order_by(plan.date.desc(), plan.study.desc(), Series.id)
    rows = source.execute(_window(statement, query)).all()
    items = tuple(
        FoundItem(r.series_id, r.series_uid, _series_json(r)) for r in rows[: query.limit]
    )
    following = None
    if len(rows) > query.limit and items:
        last_row = rows[query.limit - 1]
        key = [last_row.study_date, str(last_row.id), str(last_row.series_id)]
        following = encode_cursor(key)
    total = _total(source, plan, "series", len(rows))
    return Found(items, following, total.number, exact=total.exact)


_SERIES = (
    Series.id.label("series_id"),
    Series.series_uid,
    Series.dicom_json.label("series_json"),
    Series.instance_count.label("series_instances"),
)


def _with_series(statement: Statement) -> Statement:
    return statement.join(Series, Series.study_id == Study.id).where(Series.instance_count > 0)


def _series_json(row: Any) -> Json:
    return series_search_json({**_study_json(row), **row.series_json}, row.series_instances)


# Instances


async def find_instances(
    session: Session, actor: Actor, space_id: UUID | str, query: ArchiveQuery
) -> Found:
    """Return instances of a space by series and number, with the attributes above them."""
    place = await spaces.get(session, actor, space_id)
    return await session.run_sync(_instances, actor, place, query)


def _instances(source: Source, actor: Actor, space: SpaceRead, query: ArchiveQuery) -> Found:
    plan = _plan(source, actor.org_id, [space.id], query, INSTANCE_LEVEL)
    number = func.coalesce(Instance.instance_number, -1)
    statement = _with_instances(plan.base(*_KEYS)).where(*plan.found.where)
    if (
        "SOPInstanceUID" in query.filters
    ):  # the index of SOP Instance UIDs begins with the organisation
        statement = statement.where(Instance.org_id == actor.org_id)
    if query.cursor is not None:
        statement = statement.where(*_after_instance(plan, query.cursor, number))
    order = (plan.date.desc(), plan.study.desc(), Series.id, number, Instance.id)
    rows = source.execute(_window(statement.order_by(*order), query)).all()
    shown = rows[: query.limit]
    items = _instance_items(source, plan, shown)
    following = _instance_cursor(shown[-1]) if len(rows) > query.limit and shown else None
    total = _total(source, plan, "instance", len(rows))
    return Found(items, following, total.number, exact=total.exact)


_KEYS = (
    Study.id,
    Study.study_date,
    Series.id.label("series_id"),
    Instance.id.label("instance_id"),
    Instance.sop_uid,
    Instance.instance_number,
)


def _with_instances(statement: Statement) -> Statement:
    return (
        _with_series(statement)
        .join(Instance, Instance.series_id == Series.id)
        .where(Instance.current.is_(True), Instance.deleted_at.is_(None))
    )


def _instance_items(source: Source, plan: _Plan, rows: Sequence[Any]) -> tuple[FoundItem, ...]:
    """Return the documents of a page; what lies above the instances is read once per series."""
    if not rows:
        return ()
    above = _with_series(select(*_STUDY, *_COUNTS, *_SERIES).select_from(Study))
    org = _aside(Study.org_id, plan.steered)
    above = above.where(org == plan.org_id, Series.id.in_({r.series_id for r in rows}))
    upper = {r.series_id: _series_json(r) for r in source.execute(above).all()}
    own = select(Instance.id, Instance.dicom_json).where(
        _aside(Instance.org_id, plan.steered) == plan.org_id,
        Instance.id.in_([r.instance_id for r in rows]),
    )
    documents = {r.id: r.dicom_json for r in source.execute(own).all()}
    return tuple(
        FoundItem(
            r.instance_id,
            r.sop_uid,
            {**upper[r.series_id], **pick(documents[r.instance_id], INSTANCE_TAGS)},
        )
        for r in rows
    )


def _instance_cursor(row: Any) -> str:
    place = -1 if row.instance_number is None else row.instance_number
    above = [row.study_date, str(row.id), str(row.series_id)]
    return encode_cursor([*above, place, str(row.instance_id)])


def _after_instance(plan: _Plan, cursor: str, place: ColumnElement[int]) -> list[Condition]:
    date, study, series, number, last = decode_cursor(cursor, 5)
    if not isinstance(number, int):
        raise BadCursor("the cursor was not made by this list")
    same = Series.id == _uuid(series)
    later = or_(
        Series.id > _uuid(series),
        and_(same, place > number),
        and_(same, place == number, Instance.id > _uuid(last)),
    )
    return _after(plan, (_text(date), _uuid(study)), later)


def _after(plan: _Plan, place: tuple[str, UUID], later: Condition) -> list[Condition]:
    """Return the conditions for rows behind a study, or in it and ``later``."""
    date, study = place
    in_day = or_(plan.study < study, and_(plan.study == study, later))
    return [plan.date <= date, or_(plan.date < date, and_(plan.date == date, in_day))]


_FIND = {"study": _studies, "series": _series, "instance": _instances}


async def find_in(
    session: Session, actor: Actor, space: SpaceRead, level: SearchLevel, query: ArchiveQuery
) -> Found:
    """Search a space that ``spaces.get`` gave for this actor; raises BadQuery, BadCursor."""
    return await session.run_sync(_FIND[level], actor, space, query)


def find_on(
    connection: Connection,
    actor: Actor,
    space: SpaceRead,
    level: SearchLevel,
    query: ArchiveQuery,
) -> Found:
    """Do what ``find_in`` does on a sync connection."""
    return _FIND[level](connection, actor, space, query)


# Totals and windows


@dataclass(frozen=True, slots=True)
class _Total:
    number: int | None
    exact: bool = True


def _total(source: Source, plan: _Plan, level: SearchLevel, rows: int) -> _Total:
    """Return the number of matches; not exact: there are at least so many.

    Nothing is asked when the page shows it. Without keys all studies of the space are counted;
    else at most ``COUNT_ROWS`` rows are looked at.
    """
    query = plan.query
    if not query.with_total:
        return _Total(None)
    first = 0 if query.cursor is not None else query.offset
    if rows <= query.limit and query.cursor is None and (rows or not first):
        return _Total(first + rows)
    if plan.unfiltered:
        return _of_space(source, plan, level)
    return _looked_at(source, plan, level)


def _of_space(source: Source, plan: _Plan, level: SearchLevel) -> _Total:
    """Count all studies, or what is in the newest ones of a space."""
    (space_id,) = plan.space_ids
    listed = _listed(plan.org_id, space_id)
    if level == "study":
        counted = select(func.count()).select_from(StudySpaceRow).where(*listed)
        return _Total(source.scalar(counted) or 0)
    number = Study.series_count if level == "series" else Study.instance_count
    newest = plan.base(number.label("number"))
    newest = newest.order_by(plan.date.desc(), plan.study.desc()).limit(COUNT_ROWS)
    looked = newest.subquery()
    counts = select(func.count(), func.coalesce(func.sum(looked.c.number), 0))
    rows, found = source.execute(counts.select_from(looked)).one()
    return _Total(int(found), exact=rows < COUNT_ROWS)


def _looked_at(source: Source, plan: _Plan, level: SearchLevel) -> _Total:
    """Count the matches among the first rows of a search."""
    hit = and_(true(), *plan.found.where) if plan.walk else true()
    joined = plan.base(hit.label("hit"))
    if level != "study":
        joined = _with_series(joined) if level == "series" else _with_instances(joined)
    if plan.walk:
        joined = joined.order_by(plan.date.desc(), plan.study.desc())
    else:
        joined = joined.where(*plan.found.where)
    looked = joined.limit(COUNT_ROWS + 1).subquery()
    number = func.count().filter(looked.c.hit)
    rows, found = source.execute(select(func.count(), number).select_from(looked)).one()
    return _Total(min(found, COUNT_ROWS), exact=rows <= COUNT_ROWS)


def _exact(source: Source, plan: _Plan) -> int:
    counted = plan.base(literal(1)).where(*plan.found.where).subquery()
    return source.scalar(select(func.count()).select_from(counted)) or 0


def _window(statement: Statement, query: ArchiveQuery) -> Statement:
    if query.cursor is None and query.offset:
        statement = statement.offset(query.offset)
    return statement.limit(query.limit + 1)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise BadCursor("the cursor was not made by this list")
    return value


def _uuid(value: object) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        raise BadCursor("the cursor was not made by this list") from None
