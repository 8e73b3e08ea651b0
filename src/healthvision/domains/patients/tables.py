# SPDX-License-Identifier: Apache-2.0
"""Patients and what objects disagree about."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from healthvision.kernel.clock import now
from healthvision.kernel.db import OrgOwned


class Patient(OrgOwned):
    """One patient of one issuer; ``search`` holds the folded words of the name.

    ``merged_into``: the patient that this one turned out to be; objects that name this one
    belong to that one as long as it is set (see ``merging``). ``former``: what objects said of
    attributes that were corrected by hand, by attribute.
    """

    __tablename__ = "patients"
    __table_args__ = (UniqueConstraint("org_id", "issuer", "patient_id", "scope"),)

    issuer: Mapped[str] = mapped_column(default="")
    patient_id: Mapped[str] = mapped_column(index=True)
    scope: Mapped[str] = mapped_column(default="")
    name: Mapped[str] = mapped_column(default="")
    search: Mapped[str] = mapped_column(default="", index=True)
    sex: Mapped[str] = mapped_column(default="")
    birth_date: Mapped[str] = mapped_column(default="")
    conflict_count: Mapped[int] = mapped_column(default=0)
    merged_into: Mapped[UUID | None] = mapped_column(index=True)
    former: Mapped[dict[str, Any] | None]
    updated_at: Mapped[datetime] = mapped_column(default=now)


class PatientConflictRow(OrgOwned):
    """One attribute value that differs from the kept one, seen in one study.

    ``resolved_at``: when somebody decided; ``resolution``: 'kept' or 'other'; ``correction_id``:
    what the archive changed for it.
    """

    __tablename__ = "patient_conflicts"
    __table_args__ = (UniqueConstraint("patient_ref", "attribute", "other", "source"),)

    patient_ref: Mapped[UUID] = mapped_column(ForeignKey("patients.id"), index=True)
    attribute: Mapped[str]
    kept: Mapped[str]
    other: Mapped[str]
    source: Mapped[str]
    seen_at: Mapped[datetime] = mapped_column(default=now)
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[str | None]
    resolution: Mapped[str | None]
    correction_id: Mapped[UUID | None]
