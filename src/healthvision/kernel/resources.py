# SPDX-License-Identifier: Apache-2.0
"""Long-living objects of one process (object stores, signers, limits), found by their type."""

from typing import TypeVar, cast

T = TypeVar("T")


class Resources:
    """A typed cupboard: ``app/`` puts things in at start, services take them out by type."""

    def __init__(self) -> None:
        self._things: dict[type, object] = {}

    def put(self, kind: type[T], thing: T) -> None:
        """Store one thing under its type (or the protocol it fulfils)."""
        self._things[kind] = thing

    def get(self, kind: type[T]) -> T:
        """Return the thing of that type; KeyError means that ``app/`` forgot to put it in."""
        return cast("T", self._things[kind])

    def has(self, kind: type) -> bool:
        """Tell whether there is a thing of that type."""
        return kind in self._things
