# SPDX-License-Identifier: Apache-2.0
"""Background work of the reading room."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from healthvision.domains.reading import service
from healthvision.domains.reading.settings import ReadingSettings
from healthvision.domains.reading.signatures import STORE_REPORT
from healthvision.kernel.jobs import Job, JobContext, Periodic


async def store_report(context: JobContext, payload: Mapping[str, Any]) -> None:
    """Put the DICOM objects of one signed report into the archive."""
    org, report = UUID(payload["org"]), UUID(payload["report"])
    await service.store(context.db, org, report, int(payload["number"]))


async def fill_worklist(context: JobContext) -> None:
    """Take studies into the worklist that are older than it."""
    await service.fill(context.db)


JOBS = (Job(STORE_REPORT, store_report, attempts=8),)
PERIODICS = (Periodic("reading.fill_worklist", ReadingSettings().fill_every_s, fill_worklist),)
