# SPDX-License-Identifier: Apache-2.0
"""The rejection notes that were held for a person, and what became of them."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Row, exists, select

from healthvision.domains.archive.correcting.corrections_schemas import (
    HeldNoteRead,
    HeldNoteState,
)
from healthvision.domains.archive.lifecycle.lifecycle import study_read
from healthvision.domains.archive.tables import CorrectionRow, Study, StudySpaceRow
from healthvision.domains.spaces import service as spaces
from healthvision.kernel.db import Session
from healthvision.kernel.paging import cursor_id, next_id
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

Held = Row[CorrectionRow, Study]
_Note = tuple[UUID | None, str]  # study, SOP Instance UID of the note


class _Decision(NamedTuple):
    """What became of a note: state, when, by whom and why."""

    state: HeldNoteState
    at: datetime | None
    by: str | None
    reason: str | None


async def held_notes(
    session: Session, actor: Actor, *, decided: bool, cursor: str | None, limit: int
) -> Page[HeldNoteRead]:
    """Return notes of studies the actor may read that wait for a person, newest first.

    ``decided``: those that somebody followed or declined instead.
    """
    places = {s.id for s in await spaces.visible(session, actor)}
    rows = await _page(session, actor.org_id, places, decided, cursor_id(cursor), limit + 1)
    shown = rows[:limit]
    followed = await _followed(session, actor.org_id, [row[1].id for row in shown])
    return Page[HeldNoteRead](
        items=[_read(row[0], row[1], followed) for row in shown],
        next=next_id([row[0] for row in rows], limit),
        total=None,
    )


async def _page(
    session: Session,
    org_id: UUID,
    places: Collection[UUID],
    decided: bool,
    before: UUID | None,
    limit: int,
) -> list[Held]:
    readable = exists().where(
        StudySpaceRow.study_id == CorrectionRow.study_id, StudySpaceRow.space_id.in_(places)
    )
    answer = CorrectionRow.undone_at
    query = select(CorrectionRow, Study).join(Study, Study.id == CorrectionRow.study_id)
    query = query.where(
        CorrectionRow.org_id == org_id,
        CorrectionRow.kind == "reject_asked",
        answer.is_not(None) if decided else answer.is_(None),
        Study.org_id == org_id,
        Study.deleted_at.is_(None),
        readable,
    )
    if before is not None:
        query = query.where(CorrectionRow.id < before)
    found = await session.execute(query.order_by(CorrectionRow.id.desc()).limit(limit))
    return list(found.all())


async def _followed(
    session: Session, org_id: UUID, study_ids: Collection[UUID]
) -> dict[_Note, CorrectionRow]:
    """Return the newest rejection made by each note of some studies."""
    query = select(CorrectionRow).where(
        CorrectionRow.org_id == org_id,
        CorrectionRow.study_id.in_(set(study_ids)),
        CorrectionRow.kind == "reject",
    )
    found = await session.scalars(query.order_by(CorrectionRow.id))
    return {(row.study_id, row.after["note_uid"]): row for row in found if "note_uid" in row.after}


def _decision(asked: CorrectionRow, followed: CorrectionRow | None) -> _Decision:
    """Return what stands of a note: the rejection it led to, or that it was declined."""
    if asked.undone_at is None:
        return _Decision("waiting", None, None, None)
    if followed is not None and followed.undone_at is None:
        return _Decision("followed", followed.created_at, followed.made_by, followed.reason)
    last = followed or asked
    return _Decision("declined", last.undone_at, last.undone_by, last.undone_reason)


def _read(
    row: CorrectionRow, study: Study, followed: Mapping[_Note, CorrectionRow]
) -> HeldNoteRead:
    about = row.after
    decision = _decision(row, followed.get((row.study_id, about["note_uid"])))
    return HeldNoteRead.model_validate(
        {
            "id": row.id,
            "state": decision.state,
            "note": about["note"],
            "code": row.code,
            "named": about["named"],
            "elsewhere": about["elsewhere"],
            "made_by": row.made_by,
            "created_at": row.created_at,
            "decided_at": decision.at,
            "decided_by": decision.by,
            "decided_reason": decision.reason,
            "study": study_read(study),
        }
    )
