# SPDX-License-Identifier: Apache-2.0
"""What all corrections share: who may, the row that is kept, and telling others."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from healthvision.domains.archive import repository
from healthvision.domains.archive.correcting.corrections_schemas import CorrectionKind
from healthvision.domains.archive.errors import NothingToCorrect, StudyNotFound
from healthvision.domains.archive.events import StudyCorrected
from healthvision.domains.archive.records import corrections_rows
from healthvision.domains.archive.records.corrections_state import refresh
from healthvision.domains.archive.retrieving.reading import visible_study
from healthvision.domains.archive.tables import CorrectionRow, Series, Study
from healthvision.domains.audit import service as audit
from healthvision.domains.spaces import service as spaces
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Session
from healthvision.kernel.errors import Forbidden
from healthvision.kernel.events import publish
from healthvision.kernel.security import Actor


async def studies_to_correct(
    session: Session, actor: Actor, study_ids: Collection[UUID]
) -> dict[UUID, Study]:
    """Return studies, locked, each of which the actor sees and may write to in one of its spaces.

    Raises StudyNotFound and Forbidden.
    """
    mine = {s.id for s in await spaces.visible(session, actor, "write")}
    for study_id in study_ids:
        await visible_study(session, actor, study_id)
        rows = await repository.memberships(session, actor.org_id, [study_id])
        if not any(row.space_id in mine for row in rows):
            raise Forbidden("this needs the right write in a space of the study", right="write")
    locked = await corrections_rows.lock_studies(session, actor.org_id, Study.id.in_(study_ids))
    if len(locked) < len(set(study_ids)):
        raise StudyNotFound("there is no such study")
    return {study.id: study for study in locked}


async def study_to_correct(session: Session, actor: Actor, study_id: UUID) -> Study:
    """Do what ``studies_to_correct`` does for one study."""
    return (await studies_to_correct(session, actor, [study_id]))[study_id]


async def series_to_correct(
    session: Session, actor: Actor, series_id: UUID
) -> tuple[Study, Series]:
    """Return a series with its study, locked; raises StudyNotFound and Forbidden."""
    row = await repository.find_series(session, actor.org_id, series_id)
    if row is None:
        raise StudyNotFound("there is no such series")
    study = await study_to_correct(session, actor, row.study_id)
    await session.refresh(row)
    if row.study_id != study.id:
        raise StudyNotFound("there is no such series")
    return study, row


def new_correction(
    actor: Actor,
    kind: CorrectionKind,
    reason: str,
    *,
    before: dict[str, Any],
    after: dict[str, Any],
    **about: Any,
) -> CorrectionRow:
    """Return the row of a correction; ``about``: its columns that say what it is about."""
    values = {"code": "", **about}
    return CorrectionRow(
        id=new_id(),
        org_id=actor.org_id,
        kind=kind,
        reason=reason,
        before=before,
        after=after,
        made_by=f"{actor.kind}:{actor.id}",
        **values,
    )


def differing(row: Any, wanted: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a row says and what it shall say where both differ; raises NothingToCorrect."""
    after = {n: v for n, v in wanted.items() if v is not None and getattr(row, n) != v}
    if not after:
        raise NothingToCorrect("everything is as you want it already")
    return {name: getattr(row, name) for name in after}, after


async def keep(session: Session, actor: Actor, row: CorrectionRow) -> None:
    """Keep a correction and its audit row (names of attributes only, no values)."""
    session.add(row)
    await session.flush()
    await _record(session, actor, row, "archive.correction_made")


async def keep_undone(session: Session, actor: Actor, row: CorrectionRow) -> None:
    """Write the audit row of a correction that was taken back."""
    await session.flush()
    await _record(session, actor, row, "archive.correction_undone")


async def _record(session: Session, actor: Actor, row: CorrectionRow, action: str) -> None:
    of_study = row.study_id is not None
    await audit.record(
        session,
        actor,
        action,
        row.study_id if of_study else row.patient_ref,
        kind="study" if of_study else "patient",
        patient_id=row.patient_ref,
        detail={
            "correction": str(row.id),
            "kind": row.kind,
            "code": row.code,
            "attributes": ",".join(sorted(row.after)),
        },
    )


async def refresh_and_tell(
    session: Session, actor: Actor, correction: CorrectionRow, studies: Collection[Study]
) -> None:
    """Make studies what they are to look like now and tell those who follow them."""
    for study in studies:
        before = (study.patient_ref, study.coercion)
        await refresh(session, actor, study)
        if correction.kind == "reject" or before != (study.patient_ref, study.coercion):
            event = StudyCorrected(
                org_id=actor.org_id,
                subject=study.id,
                correction_id=correction.id,
                kind=correction.kind,
                patient_ref=study.patient_ref,
                undone=correction.undone_at is not None,
            )
            await publish(session, actor, event)
