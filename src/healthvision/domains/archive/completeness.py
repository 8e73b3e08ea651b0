# SPDX-License-Identifier: Apache-2.0
"""When a study is complete: nothing came for the space's quiet time, or its sender closed it."""

from uuid import UUID

from healthvision.domains.archive import repository
from healthvision.domains.archive.errors import StudyNotFound
from healthvision.domains.archive.events import StudyComplete
from healthvision.domains.archive.tables import StudySpaceRow
from healthvision.domains.audit import service as audit
from healthvision.domains.spaces import service as spaces
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database, Session
from healthvision.kernel.events import publish
from healthvision.kernel.security import Actor

BATCH = 100


async def complete_quiet_studies(db: Database) -> int:
    """Mark studies complete whose quiet time is over and tell it; return how many.

    Row and event are written in one transaction, so each generation is told once, whatever
    process does it or dies in it.
    """
    async with db.reading() as session:
        if not await repository.any_due(session, now()):
            return 0
    async with db.transaction() as session:
        rows = await repository.take_due(session, now(), BATCH)
        for row in rows:
            await _complete(session, Actor.system(row.org_id), row, "quiet")
        return len(rows)


async def _complete(session: Session, actor: Actor, row: StudySpaceRow, reason: str) -> None:
    row.state, row.reason, row.completed_at = "complete", reason, now()
    row.generation += 1
    row.due_at = None
    await session.flush()
    event = StudyComplete(
        org_id=row.org_id,
        subject=row.study_id,
        space_id=row.space_id,
        origin=row.origin,
        last_instance_at=row.last_instance_at.isoformat(),
        reason=reason,
        generation=row.generation,
    )
    await publish(session, actor, event)


async def close_study(session: Session, actor: Actor, study_id: UUID, space: UUID | str) -> None:
    """End a study in a space now, as its sender says. Closing it again changes nothing.

    Raises SpaceNotFound, Forbidden (needs write), StudyNotFound.
    """
    place = await spaces.get(session, actor, space, "write")
    study = await repository.find_study(session, actor.org_id, study_id)
    row = await repository.membership(session, actor.org_id, study_id, place.id)
    if study is None or row is None:
        raise StudyNotFound("there is no such study in this space")
    if row.state == "complete":
        return
    await _complete(session, actor, row, "closed")
    await audit.record(
        session,
        actor,
        "archive.study_closed",
        study_id,
        kind="study",
        patient_id=study.patient_ref,
        space_id=place.id,
    )
