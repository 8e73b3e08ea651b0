# SPDX-License-Identifier: Apache-2.0
"""Background work of the archive."""

from healthvision.domains.archive import service
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.kernel.jobs import JobContext, Periodic


async def complete_studies(context: JobContext) -> None:
    """Find studies that became quiet."""
    await service.complete_quiet_studies(context.db)


async def purge_studies(context: JobContext) -> None:
    """Remove studies deleted long enough ago."""
    await service.purge_deleted(context.db)


PERIODICS = (
    Periodic("archive.complete_studies", ArchiveSettings().complete_every_s, complete_studies),
    Periodic("archive.purge_studies", 600.0, purge_studies),
)
