# SPDX-License-Identifier: Apache-2.0
"""Periodic work of identity."""

from datetime import timedelta

from healthvision.domains.identity import repository
from healthvision.kernel.clock import now
from healthvision.kernel.idempotency import drop_old_answers
from healthvision.kernel.jobs import JobContext, Periodic
from healthvision.kernel.ratelimit import drop_old_windows

KEEP_ENDED = timedelta(days=7)


async def sweep(context: JobContext) -> None:
    """Delete codes, tokens, tickets and counters that ended a week ago, and old answers."""
    async with context.db.transaction() as session:
        await repository.sweep(session, now() - KEEP_ENDED)
    await drop_old_windows(context.db)
    await drop_old_answers(context.db)


PERIODICS = (Periodic("identity.sweep", every_s=3600.0, handler=sweep),)
