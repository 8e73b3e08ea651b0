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
from healthvision.kernel.db import Base, OrgOwned


def live_index(name: str, *columns: str) -> Index:
    """Return a unique index over the rows that are not deleted."""
    live = text("deleted_at IS NULL")
    return Index(name, *columns, unique=True, sqlite_where=live, postgresql_where=live)


class Study(OrgOwned):
    """One study of an organisation. ``modalities``/``origins``: '\\\\CT\\\\SR\\\\', for LIKE.

    ``coercion``: what is put over the attributes of its objects on their way out, null for a study
    nobody corrected; ``uncorrected``: what this row was before (see ``corrections_state``).
    """

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
    coercion: Mapped[dict[str, Any] | None]
    uncorrected: Mapped[dict[str, Any] | None]


class StudySpaceRow(OrgOwned):
    """A study in a space, and whether it is complete there.

    ``due_at``: when it is complete if nothing more comes; null: it waits for nothing.
    ``study_date`` and ``listed`` (neither deleted nor empty) are copies that triggers of the
    database keep (see ``indexes.py``), so that a page of a space is one walk of one index.
    """

    __tablename__ = "study_spaces"
    __table_args__ = (
        UniqueConstraint("study_id", "space_id"),
        Index("ix_study_spaces_space", "space_id", "study_id"),
        Index("ix_study_spaces_listed", "org_id", "space_id", "listed", "study_date", "study_id"),
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
    study_date: Mapped[str] = mapped_column(default="", server_default="")
    listed: Mapped[bool] = mapped_column(default=False, server_default=text("false"))


class Series(OrgOwned):
    """One series of a study.

    ``unsealed``: instances (also deleted and hidden ones) whose bytes still lie in journals;
    ``generation``: the newest pack made; ``claim_*``: who seals or compacts it now, until when,
    and the fence that a result must show. ``home_study_id``: the study its objects name, when the
    series was split off; ``uncorrected``: what this row was before it was corrected.
    """

    __tablename__ = "series"
    __table_args__ = (
        UniqueConstraint("org_id", "study_id", "series_uid"),
        Index(
            "ix_series_unsealed",
            "last_instance_at",
            sqlite_where=text("unsealed > 0"),
            postgresql_where=text("unsealed > 0"),
        ),
    )

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
    unsealed: Mapped[int] = mapped_column(default=0, server_default="0")
    last_instance_at: Mapped[datetime | None]
    generation: Mapped[int] = mapped_column(default=0, server_default="0")
    claimed_by: Mapped[str] = mapped_column(default="", server_default="")
    claim_until: Mapped[datetime | None]
    claim_fence: Mapped[int] = mapped_column(default=0, server_default="0")
    home_study_id: Mapped[UUID | None]
    uncorrected: Mapped[dict[str, Any] | None]


class Pack(OrgOwned):
    """One object that holds instances of one series: a generation of it.

    Offsets and lengths are of the sealed blobs inside the object (bytes as stored, 0: absent).
    No foreign key: a retired pack outlives the rows of its purged study until its bytes are gone.
    ``garbage``: bytes of blobs no row names any more. ``damaged``: what the scrubber found.
    """

    __tablename__ = "packs"
    __table_args__ = (
        UniqueConstraint("store", "object_key"),
        Index("ix_packs_series", "series_id", "state", "generation"),
        Index("ix_packs_scrub", "state", "verified_at"),
    )

    study_id: Mapped[UUID]
    series_id: Mapped[UUID]
    generation: Mapped[int]
    store: Mapped[str]
    object_key: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    key_id: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(default="live")  # live, retired
    document_offset: Mapped[int] = mapped_column(BigInteger)
    document_length: Mapped[int] = mapped_column(BigInteger)
    thumbnail_offset: Mapped[int] = mapped_column(BigInteger, default=0)
    thumbnail_length: Mapped[int] = mapped_column(BigInteger, default=0)
    index_offset: Mapped[int] = mapped_column(BigInteger)
    index_length: Mapped[int] = mapped_column(BigInteger)
    instance_count: Mapped[int]
    garbage: Mapped[int] = mapped_column(BigInteger, default=0)
    verified_at: Mapped[datetime | None]
    damaged: Mapped[list[str]] = mapped_column(default=list)
    retired_at: Mapped[datetime | None]


class Instance(OrgOwned):
    """One stored object and where its bytes lie.

    Several objects may have one SOP Instance UID with other bytes; one of them is ``current``.
    """

    __tablename__ = "instances"
    __table_args__ = (
        live_index("uq_instances_live", "org_id", "sop_uid", "sha256"),
        Index("ix_instances_series", "series_id", "instance_number", "id"),
        Index("ix_instances_study", "study_id", "id"),
        Index(
            "ix_instances_journal",
            "object_key",
            sqlite_where=text("store = 'journal'"),
            postgresql_where=text("store = 'journal'"),
        ),
        Index(
            "ix_instances_deleted",
            "deleted_at",
            sqlite_where=text("deleted_at IS NOT NULL"),
            postgresql_where=text("deleted_at IS NOT NULL"),
        ),
        Index(
            "ix_instances_damaged",
            "org_id",
            sqlite_where=text("damaged_at IS NOT NULL"),
            postgresql_where=text("damaged_at IS NOT NULL"),
        ),
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
    damaged_at: Mapped[datetime | None]  # when its stored bytes were found not readable any more
    deleted_at: Mapped[datetime | None]


class CorrectionRow(OrgOwned):
    """One correction: who (``made_by``), when (``created_at``), why, and what it changed.

    It counts until ``undone_at``. ``study_id``/``series_id``/``patient_ref``: what was corrected;
    ``other_*``: where it went. ``code``: of a rejection. What studies look like is always made
    anew from the corrections that count, in order of their ids.
    """

    __tablename__ = "corrections"
    __table_args__ = (
        Index("ix_corrections_study", "org_id", "study_id"),
        Index("ix_corrections_other_study", "org_id", "other_study_id"),
        Index("ix_corrections_patient", "org_id", "patient_ref"),
        Index("ix_corrections_other_patient", "org_id", "other_patient_ref"),
    )

    kind: Mapped[str]
    study_id: Mapped[UUID | None]
    other_study_id: Mapped[UUID | None]
    series_id: Mapped[UUID | None]
    patient_ref: Mapped[UUID | None]
    other_patient_ref: Mapped[UUID | None]
    code: Mapped[str] = mapped_column(default="")
    reason: Mapped[str]
    before: Mapped[dict[str, Any]]
    after: Mapped[dict[str, Any]]
    made_by: Mapped[str]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None]
    undone_reason: Mapped[str | None]


class RejectedInstance(OrgOwned):
    """An instance that a rejection took out of sight (``Instance.current`` is false meanwhile)."""

    __tablename__ = "rejected_instances"
    __table_args__ = (UniqueConstraint("instance_id"),)

    correction_id: Mapped[UUID] = mapped_column(index=True)
    study_id: Mapped[UUID] = mapped_column(index=True)
    instance_id: Mapped[UUID]
    code: Mapped[str]


class ReceiverRow(Base):
    """How far the rows of one receiving process's journal are committed (see ``ingest``).

    Written with those rows: records before (``segment``, ``offset``) are in the database, later
    ones are replayed after a crash. ``closed_at``: the process is gone and nothing is left to do.
    A segment below ``segment`` that no instance names may be removed.
    """

    __tablename__ = "receivers"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    segment: Mapped[int] = mapped_column(BigInteger)
    offset: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)
    closed_at: Mapped[datetime | None]


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
    deaths: Mapped[int] = mapped_column(default=0, server_default="0")  # workers that died on it
    swept: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
