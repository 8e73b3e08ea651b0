# SPDX-License-Identifier: Apache-2.0
"""Facts the patients room tells; ids only."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from healthvision.kernel.events import Event


@dataclass(frozen=True, slots=True)
class PatientMerged(Event):
    """What is known of one patient belongs to another one now; subject: the merged patient."""

    topic: ClassVar[str] = "patients.patient_merged.v1"
    into: UUID


@dataclass(frozen=True, slots=True)
class PatientUnmerged(Event):
    """A merge was taken back; subject: the patient that stands on its own again."""

    topic: ClassVar[str] = "patients.patient_unmerged.v1"
    from_patient: UUID
