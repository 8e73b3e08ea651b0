# SPDX-License-Identifier: Apache-2.0
"""What goes into and comes out of the integration room."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from healthvision.kernel.schemas import Input, Read

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


# Destinations

SegForm = Literal["none", "binary", "labelmap"]
PushState = Literal["waiting", "sending", "done", "partly", "dead"]
ObjectState = Literal["waiting", "sent", "known", "refused", "missing"]
CommitmentState = Literal["none", "asked", "confirmed", "refused", "unanswered"]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")]
Kind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,29}$")]
Note = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f]*$")]


class Profile(Input):
    """Which objects of a study go to a destination."""

    seg: SegForm = Field(
        default="binary",
        description="Segmentations of AI results: 'binary' (any viewer), 'labelmap' (as stored).",
    )
    sr: bool = Field(default=True, description="Structured reports of AI results (TID 1500).")
    key_images: bool = Field(default=False, description="Key images (secondary capture).")
    pdf: bool = Field(default=False, description="Reports as encapsulated PDF.")
    images: bool = Field(default=False, description="Everything that is not a result of ours.")


class DestinationCreate(Input):
    """A new destination. ``config`` depends on its kind: see ``/v1/destinations/kinds``."""

    name: Name
    kind: Kind = Field(examples=["dicom", "dicomweb"])
    config: dict[str, Any] = Field(examples=[{"remote_ae": "PACS", "calling": "HEALTHVISION"}])
    spaces: list[str] = Field(
        default_factory=list, max_length=100, description="Slugs or ids; empty: all spaces."
    )
    profile: Profile = Field(default_factory=Profile)
    enabled: bool = True
    automatic: bool = Field(
        default=True, description="False: sends only what somebody asks for by hand."
    )
    commit: bool = Field(
        default=False, description="Ask for storage commitment after each delivery (DICOM only)."
    )


class DestinationChange(Input):
    """Changes of a destination; an absent field stays. ``config`` is replaced as a whole.

    A secret that is left out of a new ``config`` stays as it was.
    """

    name: Name | None = None
    config: dict[str, Any] | None = None
    spaces: list[str] | None = Field(default=None, max_length=100)
    profile: Profile | None = None
    enabled: bool | None = None
    automatic: bool | None = None
    commit: bool | None = None


class DestinationRead(Read):
    """A destination as the caller gets it; secrets are shown as '***'."""

    id: UUID
    name: str
    kind: str
    config: dict[str, Any]
    spaces: list[UUID] = Field(description="Empty: all spaces.")
    profile: Profile
    enabled: bool
    automatic: bool
    commit: bool
    created_by: str
    created_at: datetime
    updated_at: datetime


class DestinationKind(Read):
    """A kind of destination and the JSON schema of its ``config``."""

    name: str
    config: dict[str, Any]


class Trial(Read):
    """What a test call to a destination found; ``detail``: what the other side said."""

    ok: bool
    detail: str
    milliseconds: int


class SendRequest(Input):
    """Send a study to a destination now."""

    destination: UUID
    profile: Profile | None = Field(default=None, description="Null: the destination's own.")
    task_id: UUID | None = Field(
        default=None, description="Only the results of this analysis task; null: of all."
    )
    again: bool = Field(
        default=False, description="True: also what the destination acknowledged before."
    )


class PushRead(Read):
    """One delivery: what one cause sends to one destination, and how far it is."""

    id: UUID
    destination_id: UUID
    study_id: UUID
    cause: str
    state: PushState
    total: int = Field(description="Objects to send; known once the delivery began.")
    sent: int
    refused: int = Field(description="Objects the destination does not take.")
    attempts: int
    next_at: datetime | None = Field(description="When the next try is due.")
    last_error: str
    commitment: CommitmentState
    requested_by: str
    created_at: datetime
    ended_at: datetime | None


class PushedObjectRead(Read):
    """One object of a delivery. ``known``: the destination acknowledged it earlier."""

    sop_class_uid: str
    sop_uid: str
    state: ObjectState
    reason: str = Field(description="What the destination said of it.")
    sent_at: datetime | None


class PushDetail(PushRead):
    """A delivery with its objects, those that were refused first; at most 1,000."""

    objects: list[PushedObjectRead]


# Worklist

EntryState = Literal["scheduled", "in_progress", "completed", "discontinued", "cancelled"]


def _no_backslash(value: str) -> str:
    if "\\" in value or any(ord(c) < 32 for c in value):
        raise ValueError("no backslash and no control characters")
    return value.strip(" ")


def _filled(value: str) -> str:
    if not value.strip("=^ "):
        raise ValueError("must not be empty")
    return value


Short = Annotated[str, AfterValidator(_no_backslash), Field(max_length=16)]
Long = Annotated[str, AfterValidator(_no_backslash), Field(max_length=64)]
PersonName = Annotated[str, AfterValidator(_no_backslash), Field(max_length=194)]
Uid = Annotated[str, Field(pattern=r"^$|^[0-2](\.(0|[1-9]\d*)){1,31}$", max_length=64)]
LocalTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$")]
CodeString = Annotated[str, Field(pattern=r"^[A-Z0-9_ ]{0,16}$")]


class WorklistEntryCreate(Input):
    """One scheduled procedure step. Names are in DICOM form, e.g. 'Wang^Min=王^敏'."""

    space: str = Field(default="default", max_length=100, description="Slug or id of the space.")
    patient_id: Annotated[Long, AfterValidator(_filled)]
    issuer_of_patient_id: Long = ""
    patient_name: Annotated[PersonName, AfterValidator(_filled)] = Field(
        examples=["Wang^Min=王^敏"]
    )
    patient_birth_date: date | None = None
    patient_sex: Literal["", "M", "F", "O"] = ""
    patient_weight_kg: float | None = Field(default=None, gt=0, lt=1000)
    medical_alerts: Long = ""
    allergies: Long = ""
    special_needs: Long = ""
    pregnancy_status: int = Field(
        default=4,
        ge=1,
        le=4,
        description="PS3.3 C.2-3: 1 not, 2 possibly, 3 definitely pregnant, 4 unknown.",
    )
    accession_number: Short = ""
    study_uid: Uid = Field(default="", description="Empty: a new one.")
    procedure_id: Short = Field(default="", description="Empty: a new one.")
    procedure_description: Long = ""
    requesting_physician: PersonName = ""
    referring_physician: PersonName = ""
    priority: Literal["STAT", "HIGH", "ROUTINE", "MEDIUM", "LOW"] = "ROUTINE"
    modality: Annotated[CodeString, AfterValidator(_filled)] = Field(examples=["CT"])
    station_ae: Short = Field(default="", description="AE title; empty: any station may do it.")
    station_name: Short = ""
    location: Short = ""
    scheduled_date: date = Field(description="Local date of the department.")
    scheduled_time: LocalTime = Field(default="00:00", description="Local time, without a zone.")
    step_id: Short = Field(default="", description="Empty: a new one.")
    step_description: Long = ""
    performing_physician: PersonName = ""


class WorklistEntryRead(Read):
    """A scheduled procedure step as the caller gets it."""

    id: UUID
    space_id: UUID
    step_id: str
    study_uid: str
    accession_number: str
    patient_id: str
    patient_name: str
    modality: str
    station_ae: str
    scheduled_date: date
    scheduled_time: str = Field(description="Local time of the department, 'HH:MM:SS'.")
    procedure_description: str
    state: EntryState
    performed: list["PerformedStepRead"] = Field(description="What modalities told (MPPS).")
    created_at: datetime
    updated_at: datetime


class PerformedStepRead(Read):
    """What a modality told of a step: its UID, state, station and series."""

    uid: str
    state: str
    station_ae: str
    series: list[str]
    updated_at: datetime
