# SPDX-License-Identifier: Apache-2.0
"""What goes into the archive and comes out of it."""

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, Literal
from uuid import UUID

from pydantic import Field

from healthvision.formats.dicom.coercing import Coerced
from healthvision.formats.dicom.header import InstanceHeader
from healthvision.kernel.schemas import Input, Moment, Read

Json = dict[str, Any]
Entries = Mapping[str, str]  # tag -> '"tag":{...}', the attribute as it stands in DICOM JSON
SearchLevel = Literal["study", "series", "instance"]

OriginKind = Literal[
    "dicomweb", "dimse", "upload", "folder", "hl7", "fhir", "healthvision", "quarantine", "system"
]
Outcome = Literal["stored", "duplicate", "conflict", "quarantined"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Through which door bytes came. ``detail``: AE title, upload id, task id; ids only.

    Kind 'healthvision' marks our own outputs: stored, found and readable like all others, but
    they neither re-open a study nor cause ``StudyComplete``.
    """

    kind: OriginKind
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One object on its way in: a whole Part 10 file.

    ``source``: the bytes, or an open binary file with a descriptor (an unlinked temporary file
    for large objects; see ``archive.service.spool``), read from position 0.
    ``name`` is given back in ``Received.name`` so that callers can match answers to items.
    ``header``: what ``read_header`` said of these very bytes, when the caller read it before.
    """

    source: bytes | BinaryIO
    name: str = ""
    header: InstanceHeader | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Received:
    """The answer to one ``Incoming``; whatever the outcome, its bytes are kept.

    ``conflict``: another object with this SOP Instance UID and other bytes is stored; both are
    kept and ``current`` says whether this one is shown. ``quarantined``: refused with
    ``reason`` (stable word), ``detail`` and ``field``; UIDs are '' when they could not be read.
    """

    name: str
    outcome: Outcome
    study_uid: str = ""
    series_uid: str = ""
    sop_uid: str = ""
    sop_class_uid: str = ""
    study_id: UUID | None = None
    series_id: UUID | None = None
    instance_id: UUID | None = None
    quarantine_id: UUID | None = None
    current: bool = True
    reason: str = ""
    detail: str = ""
    field: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Promised:
    """An object whose bytes are durable; ``answer`` follows its rows.

    ``safe``: the sender may be told that it is stored now. Else ``answer`` is to be waited for.
    """

    answer: "Future[Received]"
    safe: bool


@dataclass(frozen=True, slots=True)
class Location:
    """Where the bytes of one instance lie: a span inside an object of a store."""

    store: str
    object_key: str
    generation: int
    offset: int
    length: int
    key_id: UUID | None  # None: not encrypted
    sha256: str


@dataclass(frozen=True, slots=True)
class InstanceRef:
    """One readable instance: identity, where it lies, and what viewers need to cut it.

    ``frames``: per frame its fragments as (offset, length) in the Part 10 file; see
    ``formats.dicom.header.InstanceHeader``. ``bulk``: path -> (vr, offset, length).
    ``changes``: corrected attributes; with ``head`` all offsets and the size are those of the
    corrected object, without it those of the stored one (see ``coercing``).
    """

    id: UUID
    org_id: UUID
    study_id: UUID
    series_id: UUID
    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class_uid: str
    transfer_syntax: str
    modality: str
    instance_number: int | None
    number_of_frames: int
    rows: int | None
    columns: int | None
    deflated: bool
    encapsulated: bool
    pixel_offset: int | None
    pixel_length: int | None
    frames: tuple[tuple[tuple[int, int], ...], ...]
    bulk: Mapping[str, tuple[str, int, int]]
    location: Location
    received_at: datetime
    origin: str
    patient_ref: UUID
    changes: Mapping[str, Json | None] | None = None
    head: Coerced | None = None

    @property
    def size(self) -> int:
        """Length of the Part 10 file in bytes."""
        if self.head is None:
            return self.location.length
        return self.location.length - self.head.cut + len(self.head.head)

    @property
    def digest(self) -> str:
        """What tells this form of the object from others: SHA-256 of what is stored, and more."""
        if self.head is None:
            return self.location.sha256
        return f"{self.location.sha256}-{self.head.digest}"


@dataclass(frozen=True, slots=True)
class ArchiveQuery:
    """A search in QIDO-RS syntax (PS3.18 8.3.4, matching of PS3.4 C.2.2.2).

    ``filters``: DICOM keyword -> value; ``*`` and ``?`` are wildcards, ``a-b`` a range of dates
    or times, ``\\`` or ``,`` separate UIDs of a list. Study keys may be used on lower levels.
    ``fuzzy``: names match by the start of any word, in any component group.
    ``cursor`` (from ``Found.next``) wins over ``offset``.
    """

    filters: Mapping[str, str] = field(default_factory=dict)
    fuzzy: bool = False
    limit: int = 100
    offset: int = 0
    cursor: str | None = None
    with_total: bool = False


@dataclass(frozen=True, slots=True)
class FoundItem:
    """One match: its ready DICOM JSON (QIDO attributes of its level and above).

    ``uids``: of study, series and instance, down to the level.
    """

    id: UUID
    uids: tuple[str, ...]
    entries: Entries

    @property
    def uid(self) -> str:
        """UID of the match itself."""
        return self.uids[-1]

    @property
    def json(self) -> Json:
        """The attributes, read."""
        return self.attributes(sorted(self.entries))

    def attributes(self, tags: Iterable[str]) -> Json:
        """Return some of the attributes, those that the match has."""
        wanted = (self.entries[tag] for tag in tags if tag in self.entries)
        found: Json = json.loads(f"{{{','.join(wanted)}}}")
        return found


@dataclass(frozen=True, slots=True)
class Found:
    """One page of matches. ``total`` is None unless it was asked for.

    ``exact``: False when there are at least ``total`` matches and not all were counted.
    """

    items: tuple[FoundItem, ...]
    next: str | None
    total: int | None
    exact: bool = True


class StudyRead(Read):
    """A study as the caller gets it."""

    id: UUID
    study_uid: str
    patient_ref: UUID
    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    patient_sex: str
    patient_birth_date: str
    accession_number: str
    study_date: str
    study_time: str
    description: str
    modalities: list[str]
    body_parts: list[str]
    series_count: int
    instance_count: int
    size: int = Field(description="Bytes of all current instances.")
    priority: str = Field(description="Requested Procedure Priority (0040,1003), '' if absent.")
    origins: list[str] = Field(description="Doors through which instances came.")
    legal_hold: bool
    retain_until: datetime | None
    first_received_at: datetime
    last_received_at: datetime


class SeriesRead(Read):
    """A series as the caller gets it."""

    id: UUID
    study_id: UUID
    series_uid: str
    modality: str
    number: int | None
    description: str
    body_part: str
    laterality: str
    protocol_name: str
    manufacturer: str
    station_name: str
    series_date: str
    series_time: str
    sop_class_uid: str
    frame_of_reference_uid: str
    instance_count: int
    size: int
    origin: str


class StudySpace(Read):
    """The state of a study in one of its spaces."""

    space_id: UUID
    slug: str
    state: Literal["receiving", "complete"]
    generation: int = Field(description="How often the study was found complete here.")
    last_instance_at: datetime
    completed_at: datetime | None
    reason: str = Field(description="'quiet', 'closed' or ''.")


class StudyDetail(StudyRead):
    """A study with its series and the spaces the caller may see it in."""

    series: list[SeriesRead]
    spaces: list[StudySpace]


class InstanceRead(Read):
    """An instance as the caller gets it; ``sha256`` is of the whole Part 10 file."""

    id: UUID
    study_id: UUID
    series_id: UUID
    sop_uid: str
    sop_class_uid: str
    transfer_syntax: str
    instance_number: int | None
    number_of_frames: int
    rows: int | None
    columns: int | None
    size: int
    sha256: str
    origin: str
    received_at: datetime
    current: bool = Field(description="False: another object with the same UID is shown.")
    conflict: bool = Field(description="True: several objects have this SOP Instance UID.")


class StudyChange(Input):
    """What an administrator may change on a study; absent fields stay as they are."""

    legal_hold: bool | None = Field(default=None, description="null: stays as it is.")
    retain_until: Moment | None = Field(
        default=None, description="Not deleted before this time; null lifts it."
    )


class StudyClose(Input):
    """An explicit end of a study by its sender."""

    space: str = Field(default="default", max_length=100, description="Slug or id of the space.")


class SpaceAdd(Input):
    """A further space for a study."""

    space: str = Field(max_length=100, description="Slug or id of the space.")


UploadKind = Literal["dicom", "zip", "nifti", "image"]
UploadState = Literal["waiting", "queued", "taking_in", "done", "failed"]


class UploadMeta(Input):
    """What the caller knows about an image or NIfTI file, which carries no header of its own.

    Dates as YYYYMMDD. Missing patient id: one is made for this upload.
    """

    patient_id: str = Field(default="", max_length=64)
    issuer_of_patient_id: str = Field(default="", max_length=64)
    patient_name: str = Field(default="", max_length=200)
    patient_sex: Literal["", "M", "F", "O"] = ""
    patient_birth_date: str = Field(default="", pattern=r"^(\d{8})?$")
    accession_number: str = Field(default="", max_length=16)
    study_date: str = Field(default="", pattern=r"^(\d{8})?$")
    study_time: str = Field(default="", pattern=r"^(\d{6})?$")
    study_description: str = Field(default="", max_length=64)
    series_description: str = Field(default="", max_length=64)
    modality: str = Field(default="", max_length=16, pattern=r"^[A-Z0-9_]*$")
    body_part: str = Field(default="", max_length=16, pattern=r"^[A-Z0-9_ ]*$")
    view_position: str = Field(default="", max_length=16, pattern=r"^[A-Z0-9_ ]*$")
    laterality: Literal["", "R", "L", "B", "U"] = ""
    study_uid: str = Field(default="", max_length=64, pattern=r"^([0-9.]+)?$")
    pixel_spacing_mm: float | None = Field(default=None, gt=0, le=100)


class UploadCreate(Input):
    """A file to be uploaded; the answer has the URLs to PUT its bytes to."""

    filename: str = Field(min_length=1, max_length=255)
    size: int = Field(gt=0, description="Exact size in bytes.")
    content_type: str = Field(default="application/octet-stream", max_length=100)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    space: str = Field(default="default", max_length=100, description="Slug or id of the space.")
    meta: UploadMeta = UploadMeta()


class UploadPart(Read):
    """One piece of the file: PUT bytes ``offset .. offset + size`` to ``url`` with ``headers``.

    To resume, ask for the upload again and send the parts that are not ``done``.
    """

    number: int
    offset: int
    size: int
    done: bool
    method: str
    url: str
    headers: dict[str, str]
    expires_at: datetime


class UploadResult(Read):
    """What became of one file of the upload."""

    name: str
    outcome: Literal["stored", "duplicate", "conflict", "quarantined", "skipped", "failed"]
    reason: str
    study_id: UUID | None
    sop_uid: str


class UploadRead(Read):
    """An upload and how far it is."""

    id: UUID
    filename: str
    kind: UploadKind
    size: int
    content_type: str
    sha256: str | None
    space_id: UUID
    state: UploadState
    parts: list[UploadPart]
    progress: float = Field(description="0 to 1 while the files are taken in.")
    stored: int
    skipped: int
    failed: int
    results: list[UploadResult] = Field(description="At most 10,000 files; see the counts.")
    studies: list[UUID] = Field(description="Studies that got instances from this upload.")
    error: str | None
    created_at: datetime
    expires_at: datetime


class UploadComplete(Input):
    """The end of an upload."""

    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


class QuarantineRead(Read):
    """One refused object and why; its bytes are kept until an administrator decides."""

    id: UUID
    space_id: UUID | None
    reason: str
    detail: str
    field: str
    origin: str
    size: int
    sha256: str
    state: Literal["held", "released", "deleted"]
    created_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None


class ReceivedRead(Read):
    """The answer to one object that was taken in again out of quarantine."""

    outcome: Outcome
    study_id: UUID | None
    sop_uid: str
    reason: str
    detail: str


class ArchiveLimits(Read):
    """The published limits of what comes in."""

    image_bytes: int
    study_bytes: int
    zip_expanded_bytes: int
    zip_ratio: int
    part_bytes: int


class Integrity(Read):
    """What the archive stores in series objects, what was checked, and what is damaged."""

    packs: int = Field(description="Series objects in use.")
    bytes: int
    garbage_bytes: int = Field(description="Of purged instances; removed by compaction.")
    never_verified: int = Field(description="Objects not read again since they were made.")
    verified_since: datetime | None = Field(description="All other objects were checked after.")
    damaged_packs: int
    damaged_instances: int = Field(description="Whose bytes cannot be given out any more.")
    unsealed_instances: int = Field(description="Still in a journal.")
