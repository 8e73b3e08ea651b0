# SPDX-License-Identifier: Apache-2.0
"""Background work of the archive."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from healthvision.domains.archive import service
from healthvision.domains.archive.keeping import upkeep
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.kernel.jobs import Job, JobContext, Periodic


async def take_in_upload(context: JobContext, payload: Mapping[str, Any]) -> None:
    """Take an upload in."""
    await service.take_in(context.db, UUID(payload["org_id"]), UUID(payload["upload_id"]))


async def give_up_upload(context: JobContext, payload: Mapping[str, Any]) -> None:
    """Note that an upload could not be taken in."""
    org_id, upload_id = UUID(payload["org_id"]), UUID(payload["upload_id"])
    await service.give_up(context.db, org_id, upload_id, str(payload.get("error", "failed")))


async def finish_study(context: JobContext, payload: Mapping[str, Any]) -> None:
    """Seal a study its sender closed, and mark it complete."""
    await service.finish_study(context.db, UUID(payload["org_id"]), UUID(payload["study_id"]))


async def complete_studies(context: JobContext) -> None:
    """Find studies that became quiet."""
    await service.complete_quiet_studies(context.db)


async def purge_studies(context: JobContext) -> None:
    """Remove studies deleted long enough ago."""
    await service.purge_deleted(context.db)


async def expire_uploads(context: JobContext) -> None:
    """Close uploads whose time is over."""
    await service.expire_uploads(context.db)


async def move_series(context: JobContext, payload: Mapping[str, Any]) -> None:
    """Bring all sealed series of an organisation to a store."""
    await service.move_series(context.db, payload["store"], org_id=UUID(payload["org_id"]))


async def recover_journals(context: JobContext) -> None:
    """Write what journals of processes that are gone still owe."""
    await service.recover(context.db)


JOBS = (
    Job(service.TAKE_IN, take_in_upload, on_failed=give_up_upload),
    Job(service.FINISH, finish_study),
    Job("archive.move_series", move_series),
)
PERIODICS = (
    Periodic("archive.complete_studies", ArchiveSettings().complete_every_s, complete_studies),
    Periodic("archive.recover_journals", 15.0, recover_journals),
    Periodic("archive.purge_studies", 600.0, purge_studies),
    Periodic("archive.expire_uploads", 300.0, expire_uploads),
    *upkeep.PERIODICS,
)
