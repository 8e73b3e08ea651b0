# SPDX-License-Identifier: Apache-2.0
"""Finding and Result: the one contract from which JSON, SR, SEG, PDF, FHIR, UI and BI derive."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION = "1.0"

Point = tuple[float, float, float]


class Value(BaseModel):
    """Base of every value type here: frozen, closed, and free of NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=False)


class EvidenceLevel(StrEnum):
    """How well the method is supported; a result may not show more than its record supports.

    Ordered: NONE < E0 < E1 < E2 < E3.
    """

    NONE = "unmeasured"  # nothing was measured here: a model that was brought along
    E0 = "E0"  # formula verified against published vectors
    E1 = "E1"  # measured on phantoms with known truth
    E2 = "E2"  # measured on n public cases with a confidence interval
    E3 = "E3"  # validated at an external site

    @property
    def rank(self) -> int:
        """Place in the order, 0 for NONE."""
        return list(EvidenceLevel).index(self)

    def __lt__(self, other: str) -> bool:
        return self.rank < EvidenceLevel(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= EvidenceLevel(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > EvidenceLevel(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= EvidenceLevel(other).rank


class Code(Value):
    """One coded concept, e.g. ('SCT', '427359005', 'Solitary nodule of lung')."""

    scheme: Literal["SCT", "RADLEX", "DCM", "UCUM", "99HV", "LN"]
    value: str = Field(min_length=1, max_length=64)
    meaning: str = Field(min_length=1, max_length=128)


class Text(Value):
    """The same words in both languages of the product."""

    zh: str
    en: str


class Interval(Value):
    """A range with the coverage it claims, e.g. 0.95."""

    low: float
    high: float
    coverage: Annotated[float, Field(gt=0, lt=1)] = 0.95

    @model_validator(mode="after")
    def _ordered(self) -> "Interval":
        if self.low > self.high:
            raise ValueError("interval: low is above high")
        return self


class Confidence(Value):
    """A computed probability, or no value and the reason why there is none. Never invented."""

    value: Annotated[float, Field(ge=0, le=1)] | None
    reason_absent: Text | None = None
    interval: Interval | None = None
    method: str
    calibrated_on: str | None = None

    @model_validator(mode="after")
    def _value_or_reason(self) -> "Confidence":
        if (self.value is None) == (self.reason_absent is None):
            raise ValueError("confidence: give either a value or the reason for its absence")
        return self


class Measurement(Value):
    """One number with its code, UCUM unit, interval and method."""

    code: Code
    label: Text
    value: float
    unit: str  # UCUM, e.g. 'mm', 'mL', '%', '[hnsf'U]'
    interval: Interval | None = None
    method: str


class Laterality(StrEnum):
    """Side of the patient."""

    LEFT = "left"
    RIGHT = "right"
    BOTH = "both"
    MIDLINE = "midline"


class Location(Value):
    """Where a finding is: in the patient (LPS mm), in the images, and in words."""

    position_lps_mm: Point | None
    series_uid: str | None
    sop_instance_uid: str | None  # the key slice
    frame_number: int | None = None  # 1-based, for multi-frame objects
    region: Text
    region_code: Code | None = None
    laterality: Laterality | None = None


class RuleStep(Value):
    """One step of a rule trace: which rule, on which input, with which outcome."""

    rule: str  # stable id, e.g. 'lung-rads-2022/solid/baseline/3'
    text: Text
    inputs: dict[str, str | float | int | bool | None]
    matched: bool


class Category(Value):
    """A guideline category with the trace from which it can be recomputed by hand."""

    guideline: str  # e.g. 'lung-rads-v2022', 'fleischner-2017'
    value: str  # e.g. '4A'
    management: Text
    trace: tuple[RuleStep, ...]
    source: str
    assumptions: tuple[Text, ...] = ()  # e.g. baseline assumed, age not known


class Risk(Value):
    """What a published risk model says: the range (0..1) that its missing inputs leave open."""

    model: str  # id of the model, e.g. 'brock-2b'
    title: Text
    low: Annotated[float, Field(ge=0, le=1)]
    high: Annotated[float, Field(ge=0, le=1)]
    known: dict[str, float | bool]
    missing: tuple[Text, ...]  # inputs that are not known; empty: low equals high
    population: Text  # whom the model was made for
    source: str

    @model_validator(mode="after")
    def _ordered(self) -> "Risk":
        if self.low > self.high:
            raise ValueError("risk: low is above high")
        return self


class Contribution(Value):
    """How much one feature moved the confidence, in the unit named by ``Explanation.method``."""

    feature: str
    label: Text
    value: float
    contribution: float


class OverlayRef(Value):
    """A drawing of the finding: a segment of the SEG, and key-slice pictures (output names)."""

    segment: int | None = None  # segment number in the SEG output
    images: tuple[str, ...] = ()  # names of outputs, e.g. 'key-1.png'


class Explanation(Value):
    """Why: overlays, feature contributions and words."""

    method: str
    text: Text
    overlay: OverlayRef | None = None
    contributions: tuple[Contribution, ...] = ()


class Finding(Value):
    """One thing the application saw, with all that is needed to check it."""

    tracking_id: str  # e.g. 'nodule-1'; unique in the result
    tracking_uid: str  # DICOM UID, the same for the same lesion in later results
    code: Code
    label: Text
    location: Location
    measurements: tuple[Measurement, ...] = ()
    attributes: tuple[tuple[Code, Code], ...] = ()  # (concept, coded value), e.g. density type
    categories: tuple[Category, ...] = ()
    risks: tuple[Risk, ...] = ()
    confidence: Confidence
    evidence_level: EvidenceLevel
    explanation: Explanation


class ExplicitNegative(Value):
    """What was looked for and not found, and the smallest thing that would have been found."""

    code: Code
    label: Text
    detection_limit: Text
    evidence_level: EvidenceLevel


class GateOutcome(StrEnum):
    """What a quality gate decided."""

    PASSED = "passed"
    WARNING = "warning"  # result delivered, downgraded
    FAILED = "failed"  # the part or the whole is withheld


class Gate(Value):
    """One quality gate: what was checked, on which value, and what the user can do."""

    id: str  # e.g. 'slice-thickness'
    outcome: GateOutcome
    value: str | float | None
    reason: Text
    remedy: Text | None = None


class ResultStatus(StrEnum):
    """Outcome of an analysis; abstention is a first-class one."""

    COMPLETE = "complete"
    ABSTAINED = "abstained"


class VerificationState(StrEnum):
    """Whether a doctor has judged the result."""

    AI_UNVERIFIED = "ai-unverified"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    MODIFIED = "modified"


class Priority(StrEnum):
    """Clinical priority, most urgent first (DICOM 0040,1003 uses STAT/HIGH/ROUTINE)."""

    STAT = "stat"
    URGENT = "urgent"
    ROUTINE = "routine"
    BULK = "bulk"


class InputDigest(Value):
    """One input object by UID and the SHA-256 of its bytes."""

    sop_instance_uid: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class ChosenSeries(Value):
    """The series that was analysed and why it and no other was taken."""

    series_uid: str
    frame_of_reference_uid: str | None
    modality: str
    description: str
    reason: Text
    rejected: tuple[tuple[str, Text], ...] = ()  # (series uid, why not)


class ApplicationRef(Value):
    """Exactly what computed the result."""

    id: str
    version: str
    title: Text
    weights_sha256: str | None  # None: the application has no weights
    environment_sha256: str
    seed: int


class Timings(Value):
    """The deadline clock: T0 is the last instance received."""

    last_instance_at: datetime | None
    submitted_at: datetime | None
    started_at: datetime
    finished_at: datetime
    deadline_at: datetime | None
    stages_s: dict[str, float] = {}


class PatientRef(Value):
    """Pointer to the patient; names stay out of the result."""

    patient_key: str | None  # our id of the patient
    patient_id: str | None  # DICOM (0010,0020)
    issuer: str | None
    sex: str | None
    age_years: int | None


class OutputRef(Value):
    """One stored output of the result."""

    name: str  # 'seg', 'sr', 'pdf', 'key-1.png' ...
    kind: Literal["SEG", "SR", "PDF", "SC", "PNG", "HTML", "JSON"]
    sop_instance_uid: str | None
    series_uid: str | None
    sha256: str


class Result(Value):
    """The whole answer of one application about one study."""

    schema_version: str = SCHEMA_VERSION
    id: str
    task_id: str | None
    org_id: str | None
    space_id: str | None
    study_uid: str
    accession_number: str | None
    study_date: str | None  # YYYYMMDD
    institution: str | None = None  # (0008,0080) of the images, else the organisation's name
    patient: PatientRef
    series: ChosenSeries | None
    inputs: tuple[InputDigest, ...]
    application: ApplicationRef
    status: ResultStatus
    abstained_reason: Text | None = None
    verification: VerificationState = VerificationState.AI_UNVERIFIED
    priority: Priority
    timings: Timings
    gates: tuple[Gate, ...]
    findings: tuple[Finding, ...]
    measurements: tuple[Measurement, ...] = ()  # of the study as a whole, e.g. lung volumes
    categories: tuple[Category, ...] = ()  # of the study as a whole, e.g. Lung-RADS of the exam
    negatives: tuple[ExplicitNegative, ...] = ()
    summary: Text
    limitations: tuple[Text, ...] = ()
    evidence_level: EvidenceLevel
    outputs: tuple[OutputRef, ...] = ()
    version: int = 1  # 1, 2, ... of re-runs of the same study and application
    supersedes: str | None = None
    superseded_by: str | None = None

    @model_validator(mode="after")
    def _abstention_has_a_reason(self) -> "Result":
        if (self.status is ResultStatus.ABSTAINED) != (self.abstained_reason is not None):
            raise ValueError("result: abstained_reason is given exactly when abstained")
        return self
