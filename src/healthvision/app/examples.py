# SPDX-License-Identifier: Apache-2.0
"""Examples in the OpenAPI document: recorded requests and answers, and one of each error.

``examples.json`` is written by ``python -m tests.journeys.recording``, which makes a real call of
every operation against a real platform; nobody writes it by hand.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from healthvision.kernel.errors import (
    Busy,
    Conflict,
    Forbidden,
    Gone,
    Malformed,
    NotAcceptable,
    NotFound,
    OutOfSpace,
    PreconditionFailed,
    Problem,
    TooLarge,
    TooMany,
    Unauthenticated,
    UnsupportedMedia,
)
from healthvision.kernel.http import MAX_JSON_BYTES, FieldErrors

Json = dict[str, Any]
PROBLEM = "application/problem+json"
METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
_FIELD = {"field": "body.priority", "message": "Field required", "kind": "missing"}
PROBLEMS: tuple[Problem, ...] = (
    Malformed("the body is no JSON: Expecting value, line 1 column 1"),
    Unauthenticated("send a token or an API key"),
    Forbidden("this needs the permission studies:write", permission="studies:write"),
    NotFound("there is no such thing"),
    NotAcceptable("none of the accepted media types can be made"),
    Conflict("the thing was changed or is in use"),
    Gone("the time of this upload is over"),
    PreconditionFailed("the thing was changed since you read it"),
    TooLarge("the request body is over the limit", limit=MAX_JSON_BYTES),
    UnsupportedMedia("this media type is not taken here"),
    FieldErrors([_FIELD]),
    TooMany("60 calls a minute are allowed", limit=60),
    Busy("a part needed for this answer is not available now"),
    OutOfSpace("the storage is full"),
)


@cache
def recorded() -> Mapping[str, Json]:
    """Return the recorded calls by operation id; see ``tests/journeys/recording.py``."""
    text = resources.files("healthvision.app").joinpath("examples.json").read_text("utf-8")
    found: Json = json.loads(text)
    return found


def add_examples(document: Json) -> None:
    """Put the examples into an OpenAPI document."""
    kept = document.setdefault("components", {}).setdefault("examples", {})
    for problem in PROBLEMS:
        kept[f"problem-{problem.status}"] = {"summary": problem.title, "value": _told(problem)}
    for operation in _operations(document):
        found = recorded().get(operation.get("operationId", ""), {})
        for parameter in operation.get("parameters", []):
            if parameter["name"] in found.get("parameters", {}):
                parameter["example"] = found["parameters"][parameter["name"]]
        for media, value in found.get("request", {}).items():
            if media in operation.get("requestBody", {}).get("content", {}):
                operation["requestBody"]["content"][media]["example"] = value
        _add_answers(operation, found.get("answer", {}), kept)


def _told(problem: Problem) -> Json:
    document: Json = {**problem.document(), "request_id": "5f1d7e2a90c34b6d8e21f0a7"}
    if isinstance(problem, FieldErrors):
        document["errors"] = problem.errors
    return document


def _operations(document: Json) -> Iterator[Json]:
    for item in document["paths"].values():
        yield from (item[m] for m in METHODS if m in item)


def _add_answers(operation: Json, recorded_answer: Json, kept: Json) -> None:
    """Success gets what was recorded, under every status that tells the same; errors their own."""
    for status, answer in operation["responses"].items():
        content = answer.get("content", {})
        if PROBLEM in content and f"problem-{status}" in kept:
            reference = {"$ref": f"#/components/examples/problem-{status}"}
            content[PROBLEM]["examples"] = {"problem": reference}
        if status.startswith("2"):
            for media, value in recorded_answer.items():
                if media in content:
                    content[media]["example"] = value
