# SPDX-License-Identifier: Apache-2.0
"""One request, one typed answer."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from healthvision.client.effects import Call, Operation
from healthvision.client.models import Model, Page

M = TypeVar("M", bound=Model)
Query = Mapping[str, str | int | bool | Sequence[str] | None]


def get(kind: type[M], path: str, query: Query | None = None) -> Operation[M]:
    """GET one thing."""
    response: httpx.Response = yield Call("GET", path, query or {})
    return kind.model_validate_json(response.content)


def get_page(kind: type[M], path: str, query: Query | None = None) -> Operation[Page[M]]:
    """GET one page of a list; a bare JSON array counts as the only page."""
    response: httpx.Response = yield Call("GET", path, query or {})
    document = response.json()
    if isinstance(document, list):
        document = {"items": document}
    return Page[kind].model_validate(document)  # type: ignore[valid-type]


def post(kind: type[M], path: str, body: Any = None) -> Operation[M]:
    """POST with an Idempotency-Key, so that a repeat after a lost answer does no harm."""
    response: httpx.Response = yield posting(path, body)
    return kind.model_validate_json(response.content)


def posting(path: str, body: Any = None) -> Call:
    """Return a POST that may be repeated."""
    return Call("POST", path, json=body, headers={"Idempotency-Key": str(uuid4())})


def delete(path: str) -> Operation[None]:
    """DELETE one thing."""
    yield Call("DELETE", path)
    return None
