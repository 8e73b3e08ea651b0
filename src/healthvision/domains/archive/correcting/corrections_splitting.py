# SPDX-License-Identifier: Apache-2.0
"""Series that go to another study, and back.

A series moves as a whole, with its rows, packs and claims; its objects keep their bytes and their
SOP Instance UIDs, and are given out with the UIDs and the patient of the study they belong to.
When that study has a series of the same UID, the one that comes gets a new Series Instance UID.
"""

from collections.abc import Collection, Sequence
from uuid import UUID

from pydicom.uid import generate_uid

from healthvision.domains.archive import repository
from healthvision.domains.archive.correcting.corrections_making import (
    keep,
    new_correction,
    refresh_and_tell,
    studies_to_correct,
    study_to_correct,
)
from healthvision.domains.archive.correcting.corrections_rejecting import recount
from healthvision.domains.archive.correcting.corrections_schemas import CorrectionRead, StudySplit
from healthvision.domains.archive.errors import (
    CorrectionBlocked,
    NothingToCorrect,
    StudyNotFound,
    UnderLegalHold,
)
from healthvision.domains.archive.events import SeriesMoved
from healthvision.domains.archive.records import corrections_rows
from healthvision.domains.archive.records.corrections_state import (
    STUDY,
    assigned_of,
    element,
    patient_overlay,
)
from healthvision.domains.archive.tables import CorrectionRow, Series, Study, StudySpaceRow
from healthvision.domains.patients import service as patients
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Session
from healthvision.kernel.events import publish
from healthvision.kernel.security import Actor


async def split_study(
    session: Session, actor: Actor, study_id: UUID, wanted: StudySplit
) -> CorrectionRead:
    """Let some series of a study belong to another one, or to a new one like it.

    Raises StudyNotFound (also for a series that is not in it), NothingToCorrect, UnderLegalHold.
    """
    if wanted.into == study_id:
        raise NothingToCorrect("the series are in this study already")
    study, target = await _both(session, actor, study_id, wanted.into)
    known = {s.id: s for s in await corrections_rows.series_of(session, actor.org_id, study.id)}
    if not set(wanted.series) <= known.keys():
        raise StudyNotFound("there is no such series in this study")
    series = [known[s] for s in dict.fromkeys(wanted.series)]
    made_new = target is None
    target = target or await _new_study(session, actor, study)
    uids = {str(s.id): s.series_uid for s in series}
    await _hand_over(session, actor, series, target)
    row = new_correction(
        actor,
        "study_split",
        wanted.reason,
        before={"study_uid": study.study_uid, "series_uids": uids},
        after={
            "study_uid": target.study_uid,
            "series": list(uids),
            "series_uids": {str(s.id): s.series_uid for s in series},
            "new_study": made_new,
        },
        study_id=study.id,
        other_study_id=target.id,
        patient_ref=study.patient_ref,
        other_patient_ref=target.patient_ref,
    )
    await keep(session, actor, row)
    await _settle(session, actor, row, (study, target), series)
    return CorrectionRead.model_validate(row)


async def _both(
    session: Session, actor: Actor, study_id: UUID, into: UUID | None
) -> tuple[Study, Study | None]:
    """Return the study and the one the series go to, locked in order of their UIDs."""
    if into is None:
        return await study_to_correct(session, actor, study_id), None
    found = await studies_to_correct(session, actor, [study_id, into])
    study, target = found[study_id], found[into]
    shorter = study.retain_until is not None and (
        target.retain_until is None or target.retain_until < study.retain_until
    )
    if shorter or (study.legal_hold and not target.legal_hold):
        raise UnderLegalHold("the study is kept by a hold or retention time, the other one is not")
    return study, target


async def _new_study(session: Session, actor: Actor, study: Study) -> Study:
    """Return a new study that says what this one says, of the same patient, in its spaces."""
    made = await corrections_rows.counting(session, actor.org_id, study.id, ())
    own = await patients.own(session, actor, assigned_of(study, made))
    of_patient = patient_overlay(own)
    uid = str(generate_uid(None))
    values = {name: getattr(study, name) for name in (*STUDY, "priority")}
    values |= of_patient.columns
    row = Study(
        id=new_id(),
        org_id=actor.org_id,
        study_uid=uid,
        patient_ref=own.ref,
        patient_search=patients.index_words(own.name),
        dicom_json={
            **study.dicom_json,
            **of_patient.tags,
            "0020000D": element("UI", uid),
        },
        origins=study.origins,
        legal_hold=study.legal_hold,
        retain_until=study.retain_until,
        first_received_at=study.first_received_at,
        last_received_at=study.last_received_at,
        **values,
    )
    session.add(row)
    await session.flush()
    for member in await repository.memberships(session, actor.org_id, [study.id]):
        session.add(
            StudySpaceRow(
                org_id=actor.org_id,
                study_id=row.id,
                space_id=member.space_id,
                state="complete",
                completed_at=now(),
                origin="system",
            )
        )
    await session.flush()
    return row


async def _hand_over(
    session: Session, actor: Actor, series: Collection[Series], target: Study
) -> None:
    there = {s.series_uid for s in await _series(session, actor, target.id)}
    for row in series:
        home = row.home_study_id or row.study_id
        row.home_study_id = None if home == target.id else home
        if row.series_uid in there:
            row.series_uid = str(generate_uid(None))
            row.dicom_json = {**row.dicom_json, "0020000E": element("UI", row.series_uid)}
        there.add(row.series_uid)
        await corrections_rows.hand_over(session, actor.org_id, row, target.id)


async def _series(session: Session, actor: Actor, study_id: UUID) -> Sequence[Series]:
    return await corrections_rows.series_of(session, actor.org_id, study_id)


async def _settle(
    session: Session,
    actor: Actor,
    correction: CorrectionRow,
    studies: tuple[Study, Study],
    series: Collection[Series],
) -> None:
    """Count both studies again and tell where each series is; studies: from, to."""
    source, target = studies
    for study in studies:
        await recount(session, actor, study)
    await refresh_and_tell(session, actor, correction, studies)
    for row in series:
        event = SeriesMoved(
            org_id=actor.org_id,
            subject=target.id,
            series_id=row.id,
            from_study_id=source.id,
            patient_ref=target.patient_ref,
        )
        await publish(session, actor, event)


async def take_back(session: Session, actor: Actor, correction: CorrectionRow) -> None:
    """Bring the series of a split back to where they were; raises CorrectionBlocked.

    A study that was made for it and holds nothing else is deleted.
    """
    assert correction.study_id is not None and correction.other_study_id is not None
    wanted = [correction.study_id, correction.other_study_id]
    locked = await corrections_rows.lock_studies(session, actor.org_id, Study.id.in_(wanted))
    by_id = {study.id: study for study in locked}
    if len(by_id) < 2:
        raise CorrectionBlocked("one of the two studies is deleted")
    source, target = by_id[correction.study_id], by_id[correction.other_study_id]
    ids = {UUID(s) for s in correction.after["series"]}
    series = [s for s in await _series(session, actor, target.id) if s.id in ids]
    if len(series) < len(ids):
        later = await corrections_rows.later_splits(session, actor.org_id, correction.id, ids)
        by = f"; first take back {later[-1].id}" if later else ""
        raise CorrectionBlocked(f"a series of it is in a further study by now{by}")
    there = {s.series_uid for s in await _series(session, actor, source.id)}
    for row in series:
        uid = correction.before["series_uids"][str(row.id)]
        if uid in there and not await corrections_rows.drop_empty(
            session, actor.org_id, source.id, uid
        ):
            raise CorrectionBlocked(
                "further objects of the series came in: split those off to the other study first"
            )
        row.series_uid = uid
        row.dicom_json = {**row.dicom_json, "0020000E": element("UI", uid)}
    await _hand_over(session, actor, series, source)
    await _settle(session, actor, correction, (target, source), series)
    if correction.after["new_study"] and not await _series(session, actor, target.id):
        by = f"{actor.kind}:{actor.id}"
        await repository.mark_deleted(session, actor.org_id, target.id, now(), by)
