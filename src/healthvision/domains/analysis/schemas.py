# SPDX-License-Identifier: Apache-2.0
"""What goes into the analysis room and comes out of it."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from healthvision.clinical.result import Finding, Priority, Result, Text
from healthvision.kernel.schemas import Input, Moment, Read

TaskState = Literal["queued", "running", "done", "failed", "cancelled"]
ParameterValue = str | int | float | bool
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
ApplicationId = Annotated[str, Field(min_length=1, max_length=64)]
Expression = Annotated[str, Field(min_length=1, max_length=2000)]
RuleName = Annotated[str, Field(min_length=1, max_length=100)]
Day = Annotated[date, Field(ge=date(1970, 1, 1), le=date(2200, 12, 31))]


class TaskCreate(Input):
    """A wish to analyse a study. Without ``application`` one is picked by content."""

    study_id: UUID
    space: str | None = Field(
        default=None, max_length=100, description="Slug or id; default: the study's first space."
    )
    application: ApplicationId | None = None
    priority: Priority | None = Field(
        default=None, description="Default: Requested Procedure Priority (0040,1003), or routine."
    )
    seed: Seed = 0
    parameters: dict[Annotated[str, Field(max_length=64)], ParameterValue] = Field(
        default_factory=dict, max_length=50
    )
    force: bool = Field(
        default=False,
        description="True: run again though an equal task exists; makes a new result version.",
    )


class TaskChange(Input):
    """What may be changed on a waiting task."""

    priority: Priority


class TaskRead(Read):
    """A task as the caller gets it."""

    id: UUID
    study_id: UUID
    study_uid: str
    space_id: UUID
    application: str
    application_version: str
    task_key: str = Field(description="Digest of application, version, weights and image inputs.")
    run: int = Field(description="1, 2, ... of forced repeats with the same key.")
    priority: Priority
    source: Literal["request", "rule", "batch"]
    rule_id: UUID | None
    requested_by: str
    state: TaskState
    progress: float = Field(description="0 to 1.")
    stage: str
    revision: int
    attempts: int
    error_code: str | None
    error_detail: str | None
    error_ref: str | None = Field(
        description="Names the failed work in the logs of the workers; tell it to support."
    )
    preemptions: int = Field(description="How often it was stopped to make room for a STAT task.")
    requeued_reason: str | None = Field(description="Why the task waits again.")
    created_at: datetime
    last_instance_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime | None
    deadline_missed: bool
    seconds_left: float | None = Field(
        description="To the deadline, negative when it is over; null without deadline or at end."
    )
    expected_at: datetime | None = Field(
        description="When the result of a waiting or running task is expected, by the run times "
        "of this application and the tasks before it; null when none ran yet or it is at its end."
    )
    notified_at: datetime | None = Field(
        description="When the first notice of the result had left: the clock ends here."
    )
    notice: Literal["waiting", "delivered", "published", "undelivered"] | None = Field(
        description="published: nobody subscribes, so the clock ended with the result itself; "
        "undelivered: every channel gave up."
    )
    result_id: UUID | None


class Submitted(Read):
    """The task for a wish, and whether it is a new one."""

    task: TaskRead
    created: bool


class OutputRead(Read):
    """One output of a result."""

    name: str
    kind: str
    sop_uid: str | None
    series_uid: str | None
    sha256: str
    size: int


class ResultItem(Read):
    """A result in a list."""

    id: UUID
    task_id: UUID
    study_id: UUID
    study_uid: str
    space_id: UUID
    patient_ref: UUID
    patient_id: str | None
    study_date: str | None
    application_id: str
    application_version: str
    version: int
    status: str
    verification: str
    priority: str
    worst_category: str
    finding_count: int
    supersedes: UUID | None
    superseded_by: UUID | None
    created_at: datetime


class ResultRead(Read):
    """A full result with its list entry and its outputs."""

    item: ResultItem
    result: Result
    outputs: list[OutputRead]


class ResultQuery(Input):
    """A search for results; absent fields do not restrict."""

    patient: UUID | None = None
    patient_id: str | None = Field(default=None, max_length=64)
    study: UUID | None = None
    study_uid: str | None = Field(default=None, max_length=64)
    space: str | None = Field(default=None, max_length=100)
    task: UUID | None = None
    application: str | None = Field(default=None, max_length=64)
    application_version: str | None = Field(default=None, max_length=64)
    status: Literal["complete", "abstained"] | None = None
    verification: Literal["ai-unverified", "accepted", "rejected", "modified"] | None = None
    code: str | None = Field(default=None, max_length=64, description="Code value of a finding.")
    category: str | None = Field(default=None, max_length=64, description="E.g. '4A'.")
    confidence_min: float | None = Field(default=None, ge=0, le=1)
    confidence_max: float | None = Field(default=None, ge=0, le=1)
    study_date_from: str | None = Field(default=None, pattern=r"^\d{8}$")
    study_date_to: str | None = Field(default=None, pattern=r"^\d{8}$")
    made_from: Moment | None = None
    made_to: Moment | None = None
    current: bool = Field(default=False, description="True: leave out superseded versions.")
    cursor: str | None = Field(default=None, max_length=400)
    limit: int = Field(default=50, ge=1, le=1000)


class FindingChange(Read):
    """One lesion of a comparison: the same tracking UID (or place) in both versions."""

    change: Literal["same", "changed", "added", "removed"]
    label: Text
    before: Finding | None
    after: Finding | None
    differences: list[str] = Field(description="Names of the parts that differ.")


class Comparison(Read):
    """Two results of the same study and application side by side."""

    before: ResultItem
    after: ResultItem
    same_inputs: bool
    same_application: bool
    same_environment: bool
    findings: list[FindingChange]
    measurements: list["MeasurementChange"]


class MeasurementChange(Read):
    """One measurement of the study as a whole in both results."""

    label: Text
    unit: str
    before: float | None
    after: float | None


class RuleTest(Input):
    """One example that must hold whenever the rule is saved."""

    attributes: dict[Annotated[str, Field(max_length=64)], ParameterValue] = Field(max_length=100)
    expect: bool


class RuleCreate(Input):
    """A new rule of a space."""

    name: RuleName
    space: str = Field(default="default", max_length=100, description="Slug or id of the space.")
    expression: Expression = Field(description="CEL over attributes of a series and its study.")
    applications: list[ApplicationId] = Field(
        default_factory=list, max_length=50, description="Empty: every application that fits."
    )
    priority: Priority | None = None
    enabled: bool = True
    tests: list[RuleTest] = Field(default_factory=list, max_length=50)


class RuleChange(Input):
    """Changes to a rule; absent fields stay."""

    name: RuleName | None = None
    expression: Expression | None = None
    applications: list[ApplicationId] | None = Field(default=None, max_length=50)
    priority: Priority | None = None
    enabled: bool | None = None
    tests: list[RuleTest] | None = Field(default=None, max_length=50)


class RuleRead(Read):
    """A rule as the caller gets it."""

    id: UUID
    space_id: UUID
    name: str
    expression: str
    applications: list[str]
    priority: Priority | None
    enabled: bool
    is_default: bool
    tests: list[RuleTest]
    created_at: datetime


class RuleAttribute(Read):
    """One attribute a rule may use; ``has_<name>`` tells whether it is there."""

    name: str
    type: Literal["string", "int", "double", "bool"]


class RuleDryRun(Input):
    """A rule to be tried on studies that are already here; nothing is submitted."""

    space: str = Field(default="default", max_length=100)
    expression: Expression
    applications: list[ApplicationId] = Field(default_factory=list, max_length=50)
    tests: list[RuleTest] = Field(default_factory=list, max_length=50)
    limit: int = Field(default=50, ge=1, le=200, description="How many of the newest studies.")


class DryRunStudy(Read):
    """What the rule would do with one study."""

    study_id: UUID
    study_uid: str
    matched_series: list[str]
    applications: list[str]


class DryRunRead(Read):
    """The outcome of a dry run."""

    studies: int
    matched: int
    items: list[DryRunStudy]


class BatchCreate(Input):
    """Studies to analyse together."""

    studies: list[UUID] = Field(min_length=1)
    title: str = Field(default="", max_length=200)
    application: ApplicationId | None = None
    priority: Priority = Priority.BULK
    force: bool = False


class BatchItemRead(Read):
    """One study of a batch."""

    number: int
    study_id: UUID
    task_id: UUID | None
    state: TaskState
    result_id: UUID | None
    error_code: str | None
    error_detail: str | None


class BatchRead(Read):
    """A batch and how far it is."""

    id: UUID
    title: str
    application: str | None
    priority: Priority
    created_at: datetime
    total: int
    done: int
    failed: int
    open: int
    finished: bool
    items: list[BatchItemRead]


class AnalysisLimits(Read):
    """The published limits of analysis."""

    max_open_tasks: int
    open_tasks: int
    batch_limit: int
    stat_seconds: float
    urgent_seconds: float
    routine_seconds: float


class DeadlineQuery(Input):
    """Which days to count; without any, the last seven."""

    first_day: Day | None = None
    last_day: Day | None = None
    utc_offset_minutes: int = Field(
        default=0, ge=-840, le=840, description="Of the zone whose days are meant; China: 480."
    )
    application: str | None = Field(default=None, max_length=64)


class DeadlineDay(Read):
    """The tasks of one priority whose deadline fell on one day."""

    day: date
    priority: Priority
    kept: int = Field(description="Done, and their result delivered, before the deadline.")
    missed: int = Field(description="Late, whether they ended or not.")
    failed: int = Field(description="Failed before the deadline: there is no result.")
    open: int = Field(description="Not done or not delivered yet, and still in time.")


class DeadlineReport(Read):
    """How deadlines were kept; days and priorities without a task are left out."""

    first_day: date
    last_day: date
    days: list[DeadlineDay]
    stat_seconds: float
    urgent_seconds: float
    routine_seconds: float
