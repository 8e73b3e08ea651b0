# SPDX-License-Identifier: Apache-2.0
"""Objects that must not be used any more (IHE RAD TF IOCM; titles of CID 7011, PS3.16).

| Code               | Title                                  | Who gets the objects               |
|--------------------|----------------------------------------|------------------------------------|
| quality            | 113001 Rejected for Quality Reasons    | who may read originals, one by one |
| patient_safety     | 113037 Rejected for Patient Safety ... | nobody                             |
| incorrect_worklist | 113038 Incorrect Modality Worklist ... | nobody                             |
| retention_expired  | 113039 Data Retention Policy Expired   | nobody; not while a hold lasts     |

No search, retrieval, analysis or export shows them, whatever the code. Bytes stay: a rejection can
be taken back. The same bytes, sent again, stay out of sight. A rejection may be made for a note
that a sender stored (``rejection_notes``, ``iocm``).
"""

from uuid import UUID

from healthvision.domains.archive.correcting import rejection_notes
from healthvision.domains.archive.correcting.corrections_making import (
    keep,
    new_correction,
    refresh_and_tell,
    study_to_correct,
)
from healthvision.domains.archive.correcting.corrections_schemas import CorrectionRead, StudyReject
from healthvision.domains.archive.correcting.rejection_notes import TITLES
from healthvision.domains.archive.errors import NothingToCorrect, StudyNotFound, UnderLegalHold
from healthvision.domains.archive.lifecycle.removing import recount_series, recount_study
from healthvision.domains.archive.records import corrections_rows
from healthvision.domains.archive.tables import CorrectionRow, Instance, Study
from healthvision.kernel.clock import now
from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor

READABLE = frozenset({"", "quality"})  # codes whose originals may be given out


async def reject(
    session: Session, actor: Actor, study_id: UUID, wanted: StudyReject
) -> CorrectionRead:
    """Take a study, or some series or instances of it, out of use.

    Raises StudyNotFound (also when a series or instance is not in it), NothingToCorrect and
    UnderLegalHold.
    """
    study = await study_to_correct(session, actor, study_id)
    if must_stay(study, wanted.code):
        raise UnderLegalHold("a legal hold or the retention time of the study forbids it")
    row = new_correction(
        actor,
        "reject",
        wanted.reason,
        before={},
        after={"title": TITLES[wanted.code]},
        study_id=study.id,
        patient_ref=study.patient_ref,
        code=wanted.code,
    )
    session.add(row)
    await session.flush()
    count = await _hide(session, actor, study, row, wanted)
    row.after = {
        **row.after,
        "series": [str(s) for s in wanted.series],
        "instances": [str(i) for i in wanted.instances],
        "objects": count,
    }
    await keep(session, actor, row)
    await recount(session, actor, study)
    await refresh_and_tell(session, actor, row, [study])
    return CorrectionRead.model_validate(row)


def must_stay(study: Study, code: str) -> bool:
    """Tell whether a study is kept by a hold or its retention time against this code."""
    kept = study.legal_hold or (study.retain_until is not None and study.retain_until > now())
    return kept and code == "retention_expired"


async def _hide(
    session: Session, actor: Actor, study: Study, row: CorrectionRow, wanted: StudyReject
) -> int:
    org_id = actor.org_id
    if wanted.note is not None:
        return await _hide_noted(session, actor, study, row, wanted.note)
    known = {s.id for s in await corrections_rows.series_of(session, org_id, study.id)}
    if not set(wanted.series) <= known:
        raise StudyNotFound("there is no such series in this study")
    count = 0
    if wanted.series:
        inside = Instance.series_id.in_(wanted.series)
        count += await corrections_rows.hide(session, org_id, study.id, row, inside)
    if wanted.instances:
        single = Instance.id.in_(wanted.instances)
        count += await corrections_rows.hide(session, org_id, study.id, row, single)
    if not wanted.series and not wanted.instances:
        count += await corrections_rows.hide(session, org_id, study.id, row)
    if not count:
        raise NothingToCorrect("nothing of this is shown in the study")
    return count


async def _hide_noted(
    session: Session, actor: Actor, study: Study, row: CorrectionRow, note_id: UUID
) -> int:
    """Hide what a note names that a person follows; who asked for it has the answer."""
    notes = await rejection_notes.notes_of(session, actor.org_id, study.id)
    note = next((n for n in notes if n.instance_id == note_id), None)
    if note is None:
        raise StudyNotFound("there is no such rejection note in this study")
    count = await rejection_notes.hide(session, actor.org_id, study.id, row, note)
    if not count:
        raise NothingToCorrect("nothing the note names is shown in the study")
    for asked in await corrections_rows.rejections(session, actor.org_id, study.id):
        is_it = asked.kind == "reject_asked" and asked.after.get("note_uid") == note.sop_uid
        if is_it and asked.undone_at is None:
            asked.undone_at, asked.undone_by = now(), row.made_by
            asked.undone_reason = row.reason
    return count


async def recount(session: Session, actor: Actor, study: Study) -> None:
    """Set the counts and lists of a study and its series to those of what is shown."""
    for series in await corrections_rows.series_of(session, actor.org_id, study.id):
        await recount_series(session, actor, series)
    await recount_study(session, actor, study)
