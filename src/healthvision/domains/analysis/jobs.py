# SPDX-License-Identifier: Apache-2.0
"""Background work of the analysis room."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from healthvision.domains.analysis import service
from healthvision.domains.analysis.priority import QUEUE
from healthvision.domains.analysis.settings import AnalysisSettings
from healthvision.domains.analysis.tasks import RUN_TASK
from healthvision.kernel.jobs import Job, JobContext, Periodic


async def run_task(context: JobContext, payload: Mapping[str, Any]) -> None:
    """Bring one task to its end."""
    await service.run_task(context.db, UUID(payload["task_id"]), int(payload["ticket"]))


async def on_run_failed(context: JobContext, payload: Mapping[str, Any]) -> None:
    """Put the reason on a task whose job was given up."""
    detail = str(payload.get("error", ""))[:300] or "the job was given up"
    await service.give_up(
        context.db,
        UUID(payload["task_id"]),
        "job-failed",
        detail,
        ticket=int(payload["ticket"]),
        ref=context.job_id,
    )


async def note_missed_deadlines(context: JobContext) -> None:
    """Tell which open tasks are late."""
    async with context.db.transaction() as session:
        await service.note_missed_deadlines(session)


async def make_room(context: JobContext) -> None:
    """Let waiting STAT tasks take the slots of routine ones."""
    async with context.db.transaction() as session:
        await service.make_room(session)


async def note_notices(context: JobContext) -> None:
    """Write down which notices of results have left."""
    async with context.db.transaction() as session:
        await service.note_notices(session)


async def sweep_staged(context: JobContext) -> None:
    """Remove staged outputs that no result names."""
    await service.sweep_staged(context.db)


JOBS = (Job(RUN_TASK, run_task, queue=QUEUE, attempts=4, on_failed=on_run_failed),)
PERIODICS = (
    Periodic(
        "analysis.note_missed_deadlines",
        AnalysisSettings().deadline_check_s,
        note_missed_deadlines,
    ),
    Periodic("analysis.make_room", AnalysisSettings().room_check_s, make_room),
    Periodic("analysis.note_notices", AnalysisSettings().room_check_s, note_notices),
    Periodic("analysis.sweep_staged", 3600.0, sweep_staged),
)
