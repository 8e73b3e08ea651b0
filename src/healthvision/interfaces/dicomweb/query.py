# SPDX-License-Identifier: Apache-2.0
"""QIDO-RS parameters (PS3.18 8.3.4) into an ``ArchiveQuery``.

A name that is no attribute or a value outside its syntax is an error (400); an attribute that is
no search key of the level is left out, and the answer's Warning header says so.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from healthvision.domains.archive.schemas import ArchiveQuery
from healthvision.kernel.errors import Malformed

MAX_RESULTS = 5000
MAX_OFFSET = 10_000_000
_SHORT = 64  # characters of a name that is remembered
_HEX = re.compile(r"[0-9A-Fa-f]{8}\Z")
_SWITCHES = frozenset({"fuzzymatching", "emptyvaluematching", "multiplevaluematching"})
_CONTROL = _SWITCHES | {"limit", "offset", "includefield", "accept", "cursor"}


class UnknownAttribute(Malformed):
    """A search parameter names no DICOM attribute; ``parameter`` says which."""

    code, title = "unknown-attribute", "Search attribute not known"


class BadParameter(Malformed):
    """A query parameter has a value it cannot have; ``parameter`` says which."""

    code, title = "bad-parameter", "Query parameter not valid"


@dataclass(frozen=True, slots=True)
class QidoRequest:
    """A search as it came.

    ``fields``: tags asked for by includefield; ``everything``: all of them; ``ignored``:
    keywords that are no search keys of the level.
    """

    query: ArchiveQuery
    fields: frozenset[str]
    everything: bool
    ignored: tuple[str, ...] = ()


def parse_query(
    parameters: Sequence[tuple[str, str]], knows: Callable[[str], bool] | None = None
) -> QidoRequest:
    """Read the query parameters of a search; raises UnknownAttribute or BadParameter.

    ``knows``: tells whether a keyword or path is a search key; None: all are.
    """
    filters: dict[str, str] = {}
    ignored: list[str] = []
    fields: set[str] = set()
    query = ArchiveQuery(limit=MAX_RESULTS, with_total=True)
    for name, value in parameters:
        if "\x00" in value:
            raise BadParameter(f"{name[:40]}: holds a zero byte", parameter=name[:64])
        if name.lower() not in _CONTROL:
            key = attribute(name)
            if knows is None or knows(key):
                filters[key] = _joined(key, filters.get(key), value)
            else:
                ignored.append(key)
        elif name.lower() == "includefield":
            fields.update(value.split(","))
        else:
            query = _control(query, name.lower(), value)
    wanted = {f.strip() for f in fields if f.strip()}
    everything = any(f.lower() == "all" for f in wanted)
    tags = frozenset(tag_of(f) for f in wanted if f.lower() != "all")
    return QidoRequest(replace(query, filters=filters), tags, everything, tuple(ignored))


def _joined(key: str, before: str | None, value: str) -> str:
    """Return the values of a key that came several times as one list of values."""
    if before is None:
        return value
    is_uid = dictionary_VR(_tag(key.rsplit(".", 1)[-1], key)) == "UI"
    return f"{before},{value}" if is_uid else f"{before}\\{value}"


def attribute(name: str) -> str:
    """Return the keyword (or dotted path of keywords) of an attribute given by tag or keyword."""
    return _keywords(name) if len(name) <= _SHORT else _keywords.__wrapped__(name)


@lru_cache(maxsize=1024)
def _keywords(name: str) -> str:
    return ".".join(keyword_for_tag(_tag(piece, name)) for piece in name.split("."))


def tag_of(name: str) -> str:
    """Return the eight hex digits of the first attribute in a path; raises UnknownAttribute."""
    return f"{_tag(name.split('.', 1)[0], name):08X}"


def _tag(piece: str, name: str) -> int:
    tag = int(piece, 16) if _HEX.match(piece) else tag_for_keyword(piece)
    if tag is None or not keyword_for_tag(tag):
        shown = name[:64]
        raise UnknownAttribute(f"'{shown}' names no known DICOM attribute", parameter=shown)
    return tag


def _control(query: ArchiveQuery, name: str, value: str) -> ArchiveQuery:
    if name == "limit":
        return replace(query, limit=min(_count(name, value), MAX_RESULTS))
    if name == "offset":
        return replace(query, offset=_count(name, value))
    if name in _SWITCHES:
        if value.lower() not in ("true", "false"):
            raise BadParameter(f"{name} must be true or false", parameter=name)
        return replace(query, fuzzy=value.lower() == "true") if name == "fuzzymatching" else query
    if name == "cursor":
        return replace(query, cursor=value)
    return query


def _count(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", value) or int(value) > MAX_OFFSET:
        raise BadParameter(f"{name} must be a number from 0 to {MAX_OFFSET}", parameter=name)
    return int(value)


def shown_tags(request: QidoRequest, required: Iterable[str]) -> list[tuple[str, dict[str, Any]]]:
    """Return the entries, without a value, of attributes that every match is to have.

    These are the included and matched ones, so that a caller sees that they have no value, and
    ``required``, tags that every answer of the level has (PS3.18 10.6.3.3).
    """
    asked = {*request.fields, *required, *(tag_of(key) for key in request.query.filters)}
    return [(tag, {"vr": _vr(tag)}) for tag in sorted(asked)]


def with_requested(
    document: dict[str, Any], request: QidoRequest, required: Iterable[str] = ()
) -> dict[str, Any]:
    """Return a match with an empty entry for each attribute it lacks and was to have."""
    missing = [(t, empty) for t, empty in shown_tags(request, required) if t not in document]
    return dict(sorted([*document.items(), *missing])) if missing else document


@lru_cache(maxsize=4096)
def _vr(tag: str) -> str:
    return dictionary_VR(int(tag, 16)).split(" ", 1)[0]
