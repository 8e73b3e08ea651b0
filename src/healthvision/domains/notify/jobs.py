# SPDX-License-Identifier: Apache-2.0
"""The pump as periodic work."""

from healthvision.domains.notify import service
from healthvision.kernel.jobs import JobContext

PUMP_EVERY_S = 1.0
PRUNE_EVERY_S = 3600.0


async def pump(context: JobContext) -> None:
    """Send what is due."""
    await service.pump(context.db)


async def prune(context: JobContext) -> None:
    """Drop what is finished and old."""
    await service.prune(context.db)
