# SPDX-License-Identifier: Apache-2.0
"""What happens to tasks and results when a study goes away or is corrected."""

from typing import Any
from uuid import UUID

from healthvision.domains.analysis import following, repository, tasks
from healthvision.domains.archive import service as archive
from healthvision.domains.archive.errors import StudyNotFound
from healthvision.domains.archive.events import (
    SeriesMoved,
    StudyCorrected,
    StudyDeleted,
    StudyPurged,
)
from healthvision.domains.archive.schemas import StudyDetail
from healthvision.formats.dicom.header import age_years
from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor


async def on_study_deleted(session: Session, actor: Actor, event: StudyDeleted) -> None:
    """Cancel open tasks and hide the results of a deleted study. Safe to run twice."""
    await tasks.drop_study(session, actor, event.subject)


async def on_study_purged(session: Session, actor: Actor, event: StudyPurged) -> None:
    """Remove tasks, results and output rows of a purged study. Safe to run twice."""
    await repository.purge_study(session, event.org_id, event.subject)


async def on_study_corrected(session: Session, actor: Actor, event: StudyCorrected) -> None:
    """Let tasks and results say whose study it is now. Safe to run twice."""
    study = await _study(session, actor, event.subject)
    if study is not None:
        await following.describe(session, actor.org_id, study.id, _facts(study))


async def on_series_moved(session: Session, actor: Actor, event: SeriesMoved) -> None:
    """Let the results made from a series go where the series is. Safe to run twice."""
    try:
        series = await archive.get_series(session, actor, event.series_id)
    except StudyNotFound:
        return
    study = await _study(session, actor, series.study_id)
    if study is None:
        return
    await following.move(
        session, actor.org_id, series.series_uid, event.from_study_id, study.id, study.study_uid
    )
    await following.describe(session, actor.org_id, study.id, _facts(study))


async def _study(session: Session, actor: Actor, study_id: UUID) -> StudyDetail | None:
    try:
        return await archive.get_study(session, actor, study_id)
    except StudyNotFound:
        return None


def _facts(study: StudyDetail) -> following.StudyFacts:
    patient: dict[str, Any] = {
        "patient_key": str(study.patient_ref),
        "patient_id": study.patient_id or None,
        "issuer": study.issuer_of_patient_id or None,
        "sex": study.patient_sex or None,
    }
    age = age_years("", study.patient_birth_date, study.study_date)
    if age is not None:
        patient["age_years"] = age
    about = {
        "study_uid": study.study_uid,
        "study_date": study.study_date or None,
        "accession_number": study.accession_number or None,
    }
    return following.StudyFacts(
        study.patient_ref, study.patient_id or None, study.study_date or None, patient, about
    )
