# SPDX-License-Identifier: Apache-2.0
"""The event stream of a task: every step since the one last seen, until its end."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

from healthvision.domains.analysis import history
from healthvision.domains.analysis.errors import TaskNotFound
from healthvision.domains.analysis.schemas import TaskRead
from healthvision.domains.analysis.settings import AnalysisSettings
from healthvision.domains.analysis.tasks import get_task
from healthvision.domains.archive import service as archive
from healthvision.domains.audit import service as audit
from healthvision.kernel.clock import monotonic
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Forbidden, Unauthenticated
from healthvision.kernel.security import Actor, Renewal

_FINAL = ("done", "failed", "cancelled")
_SILENCE_S = 15.0


async def record_task_look(
    db: Database, actor: Actor, task: TaskRead, patient: UUID | None
) -> None:
    """Record that the caller is told of a task's study: one row per window, however often."""
    await audit.record_look(
        db,
        actor,
        "analysis.task_read",
        task.study_id,
        kind="study",
        patient_id=patient,
        space_id=task.space_id,
        detail={"task": str(task.id)},
    )


async def task_events(
    db: Database, actor: Actor, task_id: UUID, seen: int, again: Renewal
) -> AsyncIterator[bytes]:
    """Yield server-sent events (WHATWG HTML 9.2); the id is the task's revision.

    ``seen``: the last revision the client knows (Last-Event-ID), 0 for none. All steps behind it
    are sent in order, those of the time without a connection or before a restart as well. Ends
    after the final state, when the task is gone or ``again`` says that the caller may not come in
    any more, and after ``events_seconds``.
    """
    settings = AnalysisSettings()
    end = monotonic() + settings.events_seconds
    spoken = monotonic()
    yield b"retry: 2000\n\n"
    while monotonic() < end:
        try:
            actor = await again()
            news, final = await _news(db, actor, task_id, seen)
        except (Unauthenticated, Forbidden, TaskNotFound):
            return
        if news:
            async with db.reading() as session:
                patient = await archive.patient_of(session, actor, news[-1].study_id)
            await record_task_look(db, actor, news[-1], patient)
        for task in news:
            seen, spoken = task.revision, monotonic()
            yield _event(task)
        if final:
            return
        if monotonic() - spoken > _SILENCE_S:
            spoken = monotonic()
            yield b": still here\n\n"
        await asyncio.sleep(settings.events_poll_s)


async def _news(
    db: Database, actor: Actor, task_id: UUID, seen: int
) -> tuple[list[TaskRead], bool]:
    """Return what became of a task behind a revision, and whether it has come to its end."""
    async with db.reading() as session:
        task = await get_task(session, actor, task_id)
        steps = await history.steps_after(session, actor.org_id, task_id, seen)
    news = [history.as_it_was(task, s) for s in steps if s.revision < task.revision]
    if task.revision > seen and len(steps) < history.MOST_STEPS:
        news.append(task)
    return news, task.state in _FINAL and len(steps) < history.MOST_STEPS


def _event(task: TaskRead) -> bytes:
    return f"id: {task.revision}\nevent: task\ndata: {task.model_dump_json()}\n\n".encode()
