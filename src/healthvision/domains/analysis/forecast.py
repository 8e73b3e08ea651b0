# SPDX-License-Identifier: Apache-2.0
"""When the results of waiting and running tasks are expected."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from statistics import median
from uuid import UUID

from healthvision.clinical.result import Priority
from healthvision.domains.analysis import repository, turns
from healthvision.domains.analysis.priority import ORDER, queue_of
from healthvision.domains.analysis.tables import Task
from healthvision.kernel.clock import now
from healthvision.kernel.db import Session
from healthvision.kernel.settings import CoreSettings


async def expected(session: Session, rows: Iterable[Task]) -> dict[UUID, datetime]:
    """Return task id -> expected end of the open ones; tasks of unknown run time are left out.

    Counts the slots of one worker process; further workers make it earlier.
    """
    asked = [row for row in rows if row.state in repository.OPEN]
    if not asked:
        return {}
    seconds: dict[str, float] = {}
    for name in {row.application_id for row in asked}:
        times = await turns.run_seconds(session, asked[0].org_id, name)
        if times:
            seconds[name] = median(times)
    ahead = _ahead(await turns.open_places(session))
    slots = max(1, CoreSettings().analysis_slots)
    return {
        row.id: _end(row, seconds[row.application_id], ahead.get(row.id, 0) // slots)
        for row in asked
        if row.application_id in seconds
    }


def _end(row: Task, seconds: float, rounds: int) -> datetime:
    """A running task needs the rest of its time, a waiting one that of those before it as well."""
    if row.state == "running" and row.started_at is not None:
        return max(row.started_at + timedelta(seconds=seconds), now())
    return now() + timedelta(seconds=seconds * (rounds + 1))


def _ahead(places: Collection[turns.Place]) -> dict[UUID, int]:
    """Return how many tasks of the same queue end before each one starts."""
    out: dict[UUID, int] = {}
    counts: dict[str, int] = {}

    def turn(place: turns.Place) -> tuple[bool, int, str]:
        return place.state != "running", ORDER[Priority(place.priority)], str(place.id)

    for place in sorted(places, key=turn):
        queue = queue_of(Priority(place.priority))
        out[place.id] = counts.get(queue, 0)
        counts[queue] = out[place.id] + 1
    return out
