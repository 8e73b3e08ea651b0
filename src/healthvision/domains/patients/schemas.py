# SPDX-License-Identifier: Apache-2.0
"""Shapes of patients."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import Field

from healthvision.kernel.schemas import Read


@dataclass(frozen=True, slots=True)
class PatientSeen:
    """What one object says about its patient; '' where it says nothing.

    ``scope``: study UID when there is no patient id, so that nameless patients stay apart.
    """

    patient_id: str
    issuer: str = ""
    name: str = ""
    sex: str = ""
    birth_date: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """Whom an object is about. ``home``: the patient it names; ``ref``: whom that one is now.

    ``corrected``: what the object says of the patient is not what is to be shown.
    """

    ref: UUID
    home: UUID
    corrected: bool


@dataclass(frozen=True, slots=True)
class Number:
    """A patient id and who gave it out ('' when not known)."""

    patient_id: str
    issuer: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A patient as to be shown now, by way of all merges.

    ``prior``: the numbers of the patients on the way, the first asked for first. ``edited``:
    attributes were corrected by hand.
    """

    ref: UUID
    patient_id: str
    issuer: str
    name: str
    sex: str
    birth_date: str
    edited: bool
    prior: tuple[Number, ...] = ()


class PatientRead(Read):
    """A patient of one issuer; conflicting attributes are listed, never overwritten."""

    id: UUID
    patient_id: str
    issuer: str
    name: str = Field(description="As in DICOM, component groups joined by '='.")
    sex: str
    birth_date: str = Field(description="YYYYMMDD or ''.")
    conflict_count: int = Field(description="Conflicts nobody has decided about.")
    merged_into: UUID | None = Field(description="The patient this one was merged into.")
    created_at: datetime
    updated_at: datetime


class PatientConflict(Read):
    """An attribute for which objects say different things."""

    id: UUID
    attribute: str
    kept: str
    other: str
    source: str = Field(description="Study UID of the object that says otherwise.")
    seen_at: datetime
    resolved_at: datetime | None
    resolution: str | None = Field(description="'kept' or 'other'; null: open.")


class OpenConflict(PatientConflict):
    """A conflict with the patient it is about."""

    patient_ref: UUID
    resolved_by: str | None
    correction_id: UUID | None = Field(description="The correction that was made for it.")


class PriorNumber(Read):
    """A number under which a patient was known before a merge."""

    patient_ref: UUID
    patient_id: str
    issuer: str


class PatientDetail(PatientRead):
    """A patient with what is in conflict about them."""

    conflicts: list[PatientConflict]
    prior_numbers: list[PriorNumber]
