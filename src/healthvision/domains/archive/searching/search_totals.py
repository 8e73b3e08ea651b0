# SPDX-License-Identifier: Apache-2.0
"""How many matches a search has, without reading a whole archive for it."""

from dataclasses import dataclass

from sqlalchemy import and_, func, literal, select, true

from healthvision.domains.archive.schemas import ArchiveQuery, SearchLevel
from healthvision.domains.archive.searching.search_plans import (
    Plan,
    Source,
    listed,
    with_instances,
    with_series,
)
from healthvision.domains.archive.tables import Study, StudySpaceRow

COUNT_ROWS = 1000  # rows looked at for a total; beyond, it is 'at least'


@dataclass(frozen=True, slots=True)
class Total:
    """How many matches there are, or, not ``exact``, at least are; None: not asked for."""

    number: int | None
    exact: bool = True


def of_page(query: ArchiveQuery, rows: int) -> Total | None:
    """Return the total when it was not asked for or the page shows it; else None.

    ``rows``: of the page, one more than its limit when there are more.
    """
    if not query.with_total:
        return Total(None)
    first = 0 if query.cursor is not None else query.offset
    if rows <= query.limit and query.cursor is None and (rows or not first):
        return Total(first + rows)
    return None


def total_of(source: Source, plan: Plan, level: SearchLevel) -> Total:
    """Return the number of matches; not exact: there are at least so many.

    Without keys all studies of the space are counted; else at most ``COUNT_ROWS`` rows are
    looked at.
    """
    if plan.unfiltered:
        return _of_space(source, plan, level)
    return _looked_at(source, plan, level)


def _of_space(source: Source, plan: Plan, level: SearchLevel) -> Total:
    """Count all studies, or what is in the newest ones of a space."""
    (space_id,) = plan.space_ids
    members = listed(plan.org_id, space_id)
    if level == "study":
        counted = select(func.count()).select_from(StudySpaceRow).where(*members)
        return Total(source.scalar(counted) or 0)
    number = Study.series_count if level == "series" else Study.instance_count
    newest = plan.base(number.label("number"))
    newest = newest.order_by(plan.date.desc(), plan.study.desc()).limit(COUNT_ROWS)
    looked = newest.subquery()
    counts = select(func.count(), func.coalesce(func.sum(looked.c.number), 0))
    rows, found = source.execute(counts.select_from(looked)).one()
    return Total(int(found), exact=rows < COUNT_ROWS)


def _looked_at(source: Source, plan: Plan, level: SearchLevel) -> Total:
    """Count the matches among the first rows of a search."""
    hit = and_(true(), *plan.found.where) if plan.walk else true()
    joined = plan.base(hit.label("hit"))
    if level != "study":
        joined = with_series(joined) if level == "series" else with_instances(joined)
    if plan.walk:
        joined = joined.order_by(plan.date.desc(), plan.study.desc())
    else:
        joined = joined.where(*plan.found.where)
    looked = joined.limit(COUNT_ROWS + 1).subquery()
    number = func.count().filter(looked.c.hit)
    rows, found = source.execute(select(func.count(), number).select_from(looked)).one()
    return Total(min(found, COUNT_ROWS), exact=rows <= COUNT_ROWS)


def exact_total(source: Source, plan: Plan) -> int:
    """Count every match."""
    counted = plan.base(literal(1)).where(*plan.found.where).subquery()
    return source.scalar(select(func.count()).select_from(counted)) or 0
