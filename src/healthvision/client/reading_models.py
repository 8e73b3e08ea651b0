# SPDX-License-Identifier: Apache-2.0
"""What the server answers about the worklist, verdicts and reports."""

from datetime import datetime
from typing import Any
from uuid import UUID

from healthvision.client.models import Model


class WorklistItem(Model):
    """One study of the worklist. ``ai``: the screening column, with its ``state``."""

    study_id: UUID
    study_uid: str
    patient_id: str
    patient_name: str
    study_date: str
    description: str
    modalities: list[str]
    priority: str
    deadline_at: datetime | None = None
    seconds_left: float | None = None
    ai: dict[str, Any]
    verdict_state: str
    report_state: str
    report_id: UUID | None = None
    prior_count: int = 0


class Verdict(Model):
    """What a doctor said of a finding, or of a whole result (``tracking_uid`` '')."""

    id: UUID
    result_id: UUID
    study_id: UUID
    tracking_uid: str
    decision: str
    reason_code: str
    reason: str
    changes: dict[str, Any] | None = None
    reader_name: str
    active: bool
    application: str
    application_version: str
    created_at: datetime


class Agreement(Model):
    """How far doctors agreed with the versions of applications, one entry per version."""

    items: list[dict[str, Any]]


class Report(Model):
    """A report; ``versions`` holds what was signed."""

    id: UUID
    study_id: UUID
    state: str
    version: int
    content: dict[str, Any]
    author_name: str
    reviewer_name: str
    versions: list[dict[str, Any]]
