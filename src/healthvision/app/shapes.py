# SPDX-License-Identifier: Apache-2.0
"""Compares two versions of a JSON schema (of OpenAPI 3.1) from the view of a caller."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Document = dict[str, Any]
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
EXACT = ("pattern", "multipleOf", "uniqueItems")
_KINDS: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}


class Side(Enum):
    """Who makes the value: callers send it (it must stay accepted) or they are answered it."""

    SENT = "sent"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class Documents:
    """An OpenAPI document before and after a change."""

    before: Document
    after: Document
    _open: set[tuple[int, int, Side]] = field(default_factory=set)

    def differences(self, name: str, was: Document, now: Document, side: Side) -> Iterator[str]:
        """Yield what in a schema's change breaks callers, each line led by ``name``."""
        old, new = _resolve(was, self.before), _resolve(now, self.after)
        pair = (id(old), id(new), side)
        if pair in self._open:  # a schema that holds itself
            return
        self._open.add(pair)
        try:
            yield from self._alternatives(name, old, new, side)
        finally:
            self._open.discard(pair)

    def _alternatives(self, name: str, was: Document, now: Document, side: Side) -> Iterator[str]:
        olds, news = _split(was, self.before), _split(now, self.after)
        if len(olds) == len(news) == 1:
            yield from self._one(name, olds[0], news[0], side)
            return
        # each kind that was taken must find a place now; each that is answered had one before
        for kind in olds if side is Side.SENT else news:
            others = [o for o in (news if side is Side.SENT else olds) if _fits(kind, o, side)]
            found = [self._ordered(name, kind, other, side) for other in others]
            if found:
                yield from min(found, key=len)
            elif side is Side.SENT:
                yield f"{name} {_words(kind)} is not taken any more"
            else:
                yield f"{name} may be {_words(kind)} now"

    def _ordered(self, name: str, kind: Document, other: Document, side: Side) -> list[str]:
        pair = (kind, other) if side is Side.SENT else (other, kind)
        return list(self._one(name, *pair, side))

    def _one(self, name: str, was: Document, now: Document, side: Side) -> Iterator[str]:
        if not _fits(*((was, now) if side is Side.SENT else (now, was)), side):
            yield f"{name} type {_words(was)} became {_words(now)}"
            return
        if side is Side.SENT:
            yield from _narrower(name, was, now)
        elif was.get("format") != now.get("format") and "format" in was:
            yield f"{name} format {was['format']} became {now.get('format')}"
        yield from self._members(name, was, now, side)
        if "items" in was or "items" in now:
            yield from self.differences(
                f"{name}[]", was.get("items", {}), now.get("items", {}), side
            )
        free, freed = was.get("additionalProperties"), now.get("additionalProperties")
        if isinstance(free, dict) and isinstance(freed, dict):
            yield from self.differences(f"{name}.*", free, freed, side)

    def _members(self, name: str, was: Document, now: Document, side: Side) -> Iterator[str]:
        olds, news = was.get("properties", {}), now.get("properties", {})
        for member in olds:
            if member not in news:
                yield f"{name} member {member} is gone"
                continue
            yield from self.differences(f"{name}.{member}", olds[member], news[member], side)
        before, after = set(was.get("required", [])), set(now.get("required", []))
        if side is Side.SENT:
            for member in sorted(after - before):
                yield f"{name} member {member} is required now"
        else:
            for member in sorted((before - after) & news.keys()):
                yield f"{name} member {member} may be absent now"


def _resolve(schema: Document, document: Document) -> Document:
    while "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        schema = document.get("components", {}).get("schemas", {}).get(name, {})
    return schema


def _split(schema: Document, document: Document) -> list[Document]:
    """Return the alternatives of a schema, each with at most one type."""
    schema = _resolve(schema, document)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return [s for part in schema[word] for s in _split(part, document)]
    if "allOf" in schema:
        merged = {k: v for k, v in schema.items() if k != "allOf"}
        for part in schema["allOf"]:
            merged = {**_resolve(part, document), **merged}
        return _split(merged, document)
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return [{**schema, "type": kind} for kind in kinds]
    return [schema]


def _values(schema: Document) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return schema.get("enum")


def _kind(schema: Document) -> str | None:
    """Return the one type of an alternative; None when it may be anything."""
    if "type" in schema:
        return str(schema["type"])
    kinds = {_KINDS.get(type(v)) for v in _values(schema) or []}
    if len(kinds) == 1:
        return kinds.pop()
    return "object" if "properties" in schema else None


def _fits(narrow: Document, wide: Document, side: Side) -> bool:
    """Tell whether the type of one alternative may stand where the other is expected."""
    kind, place = _kind(narrow), _kind(wide)
    if place is None or kind == place or (kind == "integer" and place == "number"):
        return True
    return False if kind is not None else side is Side.ANSWERED and not _told(narrow)


def _told(schema: Document) -> bool:
    return bool(schema.keys() - {"title", "description", "examples", "default"})


def _words(schema: Document) -> str:
    kind, values = _kind(schema) or "anything", _values(schema)
    return kind if values is None else f"{kind} of {values}"


def _narrower(name: str, was: Document, now: Document) -> Iterator[str]:
    """Yield which values that were taken are refused now."""
    new, old = _values(now), _values(was)
    if new is not None and old is None:
        yield f"{name} only {new} is taken now"
    for value in old or []:
        if new is not None and value not in new:
            yield f"{name} value {value!r} is gone"
    if "format" in now and was.get("format") != now["format"] and old is None:
        yield f"{name} format {now['format']} is asked for now"
    yield from _tightened(name, was, now)
    if now.get("additionalProperties") is False and was.get("additionalProperties") is not False:
        yield f"{name} further members are refused now"


def _tightened(name: str, was: Document, now: Document) -> Iterator[str]:
    tighter = [w for w in LOWER if w in now and (w not in was or now[w] > was[w])]
    tighter += [w for w in UPPER if w in now and (w not in was or now[w] < was[w])]
    tighter += [w for w in EXACT if w in now and now[w] != was.get(w)]
    for word in tighter:
        yield f"{name} {word} is {now[word]!r} now"
