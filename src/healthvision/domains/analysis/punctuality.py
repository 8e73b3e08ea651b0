# SPDX-License-Identifier: Apache-2.0
"""How deadlines were kept: counts per day and priority of the tasks that were due then."""

from datetime import UTC, date, datetime, time, timedelta

from healthvision.domains.analysis import repository
from healthvision.domains.analysis.schemas import DeadlineDay, DeadlineQuery, DeadlineReport
from healthvision.domains.analysis.settings import AnalysisSettings
from healthvision.domains.spaces import service as spaces
from healthvision.kernel.clock import now
from healthvision.kernel.db import Session
from healthvision.kernel.errors import Invalid
from healthvision.kernel.security import Actor

MAX_DAYS = 92
DEFAULT_DAYS = 7


async def deadlines(session: Session, actor: Actor, query: DeadlineQuery) -> DeadlineReport:
    """Count tasks kept, missed, failed and still open per day they were due; raises Invalid.

    Days are those of the caller's zone (``utc_offset_minutes``). A task that was cancelled in
    time counts nowhere; one without a deadline (bulk) has no day.
    """
    zone = timedelta(minutes=query.utc_offset_minutes)
    last = query.last_day or (now() + zone).date()
    first = query.first_day or last - timedelta(days=DEFAULT_DAYS - 1)
    if not timedelta(0) <= last - first < timedelta(days=MAX_DAYS):
        raise Invalid(f"first_day, last_day: 1 to {MAX_DAYS} days")
    starts = [_start(first + timedelta(days=n), zone) for n in range((last - first).days + 2)]
    places = [s.id for s in await spaces.visible(session, actor)]
    counts = await repository.count_due(
        session, actor.org_id, places, starts=starts, application=query.application
    )
    days = [
        DeadlineDay(
            day=first + timedelta(days=c.day),
            priority=c.priority,
            kept=c.kept,
            missed=c.missed,
            failed=c.failed,
            open=c.open,
        )
        for c in counts
    ]
    settings = AnalysisSettings()
    return DeadlineReport(
        first_day=first,
        last_day=last,
        days=days,
        stat_seconds=settings.stat_seconds,
        urgent_seconds=settings.urgent_seconds,
        routine_seconds=settings.routine_seconds,
    )


def _start(day: date, zone: timedelta) -> datetime:
    return datetime.combine(day, time(), UTC) - zone
