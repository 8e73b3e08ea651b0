# SPDX-License-Identifier: Apache-2.0
"""The end of a task's clock: the moment when the first notice of its result had left.

Nobody subscribes to the result: the clock ends when it is published. Every channel gave up: it
never ends, and the deadline is missed when its time comes.
"""

from dataclasses import asdict
from datetime import datetime

from healthvision.domains.analysis import tasks, turns
from healthvision.domains.analysis.events import ResultReady
from healthvision.domains.analysis.metrics import DEADLINES, NOTIFIED_SECONDS
from healthvision.domains.analysis.tables import Task
from healthvision.domains.notify import service as notify
from healthvision.kernel.clock import now
from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor


async def begin(session: Session, row: Task, event: ResultReady) -> None:
    """Wait for the notices of a result just published, if anybody wants one."""
    body = {name: str(value) for name, value in asdict(event).items()}
    actor = Actor.system(row.org_id)
    if await notify.has_listeners(session, actor, event.topic, body):
        row.notice = "waiting"
    else:
        await _end(session, row, "published", now())


async def note_notices(session: Session) -> int:
    """Look how far the notices of published results are; returns how many clocks ended."""
    ended = 0
    for row, result_id in await turns.waiting_notices(session):
        actor = Actor.system(row.org_id)
        sent = await notify.sent_of(session, actor, ResultReady.topic, result_id)
        if sent.first_at is not None:
            await _end(session, row, "delivered", sent.first_at)
            ended += 1
        elif sent.deliveries and sent.dead == sent.deliveries:
            row.notice = "undelivered"
            row.revision += 1
            await _miss(session, row)
    return ended


async def _end(session: Session, row: Task, how: str, at: datetime) -> None:
    row.notice, row.notified_at = how, at
    row.revision += 1
    late = row.deadline_at is not None and at > row.deadline_at
    start = row.last_instance_at if row.source == "rule" else row.created_at
    NOTIFIED_SECONDS.labels(row.priority).observe((at - (start or row.created_at)).total_seconds())
    if row.deadline_at is not None:
        DEADLINES.labels(row.priority, "missed" if late else "kept").inc()
    if late:
        await _miss(session, row)


async def _miss(session: Session, row: Task) -> None:
    if row.deadline_at is not None and not row.deadline_missed:
        row.deadline_missed = True
        await tasks.tell_missed(session, row)
