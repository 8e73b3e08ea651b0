# SPDX-License-Identifier: Apache-2.0
"""Tasks and results that follow their study when it is corrected in the archive.

What was computed stays as it is; only whose it is, and the study's number and date, change.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from healthvision.domains.analysis.tables import ResultRow, Task
from healthvision.kernel.db import Session


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """What tasks and results repeat of their study; ``patient`` and ``about``: of the document."""

    patient_ref: UUID
    patient_id: str | None
    study_date: str | None
    patient: dict[str, Any]
    about: dict[str, Any]


async def describe(session: Session, org_id: UUID, study_id: UUID, facts: StudyFacts) -> None:
    """Let the tasks and results of a study say what is known of it now."""
    its_tasks = (Task.org_id == org_id, Task.study_id == study_id)
    change = update(Task).where(*its_tasks).values(patient_ref=facts.patient_ref)
    await session.execute(change.execution_options(synchronize_session=False))
    mine = select(ResultRow).where(ResultRow.org_id == org_id, ResultRow.study_id == study_id)
    for row in await session.scalars(mine):
        row.patient_ref, row.patient_id = facts.patient_ref, facts.patient_id
        row.study_date = facts.study_date
        patient = {**row.document["patient"], **facts.patient}
        row.document = {**row.document, **facts.about, "patient": patient}
    await session.flush()


async def move(
    session: Session,
    org_id: UUID,
    series_uid: str,
    from_study: UUID,
    to_study: UUID,
    study_uid: str,
) -> None:
    """Let the results that were made from a series be of another study, with their tasks.

    Their versions go on from those of the same application there.
    """
    if from_study == to_study:
        return
    query = select(ResultRow).where(ResultRow.org_id == org_id, ResultRow.study_id == from_study)
    rows = (await session.scalars(query.order_by(ResultRow.version))).all()
    for row in rows:
        if (row.document.get("series") or {}).get("series_uid") != series_uid:
            continue
        last = select(func.max(ResultRow.version)).where(
            ResultRow.org_id == org_id,
            ResultRow.study_id == to_study,
            ResultRow.application_id == row.application_id,
        )
        row.version = (await session.scalar(last) or 0) + 1
        row.study_id, row.study_uid = to_study, study_uid
        row.document = {**row.document, "version": row.version}
        await session.flush()
        task = (Task.org_id == org_id, Task.id == row.task_id)
        change = update(Task).where(*task).values(study_id=to_study, study_uid=study_uid)
        await session.execute(change.execution_options(synchronize_session=False))
