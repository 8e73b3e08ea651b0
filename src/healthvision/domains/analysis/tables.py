# SPDX-License-Identifier: Apache-2.0
"""Tasks, results, their findings and outputs, rules and batches."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from healthvision.kernel.db import Base, OrgOwned


class Task(OrgOwned):
    """One application on one study. ``run`` counts forced repeats of the same key.

    ``fence`` grows with each attempt: only the newest may write. ``ticket`` names the one queued
    job that may start it. ``revision`` grows with every change a watcher can see.
    ``preemptions`` counts how often it made room for a STAT task, ``room_made`` says that such
    room was made for this one. ``notice``: how far the news of the result is, see ``notices``.
    """

    __tablename__ = "analysis_tasks"
    __table_args__ = (
        UniqueConstraint("org_id", "task_key", "run"),
        Index("ix_analysis_tasks_org_state", "org_id", "state"),
        Index("ix_analysis_tasks_open_deadline", "state", "deadline_at"),
        Index("ix_analysis_tasks_notice", "notice"),
        Index("ix_analysis_tasks_org_deadline", "org_id", "deadline_at"),
    )

    space_id: Mapped[UUID]
    study_id: Mapped[UUID] = mapped_column(index=True)
    study_uid: Mapped[str]
    patient_ref: Mapped[UUID]
    application_id: Mapped[str]
    application_version: Mapped[str]
    task_key: Mapped[str]
    run: Mapped[int]
    seed: Mapped[int]
    parameters: Mapped[dict[str, Any]]
    priority: Mapped[str]
    source: Mapped[str]  # 'request', 'rule', 'batch'
    rule_id: Mapped[UUID | None]
    requested_by: Mapped[str]
    state: Mapped[str]
    progress: Mapped[float]
    stage: Mapped[str]
    revision: Mapped[int]
    ticket: Mapped[int]
    fence: Mapped[int]
    attempts: Mapped[int]
    cancel_requested: Mapped[bool]
    error_code: Mapped[str | None]
    error_detail: Mapped[str | None]
    last_instance_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    deadline_at: Mapped[datetime | None]
    deadline_missed: Mapped[bool]
    queued_at: Mapped[datetime | None]  # when the newest ticket was queued
    error_ref: Mapped[str | None]
    preemptions: Mapped[int] = mapped_column(default=0, server_default="0")
    requeued_reason: Mapped[str | None]
    room_made: Mapped[bool] = mapped_column(default=False, server_default="0")
    notified_at: Mapped[datetime | None]
    notice: Mapped[str | None]  # 'waiting', 'delivered', 'published', 'undelivered'


class TaskStep(Base):
    """A task as a watcher could see it after one change; see ``history``."""

    __tablename__ = "analysis_task_steps"

    task_id: Mapped[UUID] = mapped_column(
        ForeignKey("analysis_tasks.id", ondelete="CASCADE"), primary_key=True
    )
    revision: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[UUID]
    at: Mapped[datetime]
    told: Mapped[dict[str, Any]]


class ResultRow(OrgOwned):
    """One result; at most one per task. ``published`` false: staged, outputs on their way."""

    __tablename__ = "analysis_results"
    __table_args__ = (
        UniqueConstraint("task_id"),
        UniqueConstraint("org_id", "study_id", "application_id", "version"),
        Index("ix_analysis_results_org_made", "org_id", "created_at"),
    )

    task_id: Mapped[UUID] = mapped_column(ForeignKey("analysis_tasks.id", ondelete="CASCADE"))
    space_id: Mapped[UUID]
    study_id: Mapped[UUID]
    study_uid: Mapped[str]
    patient_ref: Mapped[UUID] = mapped_column(index=True)
    patient_id: Mapped[str | None]
    study_date: Mapped[str | None]
    application_id: Mapped[str]
    application_version: Mapped[str]
    version: Mapped[int]
    status: Mapped[str]
    verification: Mapped[str]
    priority: Mapped[str]
    worst_category: Mapped[str]
    finding_count: Mapped[int]
    published: Mapped[bool]
    hidden: Mapped[bool]
    supersedes: Mapped[UUID | None]
    superseded_by: Mapped[UUID | None]
    document: Mapped[dict[str, Any]]


class FindingRow(Base):
    """One category of one finding, for search; a finding without category has one row."""

    __tablename__ = "analysis_findings"
    __table_args__ = (
        Index("ix_analysis_findings_code", "org_id", "code"),
        Index("ix_analysis_findings_category", "org_id", "category"),
    )

    result_id: Mapped[UUID] = mapped_column(
        ForeignKey("analysis_results.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[UUID]
    tracking_uid: Mapped[str]
    scheme: Mapped[str]
    code: Mapped[str]
    guideline: Mapped[str]
    category: Mapped[str]
    confidence: Mapped[float | None]


class OutputRow(OrgOwned):
    """One output of a result: where its staged bytes lie, and that the archive has it."""

    __tablename__ = "analysis_outputs"
    __table_args__ = (UniqueConstraint("result_id", "name"),)

    result_id: Mapped[UUID] = mapped_column(ForeignKey("analysis_results.id", ondelete="CASCADE"))
    name: Mapped[str]
    kind: Mapped[str]
    sop_uid: Mapped[str | None]
    series_uid: Mapped[str | None]
    sha256: Mapped[str]
    size: Mapped[int]
    store: Mapped[str]
    object_key: Mapped[str]
    key_id: Mapped[UUID | None]


class AnalysisRule(OrgOwned):
    """When a study is complete in a space and a series matches, applications are submitted."""

    __tablename__ = "analysis_rules"
    __table_args__ = (UniqueConstraint("org_id", "space_id", "name"),)

    space_id: Mapped[UUID]
    name: Mapped[str]
    expression: Mapped[str]
    applications: Mapped[list[str]]
    priority: Mapped[str | None]
    enabled: Mapped[bool]
    is_default: Mapped[bool]
    tests: Mapped[list[Any]]


class Batch(OrgOwned):
    """Up to a hundred studies analysed together."""

    __tablename__ = "analysis_batches"

    title: Mapped[str]
    application_id: Mapped[str | None]
    priority: Mapped[str]
    requested_by: Mapped[str]


class BatchItem(Base):
    """One study of a batch: its task, or why there is none."""

    __tablename__ = "analysis_batch_items"

    batch_id: Mapped[UUID] = mapped_column(
        ForeignKey("analysis_batches.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[UUID]
    task_id: Mapped[UUID | None]
    error_code: Mapped[str | None]
    error_detail: Mapped[str | None]
