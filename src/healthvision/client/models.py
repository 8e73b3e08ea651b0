# SPDX-License-Identifier: Apache-2.0
"""What the server answers, as frozen pydantic models; members a newer server adds are kept."""

from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class Model(BaseModel):
    """Base of all answers; further members are reachable through ``model_extra``."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Page(Model, Generic[T]):
    """One page of a list. ``next`` goes back as ``cursor``; None on the last page."""

    items: list[T]
    next: str | None = None
    total: int | None = None


class Text(Model):
    """The same words in both languages."""

    zh: str
    en: str


class Series(Model):
    """One series of a study."""

    id: UUID
    series_uid: str
    modality: str
    number: int | None = None
    description: str = ""
    instance_count: int = 0


class StudySpace(Model):
    """The state of a study in one of its spaces: 'receiving' or 'complete'."""

    space_id: UUID
    slug: str
    state: str
    generation: int = 0


class Study(Model):
    """One study; ``series`` and ``spaces`` are filled when it was asked for alone."""

    id: UUID
    study_uid: str
    patient_id: str = ""
    patient_name: str = ""
    accession_number: str = ""
    study_date: str = ""
    description: str = ""
    modalities: list[str] = []
    series_count: int = 0
    instance_count: int = 0
    size: int = 0
    series: list[Series] = []
    spaces: list[StudySpace] = []


class UploadPart(Model):
    """Bytes ``offset .. offset + size`` go by ``method`` to ``url``."""

    number: int
    offset: int
    size: int
    done: bool
    method: str
    url: str
    headers: dict[str, str]


class UploadResult(Model):
    """What became of one file of an upload."""

    name: str
    outcome: str
    reason: str = ""
    study_id: UUID | None = None
    sop_uid: str = ""


class Upload(Model):
    """An upload. ``state``: waiting, queued, taking_in, done or failed."""

    id: UUID
    filename: str
    kind: str
    size: int
    state: str
    parts: list[UploadPart] = []
    progress: float = 0.0
    stored: int = 0
    skipped: int = 0
    failed: int = 0
    results: list[UploadResult] = []
    studies: list[UUID] = []
    error: str | None = None


class Stored(Model):
    """One object the store request kept. ``warning``: Warning Reason (0008,1196), if any."""

    sop_class_uid: str
    sop_uid: str
    url: str
    warning: int | None = None


class Refused(Model):
    """One object the store request did not keep visible; ``reason``: Failure Reason (0008,1197)."""

    sop_class_uid: str
    sop_uid: str
    reason: int
    detail: str = ""


class StoreResult(Model):
    """The answer to a STOW-RS request. ``status``: 200, 202 (some refused) or 409 (all)."""

    status: int
    stored: list[Stored]
    refused: list[Refused]


class DeviceStart(Model):
    """The beginning of a sign-in by device code; times in seconds."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str = ""
    expires_in: int
    interval: int = 5


class TokenAnswer(Model):
    """Tokens; ``expires_in``: life of the access token in seconds."""

    access_token: str
    refresh_token: str = ""
    expires_in: int = 300
    scope: str = ""


FINISHED = frozenset({"done", "failed", "cancelled"})


class Task(Model):
    """One analysis task. ``state``: queued, running, done, failed or cancelled."""

    id: UUID
    state: str
    study_id: UUID
    study_uid: str = ""
    application: str = ""
    application_version: str = ""
    priority: str = "routine"
    progress: float = 0.0
    stage: str = ""
    error_code: str | None = None
    error_detail: str | None = None
    deadline_at: datetime | None = None
    seconds_left: float | None = None
    result_id: UUID | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in FINISHED


class BatchItem(Model):
    """One study of a batch."""

    number: int
    study_id: UUID
    state: str
    task_id: UUID | None = None
    result_id: UUID | None = None
    error_code: str | None = None
    error_detail: str | None = None


class Batch(Model):
    """Studies analysed together, and how far it is."""

    id: UUID
    total: int
    done: int
    failed: int
    open: int
    finished: bool
    items: list[BatchItem] = []


class Confidence(Model):
    """A computed probability, or None with the reason why there is none."""

    value: float | None = None
    reason_absent: Text | None = None
    method: str = ""


class Measurement(Model):
    """One number with its UCUM unit."""

    label: Text
    value: float
    unit: str


class Category(Model):
    """A guideline category; ``trace`` lets it be recomputed by hand."""

    guideline: str
    value: str
    trace: list[dict[str, Any]] = []


class Finding(Model):
    """One thing the application saw."""

    tracking_id: str
    label: Text
    confidence: Confidence
    evidence_level: str
    measurements: list[Measurement] = []
    categories: list[Category] = []
    location: dict[str, Any] = {}


class Output(Model):
    """One stored output; its bytes come by ``download_output``."""

    name: str
    kind: str
    sop_instance_uid: str | None = None
    series_uid: str | None = None
    sha256: str = ""


class Result(Model):
    """The whole answer of one application about one study."""

    id: str
    task_id: str | None = None
    space_id: str | None = None
    study_uid: str
    status: str
    verification: str = "ai-unverified"
    summary: Text
    abstained_reason: Text | None = None
    findings: list[Finding] = []
    measurements: list[Measurement] = []
    gates: list[dict[str, Any]] = []
    outputs: list[Output] = []
    version: int = 1
    supersedes: str | None = None
    superseded_by: str | None = None


class ResultItem(Model):
    """One line of a list of results."""

    id: UUID
    task_id: UUID
    study_id: UUID
    study_uid: str
    application_id: str
    application_version: str
    version: int
    status: str
    verification: str = "ai-unverified"
    worst_category: str = ""
    finding_count: int = 0
    superseded_by: UUID | None = None


class AiModel(Model):
    """One application (AI model) of the installation."""

    id: str
    version: str
    title: Text
    evidence_level: str = ""
    licence: str = ""


class Subscription(Model):
    """A wish to be told; ``secret`` is there only in the answer to its creation."""

    id: UUID
    name: str
    topics: list[str]
    channel: str
    config: dict[str, Any] = {}
    enabled: bool = True
    secret: str | None = Field(default=None, repr=False)


class Delivery(Model):
    """One event on its way to one receiver."""

    id: UUID
    event_id: UUID
    topic: str
    state: str
    attempts: int = 0
    last_error: str | None = None


class AuditEvent(Model):
    """One act as it was recorded."""

    id: UUID
    at: datetime
    actor_kind: str
    actor_id: str
    user_id: UUID | None = None
    action: str
    subject: str | None = None
    outcome: str


class Limit(Model):
    """One published limit with its unit."""

    name: str
    value: float
    unit: str
    note: str = ""


class UploadMeta(BaseModel):
    """What to put into the header of an image or NIfTI file; dates as YYYYMMDD."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    patient_sex: str = ""
    patient_birth_date: str = ""
    accession_number: str = ""
    study_date: str = ""
    study_time: str = ""
    study_description: str = ""
    series_description: str = ""
    modality: str = ""
    body_part: str = ""
    view_position: str = ""
    laterality: str = ""
    study_uid: str = ""
    pixel_spacing_mm: float | None = None


class AuditCheck(Model):
    """What the check of the audit log says; ``kind`` names the first change, if there is one.

    The counts are None for those who do not administer the installation.
    """

    ok: bool
    checked: int | None = None
    sealed: int | None = None
    unsealed: int | None = None
    first_bad: int | None = None
    kind: str | None = None
