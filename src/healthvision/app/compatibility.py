# SPDX-License-Identifier: Apache-2.0
"""Finds changes of an OpenAPI document that break callers."""

from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]
METHODS = ("get", "put", "post", "delete", "patch", "head")


def breaking(before: Document, after: Document) -> list[str]:
    """Return one line per breaking change; an empty list means callers go on working.

    Breaking: a path, operation, success status or answer member that is gone, an answer member
    with another type, a new required parameter or body member, a parameter that became required,
    and a permitted value (enum) of a parameter that is gone. Not looked at: types and enums of
    body members, alternatives (``anyOf``), tightened bounds, answers that are no JSON.
    """
    return list(_paths(before, after))


def _paths(before: Document, after: Document) -> Iterator[str]:
    for path, item in before.get("paths", {}).items():
        for method in METHODS:
            if method not in item:
                continue
            name = f"{method.upper()} {path}"
            new = after.get("paths", {}).get(path, {}).get(method)
            if new is None:
                yield f"{name}: gone"
                continue
            yield from _parameters(name, item[method], new, before, after)
            yield from _body(name, item[method], new, before, after)
            yield from _answers(name, item[method], new, before, after)


def _parameters(
    name: str, old: Document, new: Document, before: Document, after: Document
) -> Iterator[str]:
    known = {(p["in"], p["name"]): p for p in old.get("parameters", [])}
    for p in new.get("parameters", []):
        was = known.get((p["in"], p["name"]))
        if p.get("required") and not (was or {}).get("required"):
            yield f"{name}: parameter {p['name']} is required now"
        if was is not None:
            yield from _narrower(f"{name}: parameter {p['name']}", was, p, before, after)


def _narrower(
    name: str, was: Document, now: Document, before: Document, after: Document
) -> Iterator[str]:
    old = _resolve(was.get("schema", {}), before).get("enum")
    new = _resolve(now.get("schema", {}), after).get("enum")
    if old is not None and new is not None:
        for value in old:
            if value not in new:
                yield f"{name}: value {value!r} is gone"


def _body(
    name: str, old: Document, new: Document, before: Document, after: Document
) -> Iterator[str]:
    was, now = _json(old.get("requestBody", {})), _json(new.get("requestBody", {}))
    if now is None:
        return
    required_before = set(_resolve(was or {}, before).get("required", []))
    for member in _resolve(now, after).get("required", []):
        if was is not None and member not in required_before:
            yield f"{name}: body member {member} is required now"
    gone = _members(was or {}, before).keys() - _members(now, after).keys()
    for member in sorted(gone):
        yield f"{name}: body member {member} is gone"


def _answers(
    name: str, old: Document, new: Document, before: Document, after: Document
) -> Iterator[str]:
    for status, answer in old.get("responses", {}).items():
        if not status.startswith("2"):
            continue
        if status not in new.get("responses", {}):
            yield f"{name}: status {status} is gone"
            continue
        was, now = _json(answer), _json(new["responses"][status])
        if was is not None:
            yield from _shape(f"{name} {status}", was, now or {}, before, after, 0)


def _shape(
    name: str, was: Document, now: Document, before: Document, after: Document, depth: int
) -> Iterator[str]:
    old, new = _resolve(was, before), _resolve(now, after)
    if depth > 6:
        return
    if old.get("type") != new.get("type") and "type" in old:
        yield f"{name}: type {old.get('type')} became {new.get('type')}"
        return
    members = _members(new, after)
    for member, shape in _members(old, before).items():
        if member not in members:
            yield f"{name}: member {member} is gone"
        else:
            label = f"{name}.{member}"
            yield from _shape(label, shape, members[member], before, after, depth + 1)
    if "items" in old:
        yield from _shape(f"{name}[]", old["items"], new.get("items", {}), before, after, depth + 1)


def _json(part: Document) -> Document | None:
    content = part.get("content", {}).get("application/json")
    return None if content is None else content.get("schema", {})


def _resolve(schema: Document, document: Document) -> Document:
    while "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        schema = document.get("components", {}).get("schemas", {}).get(name, {})
    return schema


def _members(schema: Document, document: Document) -> dict[str, Document]:
    found: dict[str, Document] = _resolve(schema, document).get("properties", {})
    return found
