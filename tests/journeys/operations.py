# SPDX-License-Identifier: Apache-2.0
"""The operations of the HTTP API as its OpenAPI document tells them."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from healthvision.app import reference

Json = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """One operation: method, path template, id, and what the document says about it."""

    method: str
    path: str
    id: str
    document: Json

    @property
    def parameters(self) -> list[Json]:
        """The parameters of path, query and headers."""
        found: list[Json] = self.document.get("parameters", [])
        return found

    def names(self, place: str) -> list[str]:
        """Return the names of the parameters of one place ('path', 'query')."""
        return [p["name"] for p in self.parameters if p["in"] == place]


@cache
def document() -> Json:
    """Return the OpenAPI document."""
    return reference.openapi()


@cache
def operations() -> tuple[Operation, ...]:
    """Return every operation of the API."""
    return tuple(
        Operation(method.upper(), path, found["operationId"], found)
        for path, methods in document()["paths"].items()
        for method, found in methods.items()
    )


def schema_at(reference_: Json) -> Json:
    """Return a schema with its reference followed."""
    target = reference_.get("$ref")
    if target is None:
        return reference_
    found: Json = document()["components"]["schemas"][target.rsplit("/", 1)[1]]
    return found


def body_schema(operation: Operation) -> Json | None:
    """Return the schema of the JSON body, or None."""
    content = operation.document.get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return None
    return schema_at(content["application/json"]["schema"])
