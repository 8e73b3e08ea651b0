# SPDX-License-Identifier: Apache-2.0
"""The worklist (a copy kept by events), verdicts, and reports with their versions."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from healthvision.kernel.clock import now
from healthvision.kernel.db import Base, OrgOwned


class WorklistRow(Base):
    """One study as the worklist shows it; ``study_id`` is the archive's id of the study.

    ``rank`` and ``order_key`` are the order of the list, smallest first (see ``ordering``).
    ``changed``: microseconds since 1970 of the last change, for those who watch; ``revision``
    grows with it. ``gone``: the study was deleted; the row stays until the purge, so that
    watchers hear of it. ``parts``: one entry per application; ``finding``: the most severe one.
    ``only_space``: the space of a study that is in exactly one, so that nearly all rows are
    counted without a look at their spaces; with none or several it is null and they are looked up.
    """

    __tablename__ = "reading_worklist"
    __table_args__ = (
        Index("ix_reading_worklist_order", "org_id", "gone", "rank", "order_key", "study_id"),
        Index("ix_reading_worklist_date", "org_id", "gone", "study_date", "study_id"),
        Index("ix_reading_worklist_changed", "org_id", "changed"),
        Index(
            "ix_reading_worklist_patient",
            "org_id",
            "gone",
            "patient_ref",
            "study_date",
            "study_id",
        ),
        Index(
            "ix_reading_worklist_counts",
            "org_id",
            "gone",
            "report_state",
            "ai_state",
            "verdict_state",
            "rank",
            "author",
            "reviewer",
            "study_id",
            "only_space",
        ),
    )

    study_id: Mapped[UUID] = mapped_column(primary_key=True)
    org_id: Mapped[UUID]
    only_space: Mapped[UUID | None]
    gone: Mapped[bool] = mapped_column(default=False)
    rank: Mapped[int]
    order_key: Mapped[int] = mapped_column(BigInteger)
    changed: Mapped[int] = mapped_column(BigInteger)
    revision: Mapped[int]
    search: Mapped[str]
    patient_ref: Mapped[UUID]
    study_uid: Mapped[str]
    patient_id: Mapped[str]
    patient_name: Mapped[str]
    patient_sex: Mapped[str]
    patient_birth_date: Mapped[str]
    accession_number: Mapped[str]
    study_date: Mapped[str]
    study_time: Mapped[str]
    description: Mapped[str]
    modalities: Mapped[str]  # '\\CT\\SR\\', for LIKE
    body_parts: Mapped[str]
    series_count: Mapped[int]
    instance_count: Mapped[int]
    received_at: Mapped[datetime]
    priority: Mapped[str]
    deadline_at: Mapped[datetime | None]
    ai_state: Mapped[str]
    task_id: Mapped[UUID | None]
    result_id: Mapped[UUID | None]
    finding_count: Mapped[int]
    finding: Mapped[dict[str, Any] | None]
    parts: Mapped[list[Any]]
    verdict_state: Mapped[str]
    report_state: Mapped[str]
    report_id: Mapped[UUID | None]
    author: Mapped[str]
    reviewer: Mapped[str]


class WorklistSpace(Base):
    """A study of the worklist in one of its spaces."""

    __tablename__ = "reading_worklist_spaces"
    __table_args__ = (Index("ix_reading_worklist_spaces_space", "space_id", "study_id"),)

    study_id: Mapped[UUID] = mapped_column(
        ForeignKey("reading_worklist.study_id", ondelete="CASCADE"), primary_key=True
    )
    space_id: Mapped[UUID] = mapped_column(primary_key=True)


class WorklistFill(Base):
    """How far the studies that were there before the worklist have been taken into it."""

    __tablename__ = "reading_fills"

    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    cursor: Mapped[str | None]
    done_at: Mapped[datetime | None]


class VerdictRow(OrgOwned):
    """What one doctor said of one finding, or of a whole result (``tracking_uid`` '').

    Never changed: a new verdict or an undo only ends it (``active`` false). The columns of the
    application, category, size and confidence are copies taken when it was given, so that
    statistics stay true to the version that was judged.
    """

    __tablename__ = "reading_verdicts"
    __table_args__ = (
        Index(
            "uq_reading_verdicts_active",
            "result_id",
            "tracking_uid",
            "reader",
            unique=True,
            sqlite_where=text("active"),
            postgresql_where=text("active"),
        ),
        Index("ix_reading_verdicts_study", "org_id", "study_id"),
        Index("ix_reading_verdicts_reader", "org_id", "reader", "study_id"),
        Index("ix_reading_verdicts_application", "org_id", "application_id", "created_at"),
    )

    result_id: Mapped[UUID]
    study_id: Mapped[UUID]
    space_id: Mapped[UUID]
    patient_ref: Mapped[UUID]
    tracking_uid: Mapped[str]
    tracking_id: Mapped[str]
    reader: Mapped[str]
    reader_name: Mapped[str]
    decision: Mapped[str]  # 'accept', 'reject', 'modify'
    reason_code: Mapped[str]
    reason: Mapped[str]
    changes: Mapped[dict[str, Any] | None]
    replaces: Mapped[UUID | None]
    active: Mapped[bool] = mapped_column(default=True)
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]  # 'replaced', 'withdrawn'
    application_id: Mapped[str]
    application_version: Mapped[str]
    result_version: Mapped[int]
    code: Mapped[str]
    category: Mapped[str]  # 'guideline:value' or ''
    confidence: Mapped[float | None]
    confidence_band: Mapped[str]
    size_mm: Mapped[float | None]
    size_band: Mapped[str]


class ReportRow(OrgOwned):
    """The one report of a study: its working copy and how far it is.

    ``content`` is the draft on which the author works; what was signed lies in versions.
    ``revision`` grows with every change. ``version``: number of the newest signed version.
    """

    __tablename__ = "reading_reports"
    __table_args__ = (
        UniqueConstraint("org_id", "study_id"),
        Index("ix_reading_reports_author", "org_id", "author"),
        Index("ix_reading_reports_reviewer", "org_id", "reviewer"),
    )

    study_id: Mapped[UUID]
    study_uid: Mapped[str]
    space_id: Mapped[UUID]
    patient_ref: Mapped[UUID] = mapped_column(index=True)
    state: Mapped[str]  # 'draft', 'submitted', 'final', 'amending'
    revision: Mapped[int] = mapped_column(default=1)
    version: Mapped[int] = mapped_column(default=0)
    content: Mapped[dict[str, Any]]
    author: Mapped[str]
    author_name: Mapped[str]
    reviewer: Mapped[str] = mapped_column(default="")
    reviewer_name: Mapped[str] = mapped_column(default="")
    review_comment: Mapped[str] = mapped_column(default="")
    updated_at: Mapped[datetime] = mapped_column(default=now)
    submitted_at: Mapped[datetime | None]
    signed_at: Mapped[datetime | None]
    print_count: Mapped[int] = mapped_column(default=0)


class ReportVersion(OrgOwned):
    """One signed text: a version of the report or an addendum to one; never changed.

    ``sha256`` is over the canonical JSON of everything that was signed, with ``previous`` (the
    digest of the one before), so the versions of a report are a chain. ``stored_at``: when its
    DICOM objects were in the archive.
    """

    __tablename__ = "reading_report_versions"
    __table_args__ = (UniqueConstraint("report_id", "number"),)

    report_id: Mapped[UUID] = mapped_column(
        ForeignKey("reading_reports.id", ondelete="CASCADE"), index=True
    )
    number: Mapped[int]  # 1, 2, ... over versions and addenda
    version: Mapped[int]  # the version it is, or that the addendum belongs to
    kind: Mapped[str]  # 'report', 'addendum'
    content: Mapped[dict[str, Any]]
    author: Mapped[str]
    author_name: Mapped[str]
    reviewer: Mapped[str]
    reviewer_name: Mapped[str]
    signed_at: Mapped[datetime]
    sha256: Mapped[str]
    previous: Mapped[str]
    sr_uid: Mapped[str | None]
    pdf_uid: Mapped[str | None]
    stored_at: Mapped[datetime | None]
