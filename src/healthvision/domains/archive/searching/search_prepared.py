# SPDX-License-Identifier: Apache-2.0
"""Searches that come all the time, compiled once: by exact keys, and pages of all studies.

What viewers ask again and again (a study by its UID, the series of a study, the instances of a
series, the newest studies) needs no statement made anew for it.
"""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, Connection, Text, bindparam, cast, select

from healthvision.domains.archive.schemas import ArchiveQuery, SearchLevel
from healthvision.domains.archive.searching.matching import EMPTY, STUDY_KEYS, Level, Matches
from healthvision.domains.archive.searching.search_plans import (
    LEVELS,
    SERIES,
    STUDY,
    Plan,
    Query,
    Source,
    aside,
    dialect_of,
    instance_statement,
    series_statement,
    study_statement,
    with_series,
)
from healthvision.domains.archive.tables import Instance, Series, Study, StudySpaceRow
from healthvision.kernel.statements import MAX_IN, Statement

_ONE_UID = re.compile(r"[0-9.]{1,64}\Z")
_NOT_PLAIN = re.compile(r"[*?\\]")
_ORG: BindParameter[Any] = bindparam("org")
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)


def rows_of(
    source: Source, org_id: UUID, space_id: UUID, query: ArchiveQuery, level: SearchLevel
) -> list[Any] | None:
    """Return the rows of a page and the one behind it; None when the search is another one."""
    if not isinstance(source, Connection) or query.cursor is not None:
        return None
    values = _exact(query.filters, LEVELS[level])
    if values is None or not (values or level == "study"):
        return None
    steered = dialect_of(source) == "sqlite"
    window = {"org": org_id, "space": space_id, "most": query.limit + 1, "skip": query.offset}
    keyed = {_parameter(keyword): value for keyword, value in values.items()}
    return _statement(level, tuple(sorted(values)), steered).records(source, {**window, **keyed})


def _exact(filters: Mapping[str, str], level: Level) -> dict[str, str] | None:
    """Return keywords and values when each finds few rows by an index and is one plain value."""
    found = {}
    for keyword, given in filters.items():
        value = given.strip().replace("\x00", "")
        if value in ("", "*"):
            continue
        key = level.keys.get(keyword)
        if key is None or not key.exact or value == EMPTY or _NOT_PLAIN.search(value):
            return None
        if keyword.endswith("UID") and not _ONE_UID.match(value):
            return None
        found[keyword] = value
    return found


def _parameter(keyword: str) -> str:
    return f"key_{keyword}"


@lru_cache(maxsize=256)
def _statement(level: SearchLevel, keywords: tuple[str, ...], steered: bool) -> Statement:
    keys = LEVELS[level].keys
    found = Matches(
        where=[keys[k].column == bindparam(_parameter(k)) for k in keywords],
        by_study=any(k in STUDY_KEYS for k in keywords),
        by_child=any(k not in STUDY_KEYS for k in keywords),
    )
    plan = Plan(
        _ORG,
        [bindparam("space", type_=StudySpaceRow.space_id.type)],
        ArchiveQuery(dict.fromkeys(keywords, "")),
        found,
        walk=not found.few,
        steered=steered,
        by_study=found.by_study and not found.by_child,
        few=found.few,
        prepared=True,
    )
    if level == "instance":
        return Statement(instance_statement(plan))
    if level == "series":
        return Statement(series_statement(plan, *STUDY, *SERIES))
    return Statement(study_statement(plan, *STUDY))


def _above(steered: bool) -> Query:
    found: Query = with_series(select(*STUDY, *SERIES).select_from(Study))
    return found.where(aside(Study.org_id, steered) == _ORG, Series.id.in_(_IDS))


def _own(steered: bool) -> Query:
    document = cast(Instance.dicom_json, Text).label("dicom_json")
    found: Query = select(Instance.id, document)
    return found.where(aside(Instance.org_id, steered) == _ORG, Instance.id.in_(_IDS))


_ABOVE = {steered: _above(steered) for steered in (False, True)}
_OWN = {steered: _own(steered) for steered in (False, True)}
_COMPILED = {id(query): Statement(query) for query in (*_ABOVE.values(), *_OWN.values())}


def series_above(source: Source, org_id: UUID, series_ids: Collection[UUID]) -> list[Any]:
    """Return the rows of series and their studies."""
    return _by_ids(source, _ABOVE, org_id, series_ids)


def instance_documents(source: Source, org_id: UUID, ids: Collection[UUID]) -> list[Any]:
    """Return id and document of instances."""
    return _by_ids(source, _OWN, org_id, ids)


def _by_ids(
    source: Source, queries: Mapping[bool, Query], org_id: UUID, ids: Collection[UUID]
) -> list[Any]:
    query, wanted = queries[dialect_of(source) == "sqlite"], list(ids)
    found: list[Any] = []
    for start in range(0, len(wanted), MAX_IN):
        values = {"org": org_id, "ids": wanted[start : start + MAX_IN]}
        if isinstance(source, Connection):
            found += _COMPILED[id(query)].records(source, values)
        else:
            found += source.execute(query, values).all()
    return found
