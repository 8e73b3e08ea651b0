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
class KeyObjectsFollowed(Event):
    """Something came into a study that holds key object documents; subject: study id.

    ``note``: instance id of such a document that is new, each told by itself; null: only objects
    that one may name came in. Our own outputs never cause it.
    """

    topic: ClassVar[str] = "archive.key_objects_followed.v1"
    space_id: UUID
    note: UUID | None


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
class StudyCorrected(Event):
    """What is known of a study was corrected, or a correction was taken back; subject: study id.

    ``kind``: of the correction ('study_move', 'patient_merge', 'study_edit', 'reject', ...);
    ``patient_ref``: whose study it is now.
    """

    topic: ClassVar[str] = "archive.study_corrected.v1"
    correction_id: UUID
    kind: str
    patient_ref: UUID
    undone: bool


@dataclass(frozen=True, slots=True)
class StudyRejectionAsked(Event):
    """A rejection note came in and waits for a person; subject: study id."""

    topic: ClassVar[str] = "archive.study_rejection_asked.v1"
    correction_id: UUID


@dataclass(frozen=True, slots=True)
class SeriesMoved(Event):
    """A series went from one study to another one; subject: the study it belongs to now."""

    topic: ClassVar[str] = "archive.series_moved.v1"
    series_id: UUID
    from_study_id: UUID
    patient_ref: UUID


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
