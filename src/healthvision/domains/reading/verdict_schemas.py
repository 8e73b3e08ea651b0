# SPDX-License-Identifier: Apache-2.0
"""Shapes of verdicts and of the statistics over them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, model_validator

from healthvision.clinical.result import Laterality
from healthvision.kernel.schemas import Input, Moment, Read

Decision = Literal["accept", "reject", "modify"]
ReasonCode = Literal[
    "",
    "false-positive",
    "benign",
    "known-before",
    "wrong-place",
    "wrong-size",
    "wrong-category",
    "image-quality",
    "missed-finding",
    "other",
]
Coordinate = Annotated[float, Field(ge=-10_000, le=10_000)]


class NumberChange(Input):
    """A corrected number; unit and meaning stay as the application gave them."""

    code: str = Field(min_length=1, max_length=64, description="Code value of the measurement.")
    label: str = Field(
        default="",
        max_length=200,
        description="English label, where several measurements have one code.",
    )
    value: float = Field(ge=-1e9, le=1e9)


class CategoryChange(Input):
    """A corrected guideline category."""

    guideline: str = Field(min_length=1, max_length=64)
    value: str = Field(min_length=1, max_length=64)


class FindingChanges(Input):
    """What a doctor corrects on a finding; absent parts stay as the application gave them."""

    label: str | None = Field(default=None, min_length=1, max_length=200)
    region: str | None = Field(default=None, min_length=1, max_length=200)
    laterality: Laterality | None = None
    position_lps_mm: tuple[Coordinate, Coordinate, Coordinate] | None = None
    measurements: list[NumberChange] = Field(default_factory=list, max_length=50)
    categories: list[CategoryChange] = Field(default_factory=list, max_length=20)
    description: str | None = Field(default=None, max_length=2000)


class VerdictCreate(Input):
    """A doctor's verdict on a finding, or on the whole result when no finding is named.

    The same reader's verdict on the same thing is replaced; the older one stays in the history.
    """

    tracking_uid: str = Field(default="", max_length=64, description="Of the finding; '': all.")
    decision: Decision
    reason_code: ReasonCode = ""
    reason: str = Field(default="", max_length=2000)
    changes: FindingChanges | None = Field(
        default=None, description="Given exactly when the decision is 'modify'."
    )

    @model_validator(mode="after")
    def _changes_when_modified(self) -> "VerdictCreate":
        given = self.changes is not None and self.changes != FindingChanges()
        if (self.decision == "modify") != given:
            raise ValueError("changes: needed to modify, and only then")
        return self


class VerdictRead(Read):
    """A verdict as the caller gets it."""

    id: UUID
    result_id: UUID
    study_id: UUID
    tracking_uid: str
    tracking_id: str
    decision: Decision
    reason_code: ReasonCode
    reason: str
    changes: FindingChanges | None
    reader: str
    reader_name: str
    mine: bool
    active: bool = Field(description="False: replaced or taken back.")
    replaces: UUID | None
    created_at: datetime
    ended_at: datetime | None
    end_reason: Literal["replaced", "withdrawn"] | None
    application: str
    application_version: str


class ResultVerdicts(Read):
    """What doctors said of one result: what holds now, and everything that was said."""

    result_id: UUID
    verification: str
    active: list[VerdictRead] = Field(description="One per finding and reader, newest first.")
    history: list[VerdictRead] = Field(description="All verdicts, newest first.")


class VerdictQuery(Input):
    """A search for verdicts, e.g. as labels for training; absent fields do not restrict."""

    study: UUID | None = None
    application: str | None = Field(default=None, max_length=64)
    application_version: str | None = Field(default=None, max_length=64)
    decision: Decision | None = None
    mine: bool = False
    active: bool = Field(default=True, description="False: replaced and withdrawn ones, too.")
    made_from: Moment | None = None
    made_to: Moment | None = None
    cursor: str | None = Field(default=None, max_length=400)
    limit: int = Field(default=50, ge=1, le=1000)


class Rate(Read):
    """A share of n with its Wilson score interval (95 %); null when n is 0."""

    count: int
    n: int
    share: float | None
    low: float | None
    high: float | None


class AgreementGroup(Read):
    """Verdicts of one group: a category, a band of sizes or of confidences."""

    name: str
    accepted: Rate
    rejected: Rate
    modified: Rate


class ReaderPair(Read):
    """How far two readers agreed on the same things; Cohen's kappa over the three decisions."""

    reader_a: str
    reader_b: str
    n: int
    observed: float
    kappa: float | None = Field(description="null: both always decided the same one way.")


class Agreement(Read):
    """How far doctors agreed with one version of one application."""

    application: str
    application_version: str
    results: int = Field(description="Results with at least one verdict.")
    readers: int
    total: AgreementGroup
    by_category: list[AgreementGroup]
    by_size: list[AgreementGroup]
    by_confidence: list[AgreementGroup]
    pairs: list[ReaderPair]


class AgreementQuery(Input):
    """Which verdicts count; only active ones do."""

    application: str | None = Field(default=None, max_length=64)
    space: str | None = Field(default=None, max_length=100)
    made_from: Moment | None = None
    made_to: Moment | None = None


class AgreementReport(Read):
    """Agreement statistics per application version."""

    items: list[Agreement]
    made_at: datetime
