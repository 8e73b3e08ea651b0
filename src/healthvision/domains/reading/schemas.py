# SPDX-License-Identifier: Apache-2.0
"""Shapes of the worklist; those of verdicts are in ``verdict_schemas``, reports in
``report_schemas``, and all of them are to be had here."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from healthvision.clinical.result import Code, Confidence, EvidenceLevel, Text
from healthvision.kernel.schemas import Input, Read

AiState = Literal["none", "pending", "running", "failed", "abstained", "result"]
PartState = Literal["pending", "running", "failed", "cancelled", "abstained", "result"]
VerdictState = Literal["none", "open", "accepted", "rejected", "modified", "mixed"]
WorklistReport = Literal["none", "draft", "submitted", "final", "amending"]
ReadingPriority = Literal["stat", "urgent", "routine", "bulk"]
Tab = Literal["all", "todo", "review", "mine", "done"]
Order = Literal["urgency", "newest"]
Day = Annotated[str, Field(pattern=r"^\d{8}$")]


class TopFinding(Read):
    """The most severe finding of a study, as the worklist shows it."""

    label: Text
    region: Text
    tracking_uid: str
    code: Code
    category: str = Field(description="'guideline:value', e.g. 'lung-rads-v2022:4A', or ''.")
    confidence: Confidence
    evidence_level: EvidenceLevel


class AiPart(Read):
    """What one application has to say about a study."""

    application: str
    application_version: str
    state: PartState
    task_id: UUID | None
    result_id: UUID | None
    progress: float
    finding_count: int
    verification: str
    error_code: str | None


class AiSummary(Read):
    """What the AI has to say: the state that needs most attention of all applications.

    Only 'result' says that images were judged; 'none', 'pending', 'running', 'failed' and
    'abstained' never mean that a study is normal.
    """

    state: AiState
    finding: TopFinding | None = Field(description="The most severe one; null: none was seen.")
    finding_count: int
    task_id: UUID | None = Field(description="The open or failed task, for progress and retry.")
    result_id: UUID | None = Field(description="The result of the finding, or the newest one.")
    progress: float | None = Field(description="0 to 1 while running, else null.")
    parts: list[AiPart]


class WorklistItem(Read):
    """One study of the worklist."""

    study_id: UUID
    study_uid: str
    spaces: list[str] = Field(description="Slugs of its spaces that the caller may read.")
    patient_ref: UUID
    patient_id: str
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
    received_at: datetime
    priority: ReadingPriority
    deadline_at: datetime | None = Field(description="Of the open analysis; null when it is over.")
    seconds_left: float | None = Field(description="By the server's clock; negative: too late.")
    ai: AiSummary
    verdict_state: VerdictState
    report_state: WorklistReport
    report_id: UUID | None
    author: str
    reviewer: str
    prior_count: int = Field(description="Earlier studies of the patient that the caller sees.")
    revision: int


class WorklistQuery(Input):
    """A search in the worklist; absent fields do not restrict."""

    text: str = Field(
        default="", max_length=200, description="Starts of words of name, ids and description."
    )
    modality: str | None = Field(default=None, pattern=r"^[A-Z0-9]{1,16}$")
    date_from: Day | None = None
    date_to: Day | None = None
    priority: ReadingPriority | None = None
    ai_state: AiState | None = None
    verdict: VerdictState | None = None
    report: WorklistReport | None = None
    space: str | None = Field(default=None, max_length=100, description="Slug or id.")
    patient: UUID | None = None
    tab: Tab = Field(
        default="all",
        description="todo: without a signed report; review: submitted by somebody else; mine: "
        "with a verdict or a report of the caller; done: with a signed report.",
    )
    order: Order = Field(
        default="urgency", description="urgency: STAT first, then by deadline; newest: by date."
    )
    cursor: str | None = Field(default=None, max_length=400)
    limit: int = Field(default=50, ge=1, le=200)


class WorklistPage(Read):
    """One page of the worklist, and the server's time for its countdowns."""

    items: list[WorklistItem]
    next: str | None
    server_time: datetime


class WorklistCounts(Read):
    """How many studies there are, by tab and by state; of those that the caller sees."""

    tabs: dict[str, int]
    ai: dict[str, int]
    report: dict[str, int]
    verdict: dict[str, int]
    open_priority: dict[str, int] = Field(description="Of studies without a signed report.")
    server_time: datetime
