# SPDX-License-Identifier: Apache-2.0
"""What goes into and comes out of the integration room."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

Json = dict[str, Any]
State = Literal["SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED"]
UPS_CLASS = "1.2.840.10008.5.1.4.34.6.1"
GLOBAL = "1.2.840.10008.5.1.4.34.5"
FILTERED = "1.2.840.10008.5.1.4.34.5.1"


@dataclass(frozen=True, slots=True)
class WorkitemRead:
    """A work item as the caller gets it; the Transaction UID is never shown."""

    id: UUID
    uid: str
    state: str
    document: Json


@dataclass(frozen=True, slots=True)
class Done:
    """The answer to a request: the item, and the texts of Warning headers."""

    item: WorkitemRead
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkitemQuery:
    """A search: ``filters`` are keyword or dotted path -> value, in QIDO-RS syntax."""

    filters: Mapping[str, str] = field(default_factory=dict)
    limit: int = 100
    offset: int = 0


@dataclass(frozen=True, slots=True)
class WorkitemPage:
    """The items found; ``more``: there are further ones."""

    items: tuple[WorkitemRead, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Report:
    """One event report for a subscriber; ``id`` orders reports."""

    id: UUID
    document: Json


@dataclass(frozen=True, slots=True)
class Wish:
    """What a subscriber asks for: an item's UID, or the worklist's with ``filters``."""

    ae_title: str
    target: str
    deletion_lock: bool = False
    filters: Mapping[str, str] = field(default_factory=dict)

    @property
    def uid(self) -> str:
        """Return the item's UID, '' for the worklist."""
        return "" if self.target in (GLOBAL, FILTERED) else self.target
