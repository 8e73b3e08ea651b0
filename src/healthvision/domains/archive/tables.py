# SPDX-License-Identifier: Apache-2.0
"""Studies, series, instances, their spaces, uploads and quarantine.

Study and series rows carry the values that searches match and show, so that a search reads one
table. Texts are as in DICOM; absent ones are ''.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from healthvision.kernel.clock import now
from healthvision.kernel.db import OrgOwned


def live_index(name: str, *columns: str) -> Index:
    """Return a unique index over the rows that are not deleted."""
    live = text("deleted_at IS NULL")
    return Index(name, *columns, unique=True, sqlite_where=live, postgresql_where=live)


class Study(OrgOwned):
    """One study of an organisation. ``modalities``/``origins``: '\\\\CT\\\\SR\\\\', for LIKE."""

    __tablename__ = "studies"
    __table_args__ = (
        live_index("uq_studies_live", "org_id", "study_uid"),
        Index("ix_studies_org_date", "org_id", "study_date", "id"),
        Index("ix_studies_org_patient", "org_id", "patient_id"),
        Index("ix_studies_org_accession", "org_id", "accession_number"),
    )

    study_uid: Mapped[str]
    patient_ref: Mapped[UUID] = mapped_column(ForeignKey("patients.id"), index=True)
    patient_id: Mapped[str]
    issuer_of_patient_id: Mapped[str]
    patient_name: Mapped[str]
    patient_search: Mapped[str]
    patient_sex: Mapped[str]
    patient_birth_date: Mapped[str]
    accession_number: Mapped[str]
    study_date: Mapped[str]
    study_time: Mapped[str]
    description: Mapped[str]
    study_number: Mapped[str]  # Study ID (0020,0010)
    referring_physician: Mapped[str]
    institution: Mapped[str]
    priority: Mapped[str]
    modalities: Mapped[str] = mapped_column(default="\\")
    sop_classes: Mapped[str] = mapped_column(default="\\")
    body_parts: Mapped[str] = mapped_column(default="\\")
    origins: Mapped[str] = mapped_column(default="\\")
    series_count: Mapped[int] = mapped_column(default=0)
    instance_count: Mapped[int] = mapped_column(default=0)
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    dicom_json: Mapped[dict[str, Any]]
    first_received_at: Mapped[datetime] = mapped_column(default=now)
    last_received_at: Mapped[datetime] = mapped_column(default=now)
    legal_hold: Mapped[bool] = mapped_column(default=False)
    retain_until: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None] = mapped_column(index=True)
    deleted_by: Mapped[str | None]


class StudySpaceRow(OrgOwned):
    """A study in a space, and whether it is complete there.

    ``due_at``: when it is complete if nothing more comes; null: it waits for nothing.
    """

    __tablename__ = "study_spaces"
    __table_args__ = (
        UniqueConstraint("study_id", "space_id"),
        Index("ix_study_spaces_space", "space_id", "study_id"),
    )

    study_id: Mapped[UUID] = mapped_column(ForeignKey("studies.id"))
    space_id: Mapped[UUID]
    state: Mapped[str] = mapped_column(default="receiving")
    generation: Mapped[int] = mapped_column(default=0)
    last_instance_at: Mapped[datetime] = mapped_column(default=now)
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    completed_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(default="")
    origin: Mapped[str] = mapped_column(default="")


class Series(OrgOwned):
    """One series of a study."""

    __tablename__ = "series"
    __table_args__ = (UniqueConstraint("org_id", "study_id", "series_uid"),)

    study_id: Mapped[UUID] = mapped_column(ForeignKey("studies.id"), index=True)
    series_uid: Mapped[str] = mapped_column(index=True)
    modality: Mapped[str]
    number: Mapped[int | None] = mapped_column(BigInteger)
    description: Mapped[str]
    body_part: Mapped[str]
    laterality: Mapped[str]
    protocol_name: Mapped[str]
    manufacturer: Mapped[str]
    station_name: Mapped[str]
    series_date: Mapped[str]
    series_time: Mapped[str]
    sop_class_uid: Mapped[str]
    frame_of_reference_uid: Mapped[str]
    instance_count: Mapped[int] = mapped_column(default=0)
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    origin: Mapped[str]
    dicom_json: Mapped[dict[str, Any]]


class Instance(OrgOwned):
    """One stored object and where its bytes lie.

    Several objects may have one SOP Instance UID with other bytes; one of them is ``current``.
    """

    __tablename__ = "instances"
    __table_args__ = (
        live_index("uq_instances_live", "org_id", "sop_uid", "sha256"),
        Index("ix_instances_series", "series_id", "instance_number", "id"),
        Index("ix_instances_study", "study_id", "id"),
    )

    study_id: Mapped[UUID] = mapped_column(ForeignKey("studies.id"))
    series_id: Mapped[UUID] = mapped_column(ForeignKey("series.id"))
    sop_uid: Mapped[str]
    sop_class_uid: Mapped[str]
    transfer_syntax: Mapped[str]
    instance_number: Mapped[int | None] = mapped_column(BigInteger)
    number_of_frames: Mapped[int]
    rows: Mapped[int | None]
    columns: Mapped[int | None]
    deflated: Mapped[bool]
    encapsulated: Mapped[bool]
    pixel_offset: Mapped[int | None] = mapped_column(BigInteger)
    pixel_length: Mapped[int | None] = mapped_column(BigInteger)
    frames: Mapped[list[Any]]
    bulk: Mapped[dict[str, Any]]
    dicom_json: Mapped[dict[str, Any]] = mapped_column(deferred=True)
    store: Mapped[str]
    object_key: Mapped[str]
    generation: Mapped[int] = mapped_column(default=1)
    offset: Mapped[int] = mapped_column(BigInteger, default=0)
    length: Mapped[int] = mapped_column(BigInteger)
    key_id: Mapped[UUID | None]
    sha256: Mapped[str]
    origin: Mapped[str]
    origin_detail: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(default=now)
    current: Mapped[bool] = mapped_column(default=True)
    conflict: Mapped[bool] = mapped_column(default=False)
    deleted_at: Mapped[datetime | None]


class Quarantined(OrgOwned):
    """Refused bytes and the reason."""

    __tablename__ = "quarantine"

    space_id: Mapped[UUID | None]
    reason: Mapped[str] = mapped_column(index=True)
    detail: Mapped[str]
    field: Mapped[str]
    origin: Mapped[str]
    origin_detail: Mapped[str]
    actor: Mapped[str]
    store: Mapped[str]
    object_key: Mapped[str]
    key_id: Mapped[UUID | None]
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    state: Mapped[str] = mapped_column(default="held", index=True)
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[str | None]


class Upload(OrgOwned):
    """A file on its way in by presigned URLs."""

    __tablename__ = "uploads"

    space_id: Mapped[UUID]
    actor: Mapped[dict[str, Any]]  # who uploads, with rights, for the job
    filename: Mapped[str]
    kind: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    content_type: Mapped[str]
    sha256: Mapped[str | None]
    part_size: Mapped[int] = mapped_column(BigInteger)
    meta: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(default="waiting", index=True)
    progress: Mapped[float] = mapped_column(default=0.0)
    stored: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    results: Mapped[list[Any]] = mapped_column(default=list)
    studies: Mapped[list[Any]] = mapped_column(default=list)
    error: Mapped[str | None]
    original: Mapped[dict[str, Any] | None]  # StoredObject of the original file
    expires_at: Mapped[datetime] = mapped_column(index=True)
