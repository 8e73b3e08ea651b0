# SPDX-License-Identifier: Apache-2.0
"""The worklist, verdicts on AI results, agreement statistics, and signed reports."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from healthvision.client.calls import answers
from healthvision.client.effects import Call, Operation, Progress, Save
from healthvision.client.models import Page
from healthvision.client.reading_models import Agreement, Report, Verdict, WorklistItem


def worklist(
    *,
    text: str | None = None,
    tab: str | None = None,
    ai_state: str | None = None,
    priority: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Operation[Page[WorklistItem]]:
    """List studies, STAT first, then by deadline. ``tab``: all, todo, review, mine or done."""
    query = {
        "text": text,
        "tab": tab,
        "ai_state": ai_state,
        "priority": priority,
        "cursor": cursor,
        "limit": limit,
    }
    return answers.get_page(WorklistItem, "/v1/worklist", query)


def give_verdict(
    result_id: UUID | str,
    decision: str,
    *,
    tracking_uid: str = "",
    reason_code: str = "",
    reason: str = "",
    changes: Mapping[str, Any] | None = None,
) -> Operation[Verdict]:
    """Accept, reject or modify a finding (or the whole result without ``tracking_uid``).

    ``changes`` is given exactly when the decision is 'modify'.
    """
    body: dict[str, Any] = {
        "decision": decision,
        "tracking_uid": tracking_uid,
        "reason_code": reason_code,
        "reason": reason,
    }
    if changes is not None:
        body["changes"] = dict(changes)
    return answers.post(Verdict, f"/v1/results/{result_id}/verdicts", body)


def verdicts(
    *,
    application: str | None = None,
    application_version: str | None = None,
    decision: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Operation[Page[Verdict]]:
    """Find active verdicts, newest first, e.g. as labels for training."""
    query = {
        "application": application,
        "application_version": application_version,
        "decision": decision,
        "cursor": cursor,
        "limit": limit,
    }
    return answers.get_page(Verdict, "/v1/verdicts", query)


def agreement(application: str | None = None) -> Operation[Agreement]:
    """Return accept rates with intervals and kappa between readers, per application version."""
    return answers.get(Agreement, "/v1/statistics/agreement", {"application": application})


def study_report(study_id: UUID | str) -> Operation[Report]:
    """Return the report of a study; raises ApiError 'report-not-found' when there is none."""
    return answers.get(Report, f"/v1/studies/{study_id}/report")


def export_report(
    report_id: UUID | str, target: Path, format: str = "pdf", *, progress: Progress | None = None
) -> Operation[Path]:
    """Write a signed report to a file: pdf, sr, dicom-pdf, fhir or json."""
    call = Call("GET", f"/v1/reports/{report_id}/export", {"format": format}, timeout_s=120.0)
    yield Save(call, target, progress)
    return target
