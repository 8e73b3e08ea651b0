# SPDX-License-Identifier: Apache-2.0
"""Facts the archive tells; ids only."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from healthvision.kernel.events import Event


@dataclass(frozen=True, slots=True)
class InstancesStored(Event):
    """New instances of one study are kept; subject: study id.

    ``origin``: kind of door ('dicomweb', 'dimse', 'upload', 'folder', 'healthvision', ...).
    """

    topic: ClassVar[str] = "archive.instances_stored.v1"
    space_id: UUID
    count: int
    origin: str


@dataclass(frozen=True, slots=True)
class StudyComplete(Event):
    """No more instances are expected in this space; subject: study id.

    Published once per ``generation``; late instances lead to a further generation.
    ``last_instance_at``: ISO 8601 time at which the last instance was acknowledged (T0 of the
    deadline clock). ``reason``: 'quiet' or 'closed'. Our own outputs never cause it.
    """

    topic: ClassVar[str] = "archive.study_complete.v1"
    space_id: UUID
    origin: str
    last_instance_at: str
    reason: str
    generation: int


@dataclass(frozen=True, slots=True)
class StudyDeleted(Event):
    """A study is marked as deleted and visible to nobody; subject: study id."""

    topic: ClassVar[str] = "archive.study_deleted.v1"


@dataclass(frozen=True, slots=True)
class StudyPurged(Event):
    """The bytes and rows of a deleted study are gone for good; subject: study id."""

    topic: ClassVar[str] = "archive.study_purged.v1"


@dataclass(frozen=True, slots=True)
class StudyMoved(Event):
    """A study was added to or taken out of a space; subject: study id."""

    topic: ClassVar[str] = "archive.study_moved.v1"
    space_id: UUID
    added: bool


@dataclass(frozen=True, slots=True)
class ObjectQuarantined(Event):
    """Refused bytes are kept in quarantine; subject: quarantine id."""

    topic: ClassVar[str] = "archive.object_quarantined.v1"
    space_id: UUID | None
    reason: str


@dataclass(frozen=True, slots=True)
class UploadTakenIn(Event):
    """An upload is taken in (or failed); subject: upload id."""

    topic: ClassVar[str] = "archive.upload_taken_in.v1"
    state: str


@dataclass(frozen=True, slots=True)
class DamageFound(Event):
    """Stored bytes fail their check; subject: study id. Counts of what was not known before.

    ``instances``: whose bytes cannot be given out any more; ``parts``: other parts of objects.
    """

    topic: ClassVar[str] = "archive.damage_found.v1"
    instances: int
    parts: int
