# SPDX-License-Identifier: Apache-2.0
"""Background work of the integration room: pushes and storage commitment."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from healthvision.domains.integration import committing, pushing, sending
from healthvision.domains.integration.ports import PushFailed
from healthvision.domains.integration.settings import IntegrationSettings
from healthvision.kernel.errors import Busy
from healthvision.kernel.jobs import Job, JobContext


async def push(context: JobContext, payload: Mapping[str, Any]) -> None:
    """Work on one push."""
    lease = f"{context.worker_id}:{context.job_id}:{context.attempt}"
    org_id, push_id = UUID(payload["org_id"]), UUID(payload["push_id"])
    await sending.run(context.db, org_id, push_id, lease)


async def give_up_push(context: JobContext, payload: Mapping[str, Any]) -> None:
    """Note that a push ended by a failure of ours."""
    org_id, push_id = UUID(payload["org_id"]), UUID(payload["push_id"])
    async with context.db.transaction() as session:
        await pushing.give_up(session, org_id, push_id, str(payload.get("error", "failed")))


async def ask_commitment(context: JobContext, payload: Mapping[str, Any]) -> None:
    """Ask a destination to vouch for a push; tried again while it cannot be reached."""
    try:
        await committing.ask(context.db, UUID(payload["org_id"]), UUID(payload["push_id"]))
    except PushFailed as failure:
        raise Busy(failure.reason) from failure


async def give_up_asking(context: JobContext, payload: Mapping[str, Any]) -> None:
    """Note that a destination could not be asked."""
    async with context.db.transaction() as session:
        await committing.not_asked(session, UUID(payload["org_id"]), UUID(payload["push_id"]))


async def tell_commitment(context: JobContext, payload: Mapping[str, Any]) -> None:
    """Bring a storage commitment report to its asker."""
    await committing.tell(context.db, UUID(payload["org_id"]), UUID(payload["commitment_id"]))


async def expire_commitment(context: JobContext, payload: Mapping[str, Any]) -> None:
    """Stop waiting for a destination's report."""
    async with context.db.transaction() as session:
        await committing.expire(session, UUID(payload["org_id"]), UUID(payload["commitment_id"]))


def queues() -> dict[str, int]:
    """Return the queue of pushes and how many run at once per worker."""
    return {sending.QUEUE: IntegrationSettings().push_parallel}


JOBS = (
    Job(pushing.PUSH, push, queue=sending.QUEUE, on_failed=give_up_push),
    Job(
        sending.COMMIT,
        ask_commitment,
        queue=sending.QUEUE,
        attempts=8,
        first_delay_s=10.0,
        on_failed=give_up_asking,
    ),
    Job(committing.TELL, tell_commitment, queue=sending.QUEUE),
    Job(committing.EXPIRE, expire_commitment),
)
