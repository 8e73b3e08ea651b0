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


class PatientRead(Read):
    """A patient of one issuer; conflicting attributes are listed, never overwritten."""

    id: UUID
    patient_id: str
    issuer: str
    name: str = Field(description="As in DICOM, component groups joined by '='.")
    sex: str
    birth_date: str = Field(description="YYYYMMDD or ''.")
    conflict_count: int
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


class PatientDetail(PatientRead):
    """A patient with what is in conflict about them."""

    conflicts: list[PatientConflict]
