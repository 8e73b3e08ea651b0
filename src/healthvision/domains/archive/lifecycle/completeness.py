# SPDX-License-Identifier: Apache-2.0
"""When a study is complete: nothing came for the space's quiet time, or its sender closed it."""

import asyncio
from datetime import timedelta
from uuid import UUID

from healthvision.domains.archive import repository
from healthvision.domains.archive.errors import StudyNotFound
from healthvision.domains.archive.events import StudyComplete
from healthvision.domains.archive.packing import sealing
from healthvision.domains.archive.records import pack_rows
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.domains.archive.tables import StudySpaceRow
from healthvision.domains.audit import service as audit
from healthvision.domains.spaces import service as spaces
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database, Session
from healthvision.kernel.events import publish
from healthvision.kernel.jobs import URGENT, enqueue
from healthvision.kernel.leases import is_held
from healthvision.kernel.security import Actor

BATCH = 100
UPKEEP = "upkeep"  # the lease of the process that seals, checks and compacts
AT_ONCE = 5  # completed in one transaction, which keeps senders waiting
TURN_S = 1.5  # the sealing of quiet series has taken up a study by then, unless it is far behind
FINISH = "archive.finish_study"
INLINE_S = 2.0
_running: set["asyncio.Task[None]"] = set()


async def complete_quiet_studies(db: Database) -> int:
    """Mark complete the studies whose quiet time is over; return how many memberships.

    A study is complete only when none of its instances lies in a journal, so that whoever hears
    of it reads sealed objects. Row and event are written in one transaction, so each generation
    is told once, whatever process does it or dies in it. Studies that are not sealed yet are not
    waited for; they are sealed here only when nobody keeps the archive in order elsewhere.
    """
    count = await _complete_sealed(db)
    for _ in range(BATCH):
        if await _is_kept(db) or not await seal_newest_due(db, waited_s=0.0, series=1):
            break
        count += await _complete_sealed(db)
    return count


async def _complete_sealed(db: Database) -> int:
    count = 0
    while True:
        async with db.reading() as session:
            if not await repository.any_due(session, now()):
                return count
        async with db.transaction() as session:
            rows = await repository.take_due(session, now(), AT_ONCE)
            for row in rows:
                reason = "closed" if _is_closed(row) else "quiet"
                await _complete(session, Actor.system(row.org_id), row, reason)
        if not rows:
            return count
        count += len(rows)


async def seal_newest_due(
    db: Database, *, waited_s: float = TURN_S, series: int = sealing.GROUP_SERIES
) -> bool:
    """Seal the studies that became due last and wait since ``waited_s``; False: there is none.

    As many as have about ``series`` series. Quiet series are sealed oldest first, so that with
    many of them waiting an urgent study would come last; this is its other way in. Under a steady
    load nothing is left for it to do.
    """
    at = now()
    before = at - timedelta(seconds=waited_s)
    async with db.reading() as session:
        found = await repository.newest_unsealed(session, before, at, series)
    for org_id in dict.fromkeys(org for org, _ in found):
        mine = [study for org, study in found if org == org_id]
        await sealing.seal_studies(db, org_id, mine, gentle=True)
    return bool(found)


async def seal_newest_dues(db: Database, *, waited_s: float = TURN_S) -> None:
    """Seal due studies, always the newest first, until none waits."""
    for _ in range(BATCH):
        if not await seal_newest_due(db, waited_s=waited_s):
            return


async def _is_kept(db: Database) -> bool:
    """Tell whether a process does the upkeep, sealing among it."""
    async with db.reading() as session:
        return await is_held(session, UPKEEP)


async def finish_study(db: Database, org_id: UUID, study_id: UUID) -> None:
    """Mark a study complete that its sender closed; safe to run twice.

    It is sealed here when nobody else seals; else it is complete as soon as that is done.
    """
    if await _is_kept(db):
        await _finish(db, org_id, study_id)
    else:
        await _seal_and_finish(db, org_id, study_id)


async def _seal_and_finish(db: Database, org_id: UUID, study_id: UUID) -> None:
    await sealing.seal_study(db, org_id, study_id)
    await _finish(db, org_id, study_id)


async def _finish(db: Database, org_id: UUID, study_id: UUID) -> None:
    async with db.transaction() as session:
        if await repository.has_unsealed(session, org_id, study_id):
            return  # another process is at it and completes it
        for row in await repository.memberships(session, org_id, [study_id]):
            if _is_closed(row):
                await _complete(session, Actor.system(org_id), row, "closed")


async def finish_small_study(db: Database, org_id: UUID, study_id: UUID) -> None:
    """Finish a closed study at once when it is small; a job does it for the others.

    Returns after ``INLINE_S`` at the latest; what is not done then goes on.
    """
    async with db.reading() as session:
        size = await pack_rows.unsealed_bytes(session, org_id, study_id)
    if not 0 < size <= ArchiveSettings.current().seal_inline_bytes:
        return
    task = asyncio.create_task(_seal_and_finish(db, org_id, study_id))
    _running.add(task)
    task.add_done_callback(_running.discard)
    await asyncio.wait({task}, timeout=INLINE_S)
    if task.done():
        await task


def _is_closed(row: StudySpaceRow) -> bool:
    """Tell whether a membership waits for its sealing since its sender closed it."""
    waits = row.state == "receiving" and row.due_at is not None
    return waits and row.reason == "closed" and row.completed_at is None


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

    What lies in journals is sealed first, by the job ``FINISH``; the study is complete then.
    Raises SpaceNotFound, Forbidden (needs write), StudyNotFound.
    """
    place = await spaces.get(session, actor, space, "write")
    study = await repository.find_study(session, actor.org_id, study_id)
    row = await repository.membership(session, actor.org_id, study_id, place.id)
    if study is None or row is None:
        raise StudyNotFound("there is no such study in this space")
    if row.state == "complete" or _is_closed(row):
        return
    if await repository.has_unsealed(session, actor.org_id, study_id):
        row.due_at, row.reason, row.completed_at = now(), "closed", None
        await session.flush()
        ids = {"org_id": str(actor.org_id), "study_id": str(study_id)}
        await enqueue(session, FINISH, ids, priority=URGENT)
    else:
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
