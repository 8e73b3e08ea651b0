# SPDX-License-Identifier: Apache-2.0
"""Taking corrections back, in any order where that has a meaning.

Edits, moves and merges: what counts is laid over the originals anew, so the order does not matter.
Splits: not while a series of it has gone on to a further study, or more of it came in. Rejections:
objects whose UID another object took since stay out of sight.
"""

from uuid import UUID

from healthvision.domains.archive.correcting import corrections_splitting
from healthvision.domains.archive.correcting.corrections import apply_edits
from healthvision.domains.archive.correcting.corrections_history import visible_correction
from healthvision.domains.archive.correcting.corrections_making import (
    keep_undone,
    refresh_and_tell,
    study_to_correct,
)
from healthvision.domains.archive.correcting.corrections_rejecting import recount
from healthvision.domains.archive.correcting.corrections_schemas import CorrectionRead, Undo
from healthvision.domains.archive.errors import CorrectionUndone
from healthvision.domains.archive.lifecycle.removing import recount_study
from healthvision.domains.archive.records import corrections_rows
from healthvision.domains.archive.records.corrections_state import assigned_of
from healthvision.domains.archive.retrieving.reading import visible_study
from healthvision.domains.archive.tables import CorrectionRow, Study
from healthvision.domains.patients import service as patients
from healthvision.kernel.clock import now
from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor


async def undo(session: Session, actor: Actor, correction_id: UUID, why: Undo) -> CorrectionRead:
    """Take a correction back; it stays in the history.

    Raises CorrectionNotFound, CorrectionUndone, CorrectionBlocked, Forbidden.
    """
    row = await visible_correction(session, actor, correction_id)
    if row.undone_at is not None:
        raise CorrectionUndone("somebody took this back before")
    row.undone_at, row.undone_by = now(), f"{actor.kind}:{actor.id}"
    row.undone_reason = why.reason
    await session.flush()
    await _UNDO[row.kind](session, actor, row)
    await patients.reopen_conflict(session, actor, row.id)
    await keep_undone(session, actor, row)
    return CorrectionRead.model_validate(row)


async def _unmerge(session: Session, actor: Actor, row: CorrectionRow) -> None:
    assert row.patient_ref is not None
    before = await patients.standing(session, actor, row.patient_ref)
    await patients.unmerge(session, actor, row.patient_ref)
    await _refresh_patient(session, actor, row, before.ref)


async def _undo_patient_edit(session: Session, actor: Actor, row: CorrectionRow) -> None:
    assert row.patient_ref is not None
    await apply_edits(session, actor, row.patient_ref)
    await _refresh_patient(session, actor, row, row.patient_ref)


async def _refresh_patient(
    session: Session, actor: Actor, row: CorrectionRow, patient_ref: UUID
) -> None:
    mine = Study.patient_ref == patient_ref
    studies = await corrections_rows.lock_studies(session, actor.org_id, mine)
    await refresh_and_tell(session, actor, row, studies)


async def _undo_move(session: Session, actor: Actor, row: CorrectionRow) -> None:
    """Let nobody merge the patient meanwhile to whom the study goes back."""
    assert row.study_id is not None
    study = await visible_study(session, actor, row.study_id)
    made = await corrections_rows.counting(session, actor.org_id, study.id, ())
    await patients.hold(session, actor, assigned_of(study, made))
    await _undo_on_study(session, actor, row)


async def _undo_on_study(session: Session, actor: Actor, row: CorrectionRow) -> None:
    assert row.study_id is not None
    study = await study_to_correct(session, actor, row.study_id)
    await refresh_and_tell(session, actor, row, [study])


async def _undo_on_series(session: Session, actor: Actor, row: CorrectionRow) -> None:
    """Refresh the study in which the series is now."""
    assert row.series_id is not None
    study_id = await corrections_rows.study_of(session, actor.org_id, row.series_id)
    study = await study_to_correct(session, actor, study_id or row.study_id or row.series_id)
    await refresh_and_tell(session, actor, row, [study])
    await recount_study(session, actor, study)


async def _undo_split(session: Session, actor: Actor, row: CorrectionRow) -> None:
    assert row.other_study_id is not None
    await study_to_correct(session, actor, row.other_study_id)
    await corrections_splitting.take_back(session, actor, row)


async def _unreject(session: Session, actor: Actor, row: CorrectionRow) -> None:
    assert row.study_id is not None
    await study_to_correct(session, actor, row.study_id)
    found = await corrections_rows.show_again(session, actor.org_id, row.id)
    wanted = {*found, row.study_id}
    studies = await corrections_rows.lock_studies(session, actor.org_id, Study.id.in_(wanted))
    for study in studies:
        await recount(session, actor, study)
    await refresh_and_tell(session, actor, row, studies)


async def _decline(session: Session, actor: Actor, row: CorrectionRow) -> None:
    """A note that nobody followed changed nothing; the answer to it is no from now on."""
    assert row.study_id is not None
    await study_to_correct(session, actor, row.study_id)


_UNDO = {
    "patient_merge": _unmerge,
    "patient_edit": _undo_patient_edit,
    "study_move": _undo_move,
    "study_edit": _undo_on_study,
    "series_edit": _undo_on_series,
    "study_split": _undo_split,
    "reject": _unreject,
    "reject_asked": _decline,
}
