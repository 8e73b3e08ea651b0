# SPDX-License-Identifier: Apache-2.0
"""What corrections are asked for with, and how they are shown."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, model_validator

from healthvision.domains.archive.schemas import StudyRead
from healthvision.kernel.schemas import Input, Read

CorrectionKind = Literal[
    "patient_merge", "patient_edit", "study_move", "study_split", "study_edit", "series_edit",
    "reject", "reject_asked",
]  # fmt: skip
RejectCode = Literal["quality", "patient_safety", "incorrect_worklist", "retention_expired"]
HeldNoteState = Literal["waiting", "followed", "declined"]
_PLAIN = r"^[^\\\x00-\x1f\x7f]*$"
_DATE = r"^([12]\d{3}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01]))?$"
_TIME = r"^(([01]\d|2[0-3])[0-5]\d[0-5]\d(\.\d{1,6})?)?$"

Reason = Annotated[str, Field(min_length=1, max_length=500, description="Why; kept for ever.")]
ShortText = Annotated[str, Field(max_length=16, pattern=_PLAIN)]
LongText = Annotated[str, Field(max_length=64, pattern=_PLAIN)]
Name = Annotated[
    str, Field(max_length=200, pattern=_PLAIN, description="Component groups joined by '='.")
]
Code = Annotated[str, Field(max_length=16, pattern=r"^[A-Z0-9 _]*$")]
Date = Annotated[str, Field(pattern=_DATE, description="YYYYMMDD, or '' to empty it.")]
Time = Annotated[str, Field(pattern=_TIME, description="HHMMSS[.F], or '' to empty it.")]


class PatientMerge(Input):
    """Two patients are one: everything of this one belongs to the other one."""

    into: UUID = Field(description="Id of the patient that stays.")
    reason: Reason


class PatientEdit(Input):
    """What is right about a patient; absent and null fields stay as they are."""

    name: Name | None = None
    sex: Literal["", "M", "F", "O"] | None = None
    birth_date: Date | None = None
    reason: Reason


class StudyMove(Input):
    """A study is of another patient."""

    patient: UUID = Field(description="Id of the patient whose study it is.")
    reason: Reason


class StudySplit(Input):
    """Some series belong to another study."""

    series: list[UUID] = Field(min_length=1, max_length=1000)
    into: UUID | None = Field(default=None, description="Id of a study; null: a new one is made.")
    reason: Reason


class StudyEdit(Input):
    """What is right about a study; absent and null fields stay as they are."""

    accession_number: ShortText | None = None
    study_date: Date | None = None
    study_time: Time | None = None
    description: LongText | None = None
    study_number: ShortText | None = Field(default=None, description="Study ID (0020,0010).")
    referring_physician: Name | None = None
    institution: LongText | None = None
    reason: Reason


class SeriesEdit(Input):
    """What is right about a series; absent and null fields stay as they are."""

    number: int | None = Field(default=None, ge=0, le=2147483647)
    description: LongText | None = None
    body_part: Code | None = None
    laterality: Literal["", "R", "L"] | None = None
    protocol_name: LongText | None = None
    reason: Reason


class StudyReject(Input):
    """Objects that must not be used (IHE IOCM): a whole study, or some series and instances of it.

    Or what a rejection note names that is stored in the study.
    """

    code: RejectCode
    series: list[UUID] = Field(default=[], max_length=1000, description="Empty: not by series.")
    instances: list[UUID] = Field(default=[], max_length=1000, description="Empty: not by object.")
    note: UUID | None = Field(
        default=None,
        description="Instance id of a rejection note of the study; no series and instances then.",
    )
    reason: Reason

    @model_validator(mode="after")
    def _one_way(self) -> "StudyReject":
        if self.note is not None and (self.series or self.instances):
            raise ValueError("the note says which instances: leave series and instances empty")
        return self


class Undo(Input):
    """Why a correction is taken back."""

    reason: Reason


class ConflictDecision(Input):
    """What is right where objects disagree."""

    take: Literal["kept", "other"]
    reason: Reason


class CorrectionRead(Read):
    """One correction; it counts until it is taken back."""

    id: UUID
    kind: CorrectionKind
    study_id: UUID | None
    other_study_id: UUID | None = Field(description="Where series of a split went.")
    series_id: UUID | None
    patient_ref: UUID | None
    other_patient_ref: UUID | None = Field(description="Whose it is by this correction.")
    code: str = Field(description="Of a rejection, else ''.")
    reason: str
    before: dict[str, Any]
    after: dict[str, Any]
    made_by: str = Field(description="Kind and id of the account.")
    created_at: datetime
    undone_at: datetime | None
    undone_by: str | None
    undone_reason: str | None


class HeldNoteRead(Read):
    """A rejection note of a sender that was held for a person (``HV_ARCHIVE_IOCM``)."""

    id: UUID = Field(description="Of the correction that asks; undo it to decline the note.")
    state: HeldNoteState
    note: UUID = Field(description="Instance id of the note; reject the study with it to follow.")
    code: RejectCode
    named: int = Field(description="How many images of its study the note names.")
    elsewhere: int = Field(description="How many of other studies, which are left alone.")
    made_by: str = Field(description="Kind and id of the account that sent it.")
    created_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    decided_reason: str | None
    study: StudyRead
