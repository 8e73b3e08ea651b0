# SPDX-License-Identifier: Apache-2.0
"""Facts about spaces."""

from dataclasses import dataclass
from typing import ClassVar

from healthvision.kernel.events import Event


@dataclass(frozen=True, slots=True)
class SpaceCreated(Event):
    """A new space; the subject is its id."""

    topic: ClassVar[str] = "spaces.space_created.v1"


@dataclass(frozen=True, slots=True)
class SpaceRemoved(Event):
    """A space is gone; studies stay in their other spaces. The subject is its id."""

    topic: ClassVar[str] = "spaces.space_removed.v1"
