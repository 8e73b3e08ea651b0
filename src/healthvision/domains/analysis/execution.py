# SPDX-License-Identifier: Apache-2.0
"""What a worker does with a task: claim, run, stage, store, publish; exactly one result each.

Each attempt takes the next fencing number; only its holder may stage. Staging writes the result
row and the digests of all outputs in one transaction: from then on every attempt, whoever makes
it, stores exactly those bytes under UIDs derived from the task, and one transaction publishes.
"""

import asyncio
import threading
from dataclasses import dataclass, field
from uuid import UUID

from healthvision.clinical.result import Priority, Result
from healthvision.domains.analysis import inference, notices, repository, tasks
from healthvision.domains.analysis.errors import NoImages
from healthvision.domains.analysis.events import ResultReady
from healthvision.domains.analysis.inputs import SourceObject, StudySource, study_source
from healthvision.domains.analysis.outputs import Written, write
from healthvision.domains.analysis.plan import StudyPlan, plan_study
from healthvision.domains.analysis.runner import (
    ResultFacts,
    RunOptions,
    RunOutcome,
    build_result,
    run_application,
)
from healthvision.domains.analysis.settings import AnalysisSettings
from healthvision.domains.analysis.tables import FindingRow, OutputRow, ResultRow, Task
from healthvision.domains.analysis.worst import worst_category
from healthvision.domains.archive import service as archive
from healthvision.domains.archive.schemas import Incoming, InstanceRef, Origin
from healthvision.domains.audit import service as audit
from healthvision.domains.identity import service as identity
from healthvision.domains.identity.errors import NoSuchAccount
from healthvision.domains.modelhub import service as modelhub
from healthvision.domains.modelhub.service import Installed
from healthvision.domains.storage import service as storage
from healthvision.domains.storage.ports import StoredObject
from healthvision.formats.dicom.header import read_header
from healthvision.formats.reports.words import Language
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Database, DatabaseUnavailable, Session
from healthvision.kernel.errors import Busy, OutOfSpace, Problem
from healthvision.kernel.events import publish
from healthvision.kernel.sandbox import SandboxFailed
from healthvision.kernel.sandbox_desk import Answerer
from healthvision.kernel.security import Actor
from healthvision.kernel.telemetry import logger

MAX_ATTEMPTS = 8
_WATCH_S = 0.5  # progress is written at most twice a second
_log = logger("analysis.execution")


class VersionTaken(Busy):
    """Another result of the study got the version number first; the attempt is repeated."""

    code, title = "result-version-taken", "Result version taken"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a task: what was claimed, under which fence. Read-only copy of the row."""

    task: Task
    fence: int
    actor: Actor
    staged: UUID | None  # a result that an earlier attempt already staged


@dataclass(slots=True)
class _Pulse:
    """What the sandbox thread and the event loop tell each other."""

    progress: float = 0.0
    stage: str = "start"
    stop: threading.Event = field(default_factory=threading.Event)

    def note(self, fraction: float, stage: str) -> None:
        """Take the newest progress (called in the thread)."""
        self.progress, self.stage = fraction * 0.9, stage


async def run_task(db: Database, task_id: UUID, ticket: int) -> None:
    """Bring a task to its end. Safe to run twice and side by side.

    Problems of the application end the task with their reason; problems that pass (``retry``)
    are raised for the job engine to come again.
    """
    attempt = await claim(db, task_id, ticket)
    if attempt is None:
        return
    try:
        result_id = attempt.staged or await _analyse(db, attempt)
        if result_id is not None:
            await deliver(db, attempt, result_id)
    except Problem as problem:
        if problem.retry:
            raise
        await give_up(db, task_id, problem.code, problem.detail, fence=attempt.fence)


async def claim(db: Database, task_id: UUID, ticket: int) -> Attempt | None:
    """Take the next fencing number of a task; None when there is nothing (more) to do."""
    async with db.transaction() as session:
        row = await repository.task_of_job(session, task_id)
        if row is None or row.ticket != ticket or row.state not in repository.OPEN:
            return None
        staged = await repository.result_of_task(session, row.id)
        if row.cancel_requested and staged is None:
            tasks.finish(row, "cancelled")
            await tasks.tell_changed(session, Actor.system(row.org_id), row)
            return None
        deaths = row.attempts - row.preemptions
        if deaths >= MAX_ATTEMPTS and staged is None:
            await tasks.fail(
                session, row, "worker-died", f"{deaths} workers died while they ran this task"
            )
            return None
        row.fence += 1
        row.attempts += 1
        row.state = "running"
        row.started_at = row.started_at or now()
        row.requeued_reason = None
        row.revision += 1
        actor = Actor.system(row.org_id, on_behalf_of=row.requested_by)
        return Attempt(row, row.fence, actor, None if staged is None else staged.id)


async def _analyse(db: Database, attempt: Attempt) -> UUID | None:
    """Run the application and stage its result; None when the attempt was cancelled or fenced."""
    async with db.reading() as session:
        plan = await plan_study(session, attempt.actor, attempt.task.study_id)
        application = modelhub.at_version(
            session, attempt.task.application_id, attempt.task.application_version
        )
    if not plan.series:
        raise NoImages("the study has no images")
    pulse = _Pulse()
    watcher = asyncio.create_task(_watch(db, attempt, pulse))
    try:
        study = await _fetch(db, attempt.actor, plan, application)
        infer = inference.answerer(db, attempt.actor, attempt.task)
        outcome = await asyncio.to_thread(_run, application, study, attempt.task, pulse, infer)
    except SandboxFailed as failure:
        if failure.reason != "cancelled":
            raise
        await _stopped(db, attempt)
        return None
    finally:
        pulse.stop.set()
        await watcher
    return await stage(db, attempt, outcome)


def _run(
    application: Installed,
    study: StudySource,
    task: Task,
    pulse: _Pulse,
    infer: Answerer | None,
) -> RunOutcome:
    options = RunOptions(
        seed=task.seed,
        parameters=task.parameters,
        progress=pulse.note,
        cancelled=pulse.stop.is_set,
        network=AnalysisSettings().allow_network_unsafe,
        infer=infer,
    )
    return run_application(application, study, options)


async def _watch(db: Database, attempt: Attempt, pulse: _Pulse) -> None:
    """Write progress and stop the run when the task was cancelled or another attempt began."""
    written: tuple[float, str] | None = None
    while not pulse.stop.is_set():
        current = (pulse.progress, pulse.stage)
        try:
            await _look(db, attempt, pulse, None if current == written else current)
            written = current
        except (DatabaseUnavailable, OutOfSpace) as problem:  # it passes; the run goes on
            _log.warning("progress not written", task=str(attempt.task.id), problem=problem.code)
        for _ in range(10):
            if pulse.stop.is_set():
                return
            await asyncio.sleep(_WATCH_S / 10)


async def _look(
    db: Database, attempt: Attempt, pulse: _Pulse, news: tuple[float, str] | None
) -> None:
    async with db.reading() as session:
        mine = await repository.watch(session, attempt.task.id, attempt.fence)
    if not mine:
        pulse.stop.set()
    elif news is not None:
        async with db.transaction() as session:
            await repository.note_progress(
                session, attempt.task.id, attempt.fence, news[0], news[1]
            )


async def _stopped(db: Database, attempt: Attempt) -> None:
    """End a cancelled task; an attempt that was fenced off leaves everything as it is."""
    async with db.transaction() as session:
        row = await repository.task_of_job(session, attempt.task.id)
        if row is not None and row.fence == attempt.fence and row.state == "running":
            tasks.finish(row, "cancelled")
            await tasks.tell_changed(session, attempt.actor, row)


async def _fetch(
    db: Database, actor: Actor, plan: StudyPlan, application: Installed
) -> StudySource:
    """Read the inputs out of the archive (audited, decrypted, digest checked)."""
    refs = plan.inputs_of(application)
    await archive.record_access(db, actor, refs, action="analysis.images_read")
    objects = [await _source(db, ref) for ref in await archive.corrected(db, refs)]
    return study_source(objects, other_series=plan.series)


async def _source(db: Database, ref: InstanceRef) -> SourceObject:
    data = await archive.read_bytes(db, ref)
    header = await asyncio.to_thread(read_header, data)
    return SourceObject(header, ref.location.sha256, lambda: data)


async def stage(db: Database, attempt: Attempt, outcome: RunOutcome) -> UUID | None:
    """Write outputs to storage and the result row with their digests; None when fenced off.

    Raises VersionTaken when another result of the study took the version meanwhile.
    """
    task = attempt.task
    async with db.reading() as session:
        facts = await _facts(session, task)
    result = build_result(outcome, facts)
    language: Language = AnalysisSettings().report_language  # type: ignore[assignment]
    written = await asyncio.to_thread(write, result, outcome, language=language)
    stored = await _put(db, attempt, written)
    async with db.transaction() as session:
        row = await repository.task_of_job(session, task.id)
        if row is None or row.fence != attempt.fence or row.state != "running":
            return None
        if row.cancel_requested:
            tasks.finish(row, "cancelled")
            await tasks.tell_changed(session, attempt.actor, row)
            return None
        entry = _result_row(task, written.result)
        findings = _finding_rows(task, written.result)
        outputs = [_output_row(task, written.result, name, stored[name]) for name in stored]
        if not await repository.insert_result(session, entry, findings, outputs):
            raise VersionTaken("another result of this study was made at the same moment")
        row.progress, row.stage = 0.95, "storing"
        row.revision += 1
    return UUID(written.result.id)


async def _facts(session: Session, task: Task) -> ResultFacts:
    before = await _versions(session, task)
    current = next((r for r in before if r.published), None)
    return ResultFacts(
        id=str(new_id()),
        task_id=str(task.id),
        org_id=str(task.org_id),
        space_id=str(task.space_id),
        patient_key=str(task.patient_ref),
        organisation=await _organisation(session, task.org_id),
        priority=Priority(task.priority),
        last_instance_at=task.last_instance_at,
        submitted_at=task.created_at,
        deadline_at=task.deadline_at,
        version=before[0].version + 1 if before else 1,
        supersedes=None if current is None else str(current.id),
    )


async def _organisation(session: Session, org_id: UUID) -> str | None:
    try:
        ours = await identity.get_organisation(session, Actor.system(org_id), org_id)
    except NoSuchAccount:
        return None
    return ours.title or ours.name


async def _versions(session: Session, task: Task, *, lock: bool = False) -> list[ResultRow]:
    return list(
        await repository.latest_results(
            session, task.org_id, task.study_id, task.application_id, lock=lock
        )
    )


async def _put(db: Database, attempt: Attempt, written: Written) -> dict[str, StoredObject]:
    """Keep the bytes of all outputs, encrypted, under a key of this attempt."""
    task = attempt.task
    bodies = {item.name: item.data for item in written.objects}
    bodies |= written.pictures
    stored: dict[str, StoredObject] = {}
    for number, (name, data) in enumerate(bodies.items()):
        key = f"analysis/{task.org_id}/{task.id}/{attempt.fence}/{number}"
        stored[name] = await storage.put(db, task.org_id, key, data)
    return stored


def _result_row(task: Task, result: Result) -> ResultRow:
    return ResultRow(
        id=UUID(result.id),
        org_id=task.org_id,
        created_at=result.timings.finished_at,
        task_id=task.id,
        space_id=task.space_id,
        study_id=task.study_id,
        study_uid=task.study_uid,
        patient_ref=task.patient_ref,
        patient_id=result.patient.patient_id,
        study_date=result.study_date,
        application_id=task.application_id,
        application_version=task.application_version,
        version=result.version,
        status=result.status.value,
        verification=result.verification.value,
        priority=result.priority.value,
        worst_category=worst_category(result),
        finding_count=len(result.findings),
        published=False,
        hidden=False,
        supersedes=None if result.supersedes is None else UUID(result.supersedes),
        superseded_by=None,
        document=result.model_dump(mode="json"),
    )


def _finding_rows(task: Task, result: Result) -> list[FindingRow]:
    rows: list[FindingRow] = []
    for finding in result.findings:
        categories = [(c.guideline, c.value) for c in finding.categories] or [("", "")]
        for guideline, value in categories:
            rows.append(
                FindingRow(
                    result_id=UUID(result.id),
                    number=len(rows),
                    org_id=task.org_id,
                    tracking_uid=finding.tracking_uid,
                    scheme=finding.code.scheme,
                    code=finding.code.value,
                    guideline=guideline,
                    category=value,
                    confidence=finding.confidence.value,
                )
            )
    return rows


def _output_row(task: Task, result: Result, name: str, stored: StoredObject) -> OutputRow:
    ref = next(o for o in result.outputs if o.name == name)
    return OutputRow(
        id=new_id(),
        org_id=task.org_id,
        result_id=UUID(result.id),
        name=name,
        kind=ref.kind,
        sop_uid=ref.sop_instance_uid,
        series_uid=ref.series_uid,
        sha256=ref.sha256,
        size=stored.size,
        store=stored.store,
        object_key=stored.key,
        key_id=stored.key_id,
    )


def stored_object(row: OutputRow) -> StoredObject:
    """Return where the bytes of an output lie."""
    return StoredObject(row.store, row.object_key, row.key_id, row.size, row.sha256)


async def read_output(db: Database, row: OutputRow) -> bytes:
    """Return the bytes of an output, decrypted and checked against their digest."""
    pieces = storage.read_whole(db, row.org_id, stored_object(row))
    return b"".join([piece async for piece in pieces])


async def deliver(db: Database, attempt: Attempt, result_id: UUID) -> None:
    """Store the staged DICOM objects in the archive, then publish the result in one transaction."""
    task = attempt.task
    async with db.reading() as session:
        outputs = await repository.outputs_of(session, result_id)
    items = [
        Incoming(await read_output(db, row), name=row.name)
        for row in outputs
        if row.sop_uid is not None
    ]
    origin = Origin("healthvision", str(task.id))
    answers = await archive.receive(db, attempt.actor, items, space_id=task.space_id, origin=origin)
    for answer in answers:
        if answer.outcome not in ("stored", "duplicate"):
            _log.error("output not stored", task=str(task.id), outcome=answer.outcome)
            raise OutputRefused(f"the archive answered {answer.outcome} to output {answer.name}")
    async with db.transaction() as session:
        await _publish(session, attempt, result_id)


class OutputRefused(Problem):
    """The archive did not take one of our own outputs: a bug, the task fails with it."""

    code, title = "output-refused", "Output not stored"


async def _publish(session: Session, attempt: Attempt, result_id: UUID) -> None:
    """Make the result visible, the older one superseded and the task done; once per task."""
    row = await repository.task_of_job(session, attempt.task.id)
    entry = await repository.result_of_task(session, attempt.task.id)
    if row is None or entry is None or entry.id != result_id or entry.published:
        return
    entry.published = True
    for older in await _versions(session, row, lock=True):
        if older.published and older.id != entry.id and older.superseded_by is None:
            older.superseded_by = entry.id
            older.document = {**older.document, "superseded_by": str(entry.id)}
    tasks.finish(row, "done")
    event = ResultReady(
        org_id=row.org_id,
        subject=entry.id,
        task_id=row.id,
        study_id=row.study_id,
        space_id=row.space_id,
        application=row.application_id,
        status=entry.status,
        priority=row.priority,
        worst_category=entry.worst_category,
    )
    await publish(session, attempt.actor, event)
    await notices.begin(session, row, event)
    await audit.record(
        session,
        attempt.actor,
        "analysis.result_stored",
        entry.id,
        kind="result",
        patient_id=row.patient_ref,
        space_id=row.space_id,
        after={
            "task": str(row.id),
            "study": str(row.study_id),
            "application": f"{row.application_id} {row.application_version}",
            "inputs": row.task_key,
            "version": entry.version,
            "status": entry.status,
        },
    )


async def give_up(
    db: Database,
    task_id: UUID,
    code: str,
    detail: str,
    *,
    fence: int | None = None,
    ticket: int | None = None,
    ref: str | None = None,
) -> None:
    """Fail a task with a reason, unless it is at its end or another attempt or ticket runs.

    ``ref``: what the logs call the failed work; it stays on the task.
    """
    async with db.transaction() as session:
        row = await repository.task_of_job(session, task_id)
        if row is None or row.state not in repository.OPEN:
            return
        if fence not in (None, row.fence) or ticket not in (None, row.ticket):
            return
        await tasks.fail(session, row, code, detail, ref=ref)
