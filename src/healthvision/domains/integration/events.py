# SPDX-License-Identifier: Apache-2.0
"""Facts of the integration room."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from healthvision.kernel.events import Event


@dataclass(frozen=True, slots=True)
class WorkitemChanged(Event):
    """A work item was made, changed, claimed or ended; ``subject``: its id."""

    topic: ClassVar[str] = "integration.workitem_changed.v1"
    space_id: UUID
    state: str
    change: str  # created, updated, state, cancel-requested


@dataclass(frozen=True, slots=True)
class PushEnded(Event):
    """A delivery came to its end; ``subject``: its id. ``state``: done, partly or dead."""

    topic: ClassVar[str] = "integration.push_ended.v1"
    destination_id: UUID
    study_id: UUID
    state: str
    sent: int
    refused: int


@dataclass(frozen=True, slots=True)
class WorklistEntryChanged(Event):
    """A worklist entry was made, cancelled, begun or ended; ``subject``: its id."""

    topic: ClassVar[str] = "integration.worklist_entry_changed.v1"
    space_id: UUID
    state: str
