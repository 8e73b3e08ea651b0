# SPDX-License-Identifier: Apache-2.0
"""SQL of corrections."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update
from sqlalchemy.orm import aliased

from healthvision.domains.archive.tables import (
    CorrectionRow,
    Instance,
    Pack,
    RejectedInstance,
    Series,
    Study,
)
from healthvision.kernel.db import Session

OF_PATIENTS = ("patient_merge", "patient_edit")


async def find(session: Session, org_id: UUID, correction_id: UUID) -> CorrectionRow | None:
    """Return a correction, locked until the transaction ends."""
    query = select(CorrectionRow).where(
        CorrectionRow.org_id == org_id, CorrectionRow.id == correction_id
    )
    query = query.with_for_update().execution_options(populate_existing=True)
    return (await session.scalars(query)).one_or_none()


async def counting(
    session: Session, org_id: UUID, study_id: UUID, series_ids: Collection[UUID]
) -> Sequence[CorrectionRow]:
    """Return the corrections that say what a study and its series look like, oldest first."""
    of_study = and_(
        CorrectionRow.study_id == study_id, CorrectionRow.kind.in_(("study_move", "study_edit"))
    )
    of_series = and_(CorrectionRow.kind == "series_edit", CorrectionRow.series_id.in_(series_ids))
    query = select(CorrectionRow).where(
        CorrectionRow.org_id == org_id,
        CorrectionRow.undone_at.is_(None),
        or_(of_study, of_series),
    )
    return (await session.scalars(query.order_by(CorrectionRow.id))).all()


async def edits_of_patient(
    session: Session, org_id: UUID, patient_ref: UUID
) -> Sequence[CorrectionRow]:
    """Return the edits of a patient that count, oldest first."""
    query = select(CorrectionRow).where(
        CorrectionRow.org_id == org_id,
        CorrectionRow.kind == "patient_edit",
        CorrectionRow.patient_ref == patient_ref,
        CorrectionRow.undone_at.is_(None),
    )
    return (await session.scalars(query.order_by(CorrectionRow.id))).all()


async def later_splits(
    session: Session, org_id: UUID, after: UUID, series_ids: Collection[UUID]
) -> list[CorrectionRow]:
    """Return the splits that count and took one of these series away after a correction."""
    query = select(CorrectionRow).where(
        CorrectionRow.org_id == org_id,
        CorrectionRow.kind == "study_split",
        CorrectionRow.undone_at.is_(None),
        CorrectionRow.id > after,
    )
    wanted = {str(s) for s in series_ids}
    rows = (await session.scalars(query.order_by(CorrectionRow.id))).all()
    return [row for row in rows if wanted & set(row.after["series"])]


async def page(
    session: Session, conditions: Sequence[ColumnElement[bool]], after: UUID | None, limit: int
) -> Sequence[CorrectionRow]:
    """Return corrections, newest first."""
    query = select(CorrectionRow).where(*conditions)
    if after is not None:
        query = query.where(CorrectionRow.id < after)
    return (await session.scalars(query.order_by(CorrectionRow.id.desc()).limit(limit))).all()


def concerning_study(
    org_id: UUID, study_id: UUID, series_ids: Collection[UUID], patient_refs: Collection[UUID]
) -> list[ColumnElement[bool]]:
    """Return the conditions of what was corrected about a study, its series and its patient."""
    of_patient = and_(
        CorrectionRow.kind.in_(OF_PATIENTS), CorrectionRow.patient_ref.in_(patient_refs)
    )
    its = or_(
        CorrectionRow.study_id == study_id,
        CorrectionRow.other_study_id == study_id,
        CorrectionRow.series_id.in_(series_ids),
        of_patient,
    )
    return [CorrectionRow.org_id == org_id, its]


def concerning_patient(
    org_id: UUID, patient_ref: UUID, readable: ColumnElement[bool]
) -> list[ColumnElement[bool]]:
    """Return the conditions of what was corrected about a patient.

    ``readable``: over ``CorrectionRow.study_id``, that the caller may read the study.
    """
    its = or_(
        CorrectionRow.patient_ref == patient_ref, CorrectionRow.other_patient_ref == patient_ref
    )
    seen = or_(CorrectionRow.study_id.is_(None), readable)
    return [CorrectionRow.org_id == org_id, its, seen]


async def lock_studies(
    session: Session, org_id: UUID, *conditions: ColumnElement[bool]
) -> Sequence[Study]:
    """Return live studies in order of their UIDs, locked until the transaction ends."""
    query = select(Study).where(Study.org_id == org_id, Study.deleted_at.is_(None), *conditions)
    query = query.order_by(Study.study_uid).with_for_update()
    return (await session.scalars(query.execution_options(populate_existing=True))).all()


async def series_of(session: Session, org_id: UUID, study_id: UUID) -> Sequence[Series]:
    """Return the series of a study as they are in the database."""
    query = select(Series).where(Series.org_id == org_id, Series.study_id == study_id)
    query = query.order_by(Series.id).execution_options(populate_existing=True)
    return (await session.scalars(query)).all()


async def hand_over(session: Session, org_id: UUID, series: Series, study_id: UUID) -> None:
    """Let a series with all it holds belong to another study.

    Whoever seals or compacts it now has lost its claim: what it made names the former study.
    """
    series.study_id = study_id
    await session.flush()
    fenced = update(Series).where(Series.org_id == org_id, Series.id == series.id)
    fenced = fenced.values(claim_fence=Series.claim_fence + 1, claimed_by="", claim_until=None)
    await session.execute(fenced.execution_options(synchronize_session=False))
    for table in (Instance, Pack):
        of_series = (table.org_id == org_id, table.series_id == series.id)
        change = update(table).where(*of_series).values(study_id=study_id)
        await session.execute(change.execution_options(synchronize_session=False))
    inside = select(Instance.id).where(Instance.org_id == org_id, Instance.series_id == series.id)
    rejected = update(RejectedInstance).where(
        RejectedInstance.org_id == org_id, RejectedInstance.instance_id.in_(inside)
    )
    rejected = rejected.values(study_id=study_id)
    await session.execute(rejected.execution_options(synchronize_session=False))


async def hide(
    session: Session,
    org_id: UUID,
    study_id: UUID,
    correction: CorrectionRow,
    *which: ColumnElement[bool],
) -> int:
    """Take shown instances of a study out of sight; return how many."""
    shown = (
        Instance.org_id == org_id,
        Instance.study_id == study_id,
        Instance.current.is_(True),
        Instance.deleted_at.is_(None),
    )
    ids = list(await session.scalars(select(Instance.id).where(*shown, *which)))
    for instance_id in ids:
        session.add(
            RejectedInstance(
                org_id=org_id,
                correction_id=correction.id,
                study_id=study_id,
                instance_id=instance_id,
                code=correction.code,
            )
        )
    await session.flush()
    mine = _rejected_by(org_id, correction.id)
    change = update(Instance).where(Instance.org_id == org_id, Instance.id.in_(mine))
    change = change.values(current=False)
    await session.execute(change.execution_options(synchronize_session=False))
    return len(ids)


def _rejected_by(org_id: UUID, correction_id: UUID) -> Any:
    return select(RejectedInstance.instance_id).where(
        RejectedInstance.org_id == org_id, RejectedInstance.correction_id == correction_id
    )


async def show_again(session: Session, org_id: UUID, correction_id: UUID) -> list[UUID]:
    """Show what a rejection hid, but for objects whose UID another one took since.

    Returns the studies in which that was.
    """
    mine = RejectedInstance.org_id == org_id, RejectedInstance.correction_id == correction_id
    studies = await session.scalars(select(RejectedInstance.study_id).where(*mine).distinct())
    found = list(studies)
    other = aliased(Instance)
    taken = exists().where(
        other.org_id == org_id,
        other.sop_uid == Instance.sop_uid,
        other.current.is_(True),
        other.deleted_at.is_(None),
    )
    query = select(Instance.id).where(
        Instance.org_id == org_id,
        Instance.id.in_(_rejected_by(org_id, correction_id)),
        Instance.deleted_at.is_(None),
        ~taken,
    )
    ids = list(await session.scalars(query))
    for start in range(0, len(ids), 500):
        change = update(Instance).where(
            Instance.org_id == org_id, Instance.id.in_(ids[start : start + 500])
        )
        change = change.values(current=True)
        await session.execute(change.execution_options(synchronize_session=False))
    await session.execute(delete(RejectedInstance).where(*mine))
    return found


async def shown_of_class(
    session: Session, org_id: UUID, study_id: UUID, sop_class: str
) -> Sequence[Instance]:
    """Return the shown instances of a study that are of one SOP class, in the order they came."""
    query = select(Instance).where(
        Instance.org_id == org_id,
        Instance.study_id == study_id,
        Instance.sop_class_uid == sop_class,
        Instance.current.is_(True),
        Instance.deleted_at.is_(None),
    )
    return (await session.scalars(query.order_by(Instance.received_at, Instance.id))).all()


async def count_uids(
    session: Session, org_id: UUID, study_id: UUID, sop_uids: Collection[str]
) -> int:
    """Return how many of these SOP Instance UIDs a study holds, also out of sight."""
    query = select(func.count(Instance.sop_uid.distinct())).where(
        Instance.org_id == org_id,
        Instance.study_id == study_id,
        Instance.sop_uid.in_(sop_uids),
        Instance.deleted_at.is_(None),
    )
    return await session.scalar(query) or 0


async def rejections(session: Session, org_id: UUID, study_id: UUID) -> Sequence[CorrectionRow]:
    """Return the rejections of a study and the notes that ask for one, oldest first."""
    query = select(CorrectionRow).where(
        CorrectionRow.org_id == org_id,
        CorrectionRow.study_id == study_id,
        CorrectionRow.kind.in_(("reject", "reject_asked")),
    )
    return (await session.scalars(query.order_by(CorrectionRow.id))).all()


async def rejection_of(session: Session, org_id: UUID, instance_id: UUID) -> str:
    """Return the code with which an instance is rejected, or ''."""
    query = select(RejectedInstance.code).where(
        RejectedInstance.org_id == org_id, RejectedInstance.instance_id == instance_id
    )
    return await session.scalar(query) or ""


async def study_of(session: Session, org_id: UUID, series_id: UUID) -> UUID | None:
    """Return the study in which a series is now."""
    query = select(Series.study_id).where(Series.org_id == org_id, Series.id == series_id)
    return await session.scalar(query)


async def drop_empty(session: Session, org_id: UUID, study_id: UUID, series_uid: str) -> bool:
    """Delete a series that never held anything (its objects were known); False when it does."""
    inside = select(Instance.id).where(Instance.org_id == org_id, Instance.series_id == Series.id)
    query = delete(Series).where(
        Series.org_id == org_id,
        Series.study_id == study_id,
        Series.series_uid == series_uid,
        ~inside.exists(),
    )
    found = await session.execute(query.execution_options(synchronize_session=False))
    return bool(found.rowcount)  # type: ignore[attr-defined]
