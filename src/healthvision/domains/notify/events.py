# SPDX-License-Identifier: Apache-2.0
"""Facts of the notify room."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from healthvision.kernel.events import Event


@dataclass(frozen=True, slots=True)
class DeliveryGivenUp(Event):
    """A delivery failed for good; ``subject`` is the subscription."""

    topic: ClassVar[str] = "notify.delivery_given_up.v1"
    delivery_id: UUID
    event_id: UUID
    attempts: int
