# SPDX-License-Identifier: Apache-2.0
"""How a search is run: walk or pick, and the statements of the three levels.

A search runs in one of two ways, since no planner knows how skewed the data of a hospital are:

* *walk*: along the index of a space's memberships by study date, until the page is full. For
  everything that matches often.
* *pick*: from the few rows that a key finds by its own index (UIDs, patient id, accession
  number, rare texts by trigrams). For everything that matches seldom.

SQLite knows no figures of the data and takes the index that saves a sort, so the columns that
must not choose the index are written with a unary plus there (``aside``).
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Connection,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    column,
    exists,
    func,
    literal_column,
    or_,
    select,
    table,
    text,
    true,
)
from sqlalchemy.orm import Session as OrmSession

from healthvision.domains.archive.records.indexes import TEXTS
from healthvision.domains.archive.schemas import ArchiveQuery, SearchLevel
from healthvision.domains.archive.searching.matching import (
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
from healthvision.domains.archive.searching.narrowing import fts_query
from healthvision.domains.archive.tables import Instance, Series, Study, StudySpaceRow
from healthvision.kernel.paging import BadCursor, decode_cursor

Query = Select[*tuple[Any, ...]]
Source = Connection | OrmSession  # a search runs the same on both
FEW = 1000  # candidates of the trigram index up to which they are picked
_TEXTS = table("study_texts", column("docid"), column("study_id"))
STUDY = (
    Study.id,
    Study.study_uid,
    Study.study_date,
    cast(Study.dicom_json, Text).label("dicom_json"),
    Study.modalities,
    Study.series_count,
    Study.instance_count,
)
SERIES = (
    Series.id.label("series_id"),
    Series.series_uid,
    cast(Series.dicom_json, Text).label("series_json"),
    Series.instance_count.label("series_instances"),
)
KEYS = (
    Study.id,
    Study.study_date,
    Series.id.label("series_id"),
    Instance.id.label("instance_id"),
    Instance.sop_uid,
    Instance.instance_number,
)
LEVELS: Mapping[SearchLevel, Level] = {
    "study": STUDY_LEVEL,
    "series": SERIES_LEVEL,
    "instance": INSTANCE_LEVEL,
}
place_in_series = func.coalesce(Instance.instance_number, -1)  # of an instance in its series


@dataclass(frozen=True, slots=True)
class Plan:
    """A search ready to run: ``walk`` or pick.

    ``steered``: on SQLite, where the planner must be told; ``by_study``: a key of the study
    finds the rows, together with the organisation; ``few``: rows are picked by some key.
    ``prepared``: ids and keys are parameters, and the window is ``most`` and ``skip``.
    """

    org_id: Any
    space_ids: Collection[Any]
    query: ArchiveQuery
    found: Matches
    walk: bool
    steered: bool = False
    by_study: bool = False
    few: bool = False
    prepared: bool = False

    @property
    def date(self) -> Any:
        """Return the column that orders by study date."""
        if self.walk:
            return StudySpaceRow.study_date
        return aside(Study.study_date, self.steered and self.few)

    @property
    def study(self) -> Any:
        """Return the column that orders studies of one date."""
        return StudySpaceRow.study_id if self.walk else Study.id

    @property
    def org(self) -> Any:
        """Return the column that picked studies are filtered by organisation with."""
        return aside(Study.org_id, self.steered and self.few and not self.by_study)

    @property
    def alive(self) -> Condition:
        """Return the condition that picked studies are not deleted."""
        steered = self.steered and self.few and not self.by_study
        found: Condition = aside(Study.deleted_at, steered).is_(None)
        return found

    @property
    def unfiltered(self) -> bool:
        """Tell whether every study of the space matches."""
        return self.walk and not self.found.where

    def base(self, *columns: Any) -> Query:
        """Return the select of visible studies that match (other tables are joined by callers)."""
        chosen: Query = select(*columns)
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
            .where(*listed(self.org_id, space_id))
        )

    def window(self, statement: Query) -> Query:
        """Return the statement for one page and the row behind it."""
        if self.prepared:
            return statement.limit(bindparam("most")).offset(bindparam("skip"))
        if self.query.cursor is None and self.query.offset:
            statement = statement.offset(self.query.offset)
        return statement.limit(self.query.limit + 1)


def aside(column: Any, steered: bool) -> Any:
    """Return a column, ``steered``: as SQLite uses no index for it."""
    name = f"+{column.table.name}.{column.name}"
    return literal_column(name, column.type) if steered else column


def listed(org_id: Any, space_id: Any) -> list[Condition]:
    """Return the conditions for the memberships of a space that searches show."""
    return [
        StudySpaceRow.org_id == org_id,
        StudySpaceRow.space_id == space_id,
        StudySpaceRow.listed == true(),
    ]


def plan_of(
    source: Source,
    org_id: UUID,
    space_ids: Collection[UUID],
    query: ArchiveQuery,
    level: Level,
) -> Plan:
    """Return how a search is run; raises BadQuery."""
    on_sqlite = dialect_of(source) == "sqlite"
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
    return Plan(org_id, space_ids, query, found, not few, on_sqlite, by_study, by_key)


def dialect_of(source: Source) -> str:
    """Return the name of the database's dialect."""
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
    listed_ids: Query = select(column("value")).select_from(func.json_each(json.dumps(ids)))
    inside = select(_TEXTS.c.study_id).where(_TEXTS.c.docid.in_(listed_ids))
    found.where.append(Study.id.in_(inside))
    return True


def study_statement(plan: Plan, *columns: Any) -> Query:
    """Return the statement of a search for studies, newest first."""
    order = (plan.date.desc(), plan.study.desc())
    after = _after_study(plan) if plan.query.cursor is not None else []
    if not plan.unfiltered:
        chosen = plan.base(*columns).where(*plan.found.where, *after)
        return plan.window(chosen.order_by(*order))
    (space_id,) = plan.space_ids
    page = select(StudySpaceRow.study_id).where(*listed(plan.org_id, space_id), *after)
    page = plan.window(page.order_by(*order))  # rows that are skipped are not read
    found: Query = select(*columns).where(aside(Study.org_id, plan.steered) == plan.org_id)
    found = found.where(Study.id.in_(page), aside(Study.deleted_at, plan.steered).is_(None))
    return found.order_by(aside(Study.study_date, plan.steered).desc(), Study.id.desc())


def _after_study(plan: Plan) -> list[Condition]:
    date, last = decode_cursor(plan.query.cursor or "", 2)
    same = and_(plan.date == str(date), plan.study < _uuid(last))
    return [plan.date <= str(date), or_(plan.date < str(date), same)]


def series_statement(plan: Plan, *columns: Any) -> Query:
    """Return the statement of a search for series, by study, then by id."""
    statement = with_series(plan.base(*columns)).where(*plan.found.where)
    if plan.query.cursor is not None:
        date, study, last = decode_cursor(plan.query.cursor, 3)
        place = (_text(date), _uuid(study))
        statement = statement.where(*_after(plan, place, Series.id > _uuid(last)))
    return plan.window(statement.order_by(plan.date.desc(), plan.study.desc(), Series.id))


def instance_statement(plan: Plan) -> Query:
    """Return the statement of a search for instances, by series and number."""
    statement = with_instances(plan.base(*KEYS)).where(*plan.found.where)
    if "SOPInstanceUID" in plan.query.filters:  # its index begins with the organisation
        statement = statement.where(Instance.org_id == plan.org_id)
    if plan.query.cursor is not None:
        statement = statement.where(*_after_instance(plan, plan.query.cursor))
    order = (plan.date.desc(), plan.study.desc(), Series.id, place_in_series, Instance.id)
    return plan.window(statement.order_by(*order))


def with_series(statement: Query) -> Query:
    """Return a select of studies joined with their series that are not empty."""
    return statement.join(Series, Series.study_id == Study.id).where(Series.instance_count > 0)


def with_instances(statement: Query) -> Query:
    """Return a select of studies joined with their series and live instances."""
    return (
        with_series(statement)
        .join(Instance, Instance.series_id == Series.id)
        .where(Instance.current.is_(True), Instance.deleted_at.is_(None))
    )


def _after_instance(plan: Plan, cursor: str) -> list[Condition]:
    date, study, series, number, last = decode_cursor(cursor, 5)
    if not isinstance(number, int):
        raise BadCursor("the cursor was not made by this list")
    same = Series.id == _uuid(series)
    later = or_(
        Series.id > _uuid(series),
        and_(same, place_in_series > number),
        and_(same, place_in_series == number, Instance.id > _uuid(last)),
    )
    return _after(plan, (_text(date), _uuid(study)), later)


def _after(plan: Plan, place: tuple[str, UUID], later: Condition) -> list[Condition]:
    """Return the conditions for rows behind a study, or in it and ``later``."""
    date, study = place
    in_day = or_(plan.study < study, and_(plan.study == study, later))
    return [plan.date <= date, or_(plan.date < date, and_(plan.date == date, in_day))]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise BadCursor("the cursor was not made by this list")
    return value


def _uuid(value: object) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        raise BadCursor("the cursor was not made by this list") from None
