# SPDX-License-Identifier: Apache-2.0
"""The sealer as periodic work."""

from healthvision.domains.audit import service
from healthvision.kernel.jobs import JobContext

SEAL_EVERY_S = 1.0


async def seal(context: JobContext) -> None:
    """Seal what waits."""
    await service.seal(context.db)
