# SPDX-License-Identifier: Apache-2.0
"""STAT goes first when every slot is taken: a routine or bulk analysis is stopped and waits again.

The stopped task keeps its clock and gets a new ticket and, later, a new attempt; its process ends
as soon as its attempt sees that it is fenced off. STAT and urgent work is never stopped.
"""

from datetime import timedelta

from healthvision.domains.analysis import tasks, turns
from healthvision.domains.analysis.metrics import PREEMPTIONS
from healthvision.domains.analysis.priority import QUEUE
from healthvision.domains.analysis.settings import AnalysisSettings
from healthvision.domains.analysis.tables import Task
from healthvision.domains.audit import service as audit
from healthvision.kernel.clock import now
from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor

REASON = "stopped to make room for a STAT case; it waits again"


async def make_room(session: Session) -> int:
    """Give each STAT task that waits too long the slot of a stopped one; returns how many."""
    settings = AnalysisSettings()
    before = now() - timedelta(seconds=settings.stat_patience_s)
    waiting = await turns.waiting_stat(session, before)
    if not waiting:
        return 0
    victims = await turns.preemptible(session, settings.max_preemptions, len(waiting))
    for stat, victim in zip(waiting, victims, strict=False):
        await _stop(session, victim)
        stat.ticket += 1  # the job in the STAT queue finds another ticket and does nothing
        stat.revision += 1
        await session.flush()
        await tasks.enqueue(session, stat, queue=QUEUE)
    return min(len(waiting), len(victims))


async def _stop(session: Session, row: Task) -> None:
    """Fence a running attempt off and queue its task again."""
    row.state, row.progress, row.stage = "queued", 0.0, ""
    row.fence += 1
    row.ticket += 1
    row.preemptions += 1
    row.requeued_reason = REASON
    row.revision += 1
    PREEMPTIONS.labels(row.priority).inc()
    await session.flush()
    await tasks.enqueue(session, row)
    await audit.record(
        session,
        Actor.system(row.org_id),
        "analysis.task_preempted",
        row.id,
        kind="task",
        patient_id=row.patient_ref,
        space_id=row.space_id,
        detail={"preemptions": row.preemptions},
    )
