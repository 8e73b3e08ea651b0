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
