# SPDX-License-Identifier: Apache-2.0
"""Making, finding, raising, cancelling and retrying analysis tasks."""

from datetime import datetime
from typing import Any
from uuid import UUID

from healthvision.clinical.result import Priority
from healthvision.domains.analysis import forecast, repository
from healthvision.domains.analysis import priority as order
from healthvision.domains.analysis.errors import (
    NoImages,
    TaskFinished,
    TaskNotFound,
    TooManyTasks,
)
from healthvision.domains.analysis.events import (
    DeadlineMissed,
    TaskChanged,
    TaskCreated,
    TaskFailed,
)
from healthvision.domains.analysis.parameters import check_parameters
from healthvision.domains.analysis.plan import StudyPlan, plan_study
from healthvision.domains.analysis.schemas import (
    AnalysisLimits,
    Submitted,
    TaskChange,
    TaskCreate,
    TaskRead,
)
from healthvision.domains.analysis.settings import AnalysisSettings
from healthvision.domains.analysis.tables import Task
from healthvision.domains.archive import service as archive
from healthvision.domains.archive.errors import StudyNotFound
from healthvision.domains.audit import service as audit
from healthvision.domains.modelhub import service as modelhub
from healthvision.domains.modelhub.service import Installed
from healthvision.domains.spaces import service as spaces
from healthvision.kernel import jobs
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Session
from healthvision.kernel.errors import Conflict
from healthvision.kernel.events import publish
from healthvision.kernel.paging import decode_cursor, encode_cursor
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor
from healthvision.kernel.telemetry import logger

RUN_TASK = "analysis.run_task"
_log = logger("analysis.tasks")


class Wish:
    """A wish for one task, from a request, a rule or a batch; see ``submit_wish``."""

    def __init__(
        self,
        application: Installed,
        *,
        space_id: UUID,
        priority: Priority | None = None,
        source: str = "request",
        rule_id: UUID | None = None,
        seed: int = 0,
        parameters: dict[str, Any] | None = None,
        force: bool = False,
        last_instance_at: datetime | None = None,
    ) -> None:
        self.application = application
        self.space_id = space_id
        self.priority = priority
        self.source = source
        self.rule_id = rule_id
        self.seed = seed
        self.parameters = parameters or {}
        self.force = force
        self.last_instance_at = last_instance_at


async def submit(session: Session, actor: Actor, new: TaskCreate) -> Submitted:
    """Return the task for a wish: a new one, or the one with an equal key.

    Raises StudyNotFound, SpaceNotFound, NoImages, ApplicationNotFound, ApplicationDisabled,
    NoApplicationFits, TooManyTasks, ParameterRefused.
    """
    plan = await plan_study(session, actor, new.study_id)
    if not plan.series:
        raise NoImages("the study has no images", study_id=str(new.study_id))
    application = await modelhub.pick(session, actor, new.application, plan.series)
    wish = Wish(
        application,
        space_id=await _space(session, actor, plan, new.space),
        priority=new.priority,
        seed=new.seed,
        parameters=dict(new.parameters),
        force=new.force,
    )
    return await submit_wish(session, actor, plan, wish)


async def _space(session: Session, actor: Actor, plan: StudyPlan, space: str | None) -> UUID:
    """Return the space a task belongs to; the actor must be able to write results there."""
    if space is None:
        return (await spaces.get(session, actor, plan.study.spaces[0].space_id, "write")).id
    place = await spaces.get(session, actor, space, "write")
    if place.id not in {s.space_id for s in plan.study.spaces}:
        raise StudyNotFound("there is no such study in this space")
    return place.id


async def submit_wish(session: Session, actor: Actor, plan: StudyPlan, wish: Wish) -> Submitted:
    """Make the task of a wish unless an equal one exists and a repeat is not forced.

    A more urgent wish raises the existing waiting task. Raises TooManyTasks, ParameterRefused.
    """
    manifest = wish.application.manifest
    wish.parameters = check_parameters(manifest.id, manifest.parameters, wish.parameters)
    key = plan.key(wish.application, wish.parameters, wish.seed)
    existing = await repository.newest_task(session, actor.org_id, key)
    if existing is not None and not wish.force and existing.study_id == plan.study.id:
        await _raise_to(session, actor, existing, wish.priority)
        return Submitted(task=await _read_one(session, existing), created=False)
    await _admit(session, actor, wish)
    dicom = order.from_dicom(plan.study.priority)
    asked = order.most_urgent([wish.priority or dicom, dicom if wish.source == "rule" else None])
    run = 1 if existing is None else existing.run + 1
    row = _new_row(actor, plan, wish, key=key, run=run, priority=asked)
    if not await repository.insert_task(session, row):
        again = await repository.newest_task(session, actor.org_id, key)
        if again is None or wish.force:
            raise Conflict("the same analysis was asked for at the same moment; ask again")
        return Submitted(task=await _read_one(session, again), created=False)
    await enqueue(session, row)
    event = TaskCreated(
        org_id=actor.org_id,
        subject=row.id,
        study_id=row.study_id,
        space_id=row.space_id,
        application=manifest.id,
        priority=row.priority,
    )
    await publish(session, actor, event)
    await _audit(session, actor, "analysis.task_created", row)
    return Submitted(task=await _read_one(session, row), created=True)


async def _admit(session: Session, actor: Actor, wish: Wish) -> None:
    limit = AnalysisSettings().max_open_tasks
    if wish.source == "rule":
        return
    if await repository.count_open(session, actor.org_id) >= limit:
        message = f"the organisation has {limit} waiting and running tasks, which is its maximum"
        raise TooManyTasks(message, retry_after=30, limit=limit)


def _new_row(
    actor: Actor, plan: StudyPlan, wish: Wish, *, key: str, run: int, priority: Priority
) -> Task:
    at = now()
    start = wish.last_instance_at or at
    manifest = wish.application.manifest
    return Task(
        id=new_id(),
        org_id=actor.org_id,
        created_at=at,
        space_id=wish.space_id,
        study_id=plan.study.id,
        study_uid=plan.study.study_uid,
        patient_ref=plan.study.patient_ref,
        application_id=manifest.id,
        application_version=manifest.version,
        task_key=key,
        run=run,
        seed=wish.seed,
        parameters=wish.parameters,
        priority=priority.value,
        source=wish.source,
        rule_id=wish.rule_id,
        requested_by=f"{actor.kind}:{actor.id}",
        state="queued",
        progress=0.0,
        stage="",
        revision=1,
        ticket=1,
        fence=0,
        attempts=0,
        cancel_requested=False,
        error_code=None,
        error_detail=None,
        last_instance_at=wish.last_instance_at or plan.study.last_received_at,
        started_at=None,
        finished_at=None,
        deadline_at=order.deadline(priority, start, AnalysisSettings()),
        deadline_missed=False,
        queued_at=None,
        preemptions=0,
        room_made=False,
    )


async def enqueue(session: Session, row: Task, *, queue: str | None = None) -> None:
    """Queue the job of a task's present ticket, by default where its priority belongs."""
    priority = Priority(row.priority)
    row.queued_at, row.room_made = now(), queue is not None
    await jobs.enqueue(
        session,
        RUN_TASK,
        {"task_id": str(row.id), "ticket": row.ticket},
        job_id=f"analysis:{row.id}:{row.ticket}",
        queue=queue or order.queue_of(priority),
        priority=order.ORDER[priority],
    )


async def _raise_to(session: Session, actor: Actor, row: Task, wish: Priority | None) -> None:
    """Make a waiting task more urgent; never less."""
    now_is = Priority(row.priority)
    if wish is None or row.state != "queued" or order.ORDER[wish] >= order.ORDER[now_is]:
        return
    await _change_priority(session, actor, row, wish)


async def _change_priority(session: Session, actor: Actor, row: Task, wish: Priority) -> None:
    before = row.priority
    row.priority = wish.value
    start = row.created_at if row.source != "rule" else row.last_instance_at or row.created_at
    row.deadline_at = order.deadline(wish, start, AnalysisSettings())
    row.revision += 1
    row.ticket += 1  # the job of the old queue finds another ticket and does nothing
    await session.flush()
    await enqueue(session, row)
    await audit.record(
        session,
        actor,
        "analysis.task_priority_changed",
        row.id,
        kind="task",
        patient_id=row.patient_ref,
        space_id=row.space_id,
        before={"priority": before},
        after={"priority": wish.value},
    )
    await tell_changed(session, actor, row)


async def change_task(
    session: Session, actor: Actor, task_id: UUID, change: TaskChange
) -> TaskRead:
    """Change the priority of a waiting task; TaskNotFound, TaskFinished."""
    row = await _own(session, actor, task_id, lock=True)
    if row.state != "queued":
        raise TaskFinished(f"the task is {row.state}; only a waiting one can change priority")
    if row.priority != change.priority.value:
        await _change_priority(session, actor, row, change.priority)
    return await _read_one(session, row)


async def cancel_task(session: Session, actor: Actor, task_id: UUID) -> TaskRead:
    """Cancel a waiting task at once, a running one within a second; TaskNotFound, TaskFinished.

    Cancelling a cancelled task changes nothing.
    """
    row = await _own(session, actor, task_id, lock=True)
    if row.state == "cancelled" or (row.state == "running" and row.cancel_requested):
        return await _read_one(session, row)
    if row.state not in repository.OPEN:
        raise TaskFinished(f"the task is {row.state} and cannot be cancelled")
    if await repository.result_of_task(session, row.id) is not None:
        raise TaskFinished("the result is made and its outputs are being stored")
    row.cancel_requested = True
    row.revision += 1
    if row.state == "queued":
        finish(row, "cancelled")
    await _audit(session, actor, "analysis.task_cancelled", row)
    await session.flush()
    await tell_changed(session, actor, row)
    return await _read_one(session, row)


async def retry_task(session: Session, actor: Actor, task_id: UUID) -> TaskRead:
    """Let a failed or cancelled task run again; TaskNotFound, TaskFinished, TooManyTasks."""
    row = await _own(session, actor, task_id, lock=True)
    if row.state not in ("failed", "cancelled"):
        raise TaskFinished(f"the task is {row.state}; only a failed or cancelled one is retried")
    application = modelhub.at_version(session, row.application_id, row.application_version)
    await _admit(session, actor, Wish(application, space_id=row.space_id))
    row.state, row.progress, row.stage = "queued", 0.0, ""
    row.cancel_requested = False
    row.error_code = row.error_detail = row.finished_at = row.started_at = None
    row.error_ref = row.requeued_reason = None
    row.attempts = row.preemptions = 0
    row.deadline_at = order.deadline(Priority(row.priority), now(), AnalysisSettings())
    row.deadline_missed = False
    row.revision += 1
    row.ticket += 1
    await session.flush()
    await enqueue(session, row)
    await _audit(session, actor, "analysis.task_retried", row)
    await tell_changed(session, actor, row)
    return await _read_one(session, row)


def finish(row: Task, state: str, *, code: str | None = None, detail: str | None = None) -> None:
    """Put a task into a final state."""
    row.state = state
    row.finished_at = now()
    row.error_code, row.error_detail = code, detail
    row.revision += 1
    if state == "done":
        row.progress, row.stage = 1.0, "done"


async def fail(
    session: Session, row: Task, code: str, detail: str, *, ref: str | None = None
) -> None:
    """End a task without a result and tell it; the reason stays on the task.

    ``ref``: what the logs call the failed work.
    """
    actor = Actor.system(row.org_id, on_behalf_of=row.requested_by)
    row.error_ref = ref or f"{row.id}.{row.ticket}.{row.fence}"
    _log.warning("task failed", task=str(row.id), error_ref=row.error_ref, reason=code)
    finish(row, "failed", code=code, detail=detail)
    event = TaskFailed(
        org_id=row.org_id,
        subject=row.id,
        study_id=row.study_id,
        space_id=row.space_id,
        application=row.application_id,
        priority=row.priority,
        reason=code,
    )
    await publish(session, actor, event)
    await audit.record(
        session,
        actor,
        "analysis.task_failed",
        row.id,
        kind="task",
        patient_id=row.patient_ref,
        space_id=row.space_id,
        outcome="failed",
        detail={"reason": code},
    )


async def get_task(session: Session, actor: Actor, task_id: UUID) -> TaskRead:
    """Return a task; raises TaskNotFound, also for strangers."""
    return await _read_one(session, await _own(session, actor, task_id))


async def list_tasks(
    session: Session,
    actor: Actor,
    filters: dict[str, Any],
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[TaskRead]:
    """Return one page of tasks, newest first.

    ``filters``: column -> value for study_id, state, application_id, priority, deadline_missed;
    due_from and due_before bound the deadline.
    """
    places = [s.id for s in await spaces.visible(session, actor)]
    decoded = None if cursor is None else [_uuid_text(decode_cursor(cursor, 1)[0])]
    rows = await repository.list_tasks(
        session, actor.org_id, places, filters=filters, cursor=decoded, limit=limit
    )
    shown = rows[:limit]
    results = await repository.result_ids(session, [r.id for r in shown])
    more = encode_cursor([str(shown[-1].id)]) if len(rows) > limit else None
    times = await forecast.expected(session, shown)
    items = [task_read(row, results.get(row.id), times.get(row.id)) for row in shown]
    return Page[TaskRead](items=items, next=more, total=None)


def _uuid_text(value: Any) -> str:
    try:
        return str(UUID(str(value)))
    except ValueError:
        decode_cursor("", 1)  # raises BadCursor
        raise


async def limits(session: Session, actor: Actor) -> AnalysisLimits:
    """Return the published limits and how much of them is used."""
    settings = AnalysisSettings()
    return AnalysisLimits(
        max_open_tasks=settings.max_open_tasks,
        open_tasks=await repository.count_open(session, actor.org_id),
        batch_limit=settings.batch_limit,
        stat_seconds=settings.stat_seconds,
        urgent_seconds=settings.urgent_seconds,
        routine_seconds=settings.routine_seconds,
    )


async def note_missed_deadlines(session: Session) -> int:
    """Mark open tasks whose time is over and tell it once; return how many."""
    rows = await repository.overdue(session, now())
    for row in rows:
        row.deadline_missed = True
        row.revision += 1
        await tell_missed(session, row)
    return len(rows)


async def tell_missed(session: Session, row: Task) -> None:
    """Publish that a task's deadline passed."""
    event = DeadlineMissed(
        org_id=row.org_id,
        subject=row.id,
        study_id=row.study_id,
        space_id=row.space_id,
        application=row.application_id,
        priority=row.priority,
    )
    await publish(session, Actor.system(row.org_id), event)


async def tell_changed(session: Session, actor: Actor, row: Task) -> None:
    """Publish that a task was cancelled, queued again or got another priority."""
    event = TaskChanged(
        org_id=row.org_id,
        subject=row.id,
        study_id=row.study_id,
        space_id=row.space_id,
        application=row.application_id,
        priority=row.priority,
        state=row.state,
    )
    await publish(session, actor, event)


async def drop_study(session: Session, actor: Actor, study_id: UUID) -> None:
    """Cancel the open tasks of a study that is gone and hide its results. Safe to run twice."""
    for row in await repository.open_tasks_of_study(session, actor.org_id, study_id):
        row.cancel_requested = True
        row.revision += 1
        if row.state == "queued":
            finish(row, "cancelled")
    await repository.hide_results(session, actor.org_id, study_id)


async def _own(session: Session, actor: Actor, task_id: UUID, *, lock: bool = False) -> Task:
    row = await repository.find_task(session, actor.org_id, task_id, lock=lock)
    if row is None:
        raise TaskNotFound("there is no such task")
    try:
        await archive.get_study(session, actor, row.study_id)
    except StudyNotFound:
        raise TaskNotFound("there is no such task") from None
    return row


async def _audit(session: Session, actor: Actor, action: str, row: Task) -> None:
    await audit.record(
        session,
        actor,
        action,
        row.id,
        kind="task",
        patient_id=row.patient_ref,
        space_id=row.space_id,
        after={
            "state": row.state,
            "application": f"{row.application_id} {row.application_version}",
            "priority": row.priority,
            "study_id": str(row.study_id),
        },
    )


async def _read_one(session: Session, row: Task) -> TaskRead:
    times = await forecast.expected(session, [row])
    result_id = (await repository.result_ids(session, [row.id])).get(row.id)
    return task_read(row, result_id, times.get(row.id))


def task_read(row: Task, result_id: UUID | None, expected_at: datetime | None) -> TaskRead:
    """Return a task as callers get it, with the time left on its clock."""
    left = None
    if row.deadline_at is not None and row.state in repository.OPEN:
        left = round((row.deadline_at - now()).total_seconds(), 1)
    named = {
        "application": row.application_id,
        "seconds_left": left,
        "result_id": result_id,
        "expected_at": expected_at,
    }
    plain = {n: getattr(row, n) for n in TaskRead.model_fields if n not in named}
    return TaskRead.model_validate({**plain, **named})
