# SPDX-License-Identifier: Apache-2.0
"""Finds changes of an OpenAPI document that break callers."""

from collections.abc import Iterator

from healthvision.app.shapes import Document, Documents, Side

METHODS = ("get", "put", "post", "delete", "patch", "head")


def breaking(before: Document, after: Document) -> list[str]:
    """Return one line per breaking change; an empty list means callers go on working.

    What callers send must stay accepted, what they get must stay understood. Breaking: a path,
    operation, parameter, media type, success status, or member that is gone; a parameter, body or
    member that became required; a type, format or alternative that is no longer taken, or is new
    in an answer; a value (enum) no longer taken; a tightened bound or a new pattern; an answer
    member that may be absent now. No break: more values of an enum in an answer, looser bounds,
    further members, further error statuses. Not looked at: texts, defaults, headers of answers.
    """
    return list(_paths(Documents(before, after)))


def _paths(both: Documents) -> Iterator[str]:
    for path, item in both.before.get("paths", {}).items():
        for method in METHODS:
            if method not in item:
                continue
            name = f"{method.upper()} {path}"
            new = both.after.get("paths", {}).get(path, {}).get(method)
            if new is None:
                yield f"{name}: gone"
                continue
            yield from _parameters(name, item[method], new, both)
            yield from _body(name, item[method], new, both)
            yield from _answers(name, item[method], new, both)


def _by_place(operation: Document) -> dict[tuple[str, str], Document]:
    named = operation.get("parameters", [])
    return {(p["in"], p["name"].lower() if p["in"] == "header" else p["name"]): p for p in named}


def _parameters(name: str, old: Document, new: Document, both: Documents) -> Iterator[str]:
    known, current = _by_place(old), _by_place(new)
    for place, p in current.items():
        was = known.get(place)
        if p.get("required") and not (was or {}).get("required"):
            yield f"{name}: parameter {p['name']} is required now"
    for place, was in known.items():
        label = f"{name}: parameter {was['name']}"
        if place not in current:
            yield f"{label} is gone"
            continue
        now = current[place].get("schema", {})
        yield from both.differences(label, was.get("schema", {}), now, Side.SENT)


def _body(name: str, old: Document, new: Document, both: Documents) -> Iterator[str]:
    was, now = old.get("requestBody"), new.get("requestBody")
    if now is not None and now.get("required") and not (was or {}).get("required"):
        yield f"{name}: a body is required now"
    if was is None:
        return
    if now is None:
        yield f"{name}: the body is gone"
        return
    yield from _media(f"{name}: body", was, now, both, Side.SENT)


def _answers(name: str, old: Document, new: Document, both: Documents) -> Iterator[str]:
    for status, answer in old.get("responses", {}).items():
        if not status.startswith("2"):
            continue
        if status not in new.get("responses", {}):
            yield f"{name}: status {status} is gone"
            continue
        now = new["responses"][status]
        yield from _media(f"{name} {status}:", answer, now, both, Side.ANSWERED)


def _media(name: str, was: Document, now: Document, both: Documents, side: Side) -> Iterator[str]:
    offered = now.get("content", {})
    for media, told in was.get("content", {}).items():
        if media not in offered:
            yield f"{name} media type {media} is gone"
            continue
        yield from both.differences(
            name, told.get("schema", {}), offered[media].get("schema", {}), side
        )
