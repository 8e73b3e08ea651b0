# SPDX-License-Identifier: Apache-2.0
"""Background work of the model hub."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from healthvision.domains.modelhub import service
from healthvision.domains.modelhub.errors import ModelRefused
from healthvision.kernel.jobs import Job, JobContext, Periodic

QUEUE = "models"  # of its own: a trial may take half an hour


async def check_addition(context: JobContext, payload: Mapping[str, Any]) -> None:
    """Judge a model that came through the API."""
    org_id, addition_id = UUID(payload["org_id"]), UUID(payload["addition_id"])
    await service.additions.check(context.db, org_id, addition_id)


async def give_up_addition(context: JobContext, payload: Mapping[str, Any]) -> None:
    """Note that a model could not be judged."""
    org_id, addition_id = UUID(payload["org_id"]), UUID(payload["addition_id"])
    failed = ModelRefused("it could not be judged; announce and send it again", reason="failed")
    await service.additions.refuse(context.db, org_id, addition_id, failed)


async def sweep_additions(context: JobContext) -> None:
    """Remove what additions left behind."""
    await service.additions.sweep(context.db)


def queues() -> dict[str, int]:
    """Return the queue of trials: one at a time per worker."""
    return {QUEUE: 1}


JOBS = (
    Job(service.additions.CHECK, check_addition, queue=QUEUE, attempts=3,
        on_failed=give_up_addition),
)  # fmt: skip
PERIODICS = (Periodic("modelhub.sweep_additions", 3600.0, sweep_additions),)
