# SPDX-License-Identifier: Apache-2.0
"""One worker process: runs jobs, renews its heartbeat, takes over the jobs of dead workers.

Jobs run on an event loop of the worker's own thread; the engine's threads only wait for them.
"""

import asyncio
import concurrent.futures
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from dbos import DBOS
from sqlalchemy import Engine, delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from healthvision.kernel import engine, strictjson
from healthvision.kernel.clock import monotonic, new_id, now
from healthvision.kernel.db import Database, DatabaseUnavailable
from healthvision.kernel.errors import Problem
from healthvision.kernel.jobs import (
    DEFAULT_QUEUE,
    NORMAL,
    Enqueued,
    Job,
    JobContext,
    JobHandler,
    JobQueue,
    JobRegistry,
)
from healthvision.kernel.leases import WorkerHeartbeat, release_all
from healthvision.kernel.rounds import Rounds, by_lease
from healthvision.kernel.settings import CoreSettings
from healthvision.kernel.telemetry import JOB_SECONDS, JOBS, WORKERS_TAKEN_OVER, logger
from healthvision.kernel.wakeup import QueueLoops

BUG_ATTEMPTS = 3
OUTAGE_ATTEMPTS = 200  # a job does not use up its tries while the database is away
OUTAGE_DELAY_S = 30.0
OUTAGE_PAUSE_S = 1.0
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_log = logger("kernel.worker")

Opener = Callable[[], AbstractAsyncContextManager[Database]]


class WorkerStopped(BaseException):
    """The worker stops while a job runs: no outcome, so that another worker takes the job over.

    No ``Exception``: the engine keeps those as the outcome of the job.
    """


class JobFailed(Exception):
    """The last try of a job failed; the engine keeps it as a dead letter."""


@dataclass(frozen=True, slots=True)
class _Order:
    """One job as the engine hands it over."""

    id: str
    name: str
    payload: str
    attempt: int
    queue: str
    priority: int


@dataclass(slots=True)
class _Outcome:
    error: str | None = None
    retry_in: float | None = None


@dataclass(slots=True)
class Worker:
    """Start with ``start()``, stop with ``stop()``; both are called from any thread.

    ``elsewhere``: leases whose periodic work a process of its own does.
    """

    core: CoreSettings
    open_database: Opener  # opens a started database on the worker's own loop
    worker_id: str = ""
    elsewhere: Collection[str] = ()
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _thread: threading.Thread | None = None
    _ready: threading.Event = field(default_factory=threading.Event)
    _stopping: asyncio.Event | None = None
    _db: Database | None = None
    _connections: Engine | None = None
    _loops: QueueLoops | None = None
    _failure: BaseException | None = None
    _running: set["asyncio.Task[Any]"] = field(default_factory=set)

    def start(self) -> None:
        """Open the database on the worker's loop, launch the engine and begin to listen."""
        started = now().strftime("%H%M%S")
        default_id = f"{socket.gethostname()}-{os.getpid()}-{started}-{new_id().hex[-6:]}"
        self.worker_id = self.worker_id or self.core.worker_id or default_id
        self._thread = threading.Thread(target=self._run_loop, name="hv-worker", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        self._launch_engine()

    def stop(self) -> None:
        """Stop listening, end running jobs without an outcome, close the database.

        Another worker (or the next one here) takes over what did not come to its end.
        """
        if self._loops is not None:
            self._loops.stop()
        DBOS.destroy(destroy_registry=True)
        if self._connections is not None:
            self._connections.dispose()
        if self._stopping is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread is not None:
            self._thread.join(timeout=30)

    def check(self) -> None:
        """Raise what ended the worker's loop, if anything did."""
        if self._failure is not None:
            raise self._failure

    def _launch_engine(self) -> None:
        db = self._database()
        queues = {
            DEFAULT_QUEUE: self.core.worker_threads,
            **db.resources.get(JobRegistry).queues,
        }
        threads = sum(queues.values()) + 4
        self._connections = engine.sync_engine(db.url, pool_size=threads)
        config = engine.worker_config(db.url, self.worker_id, threads, self._connections)
        instance = DBOS(config=config)
        DBOS.workflow(name=engine.WORKFLOW)(self._workflow())
        DBOS.listen_queues([])  # the loops below listen
        DBOS.launch()
        self._loops = QueueLoops(db.url)
        self._loops.start(instance, queues)

    def _workflow(self) -> Callable[[str, str, int, str, int], None]:
        def hv_job(
            name: str, payload: str, attempt: int, queue: str = "", priority: int = NORMAL
        ) -> None:
            order = _Order(str(DBOS.workflow_id), name, payload, attempt, queue, priority)
            if self._loop.is_closed():
                raise WorkerStopped
            future = asyncio.run_coroutine_threadsafe(self._execute(order), self._loop)
            try:
                outcome = future.result()
            except concurrent.futures.CancelledError:
                raise WorkerStopped from None
            if outcome.error is not None:
                raise JobFailed(outcome.error)

        return hv_job

    async def _execute(self, order: "_Order") -> _Outcome:
        task = asyncio.current_task()
        assert task is not None and self._stopping is not None
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        if self._stopping.is_set():
            raise asyncio.CancelledError
        db = self._database()
        job = db.resources.get(JobRegistry).jobs.get(order.name)
        if job is None:
            return _Outcome(error=f"no job {order.name} in this installation")
        context = JobContext(db, order.id.split("~")[0], order.attempt, self.worker_id)
        arguments: Mapping[str, Any] = strictjson.loads(order.payload)
        begun = monotonic()
        outcome = await self._attempt(job, context, arguments)
        JOB_SECONDS.labels(order.name).observe(monotonic() - begun)
        if outcome.retry_in is not None:
            JOBS.labels(order.name, "retry").inc()
            await self._enqueue_retry(db, job, order, outcome.retry_in)
            return _Outcome()
        if outcome.error is not None and job.on_failed is not None:
            await self._tell_failure(job.on_failed, context, {**arguments, "error": outcome.error})
        JOBS.labels(order.name, "failed" if outcome.error else "done").inc()
        return outcome

    async def _tell_failure(
        self, on_failed: JobHandler, context: JobContext, said: Mapping[str, Any]
    ) -> None:
        """Run a job's last word; waits while the database is away."""
        while True:
            try:
                return await on_failed(context, said)
            except DatabaseUnavailable:
                await asyncio.sleep(OUTAGE_PAUSE_S)
            except Exception as error:
                _log.error("background work failed", exc_info=error)
                return

    async def _attempt(
        self, job: Job, context: JobContext, arguments: Mapping[str, Any]
    ) -> _Outcome:
        delay = job.first_delay_s * 2 ** min(context.attempt - 1, 16)
        try:
            await job.handler(context, arguments)
        except DatabaseUnavailable as problem:
            _log.warning("job waits for the database", job=job.name, job_id=context.job_id)
            again = context.attempt < OUTAGE_ATTEMPTS
            return _Outcome(problem.code, min(delay, OUTAGE_DELAY_S) if again else None)
        except Problem as problem:
            text = f"{problem.code}: {problem.detail}"
            _log.warning("job refused", job=job.name, job_id=context.job_id, problem=text)
            again = problem.retry and context.attempt < job.attempts
            wait = max(delay, problem.retry_after or 0)
            return _Outcome(text, wait if again else None)
        except Exception as error:
            _log.error("job crashed", job=job.name, job_id=context.job_id, exc_info=error)
            again = context.attempt < min(job.attempts, BUG_ATTEMPTS)
            return _Outcome(f"internal error: {type(error).__name__}", delay if again else None)
        return _Outcome()

    async def _enqueue_retry(self, db: Database, job: Job, order: "_Order", delay_s: float) -> None:
        """Enqueue the next try where the job came from; waits while the database is away.

        Giving up here would lose the job.
        """
        queue = db.resources.get(JobQueue)  # type: ignore[type-abstract]
        assert isinstance(queue, engine.EngineQueue)
        number = order.attempt + 1
        job_id = f"{order.id.split('~')[0]}~{number}"
        name = order.queue or job.queue
        entry = Enqueued(job_id, job.name, order.payload, name, order.priority, delay_s)
        put = partial(
            queue.client.enqueue, engine.options_of(entry), *engine.arguments_of(entry, number)
        )
        while True:
            try:
                await asyncio.to_thread(put)
                return
            except (SQLAlchemyError, OSError) as error:
                _log.warning("retry not enqueued yet", job_id=job_id, error=type(error).__name__)
                await asyncio.sleep(OUTAGE_PAUSE_S)

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:
            _log.error("background work failed", exc_info=error)

    def _database(self) -> Database:
        assert self._db is not None
        return self._db

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        except BaseException as error:
            self._failure = error
        finally:
            self._ready.set()
            self._loop.close()

    async def _main(self) -> None:
        self._stopping = asyncio.Event()
        async with self.open_database() as db:
            self._db = db
            await self._beat(db)
            tasks = [asyncio.create_task(self._heartbeat(db))]
            for lease, periodics in by_lease(db.resources.get(JobRegistry).periodics).items():
                if lease not in self.elsewhere:
                    rounds = Rounds(db, lease, self.worker_id, periodics)
                    tasks.append(asyncio.create_task(rounds.run()))
            self._ready.set()
            await self._stopping.wait()
            for task in (*tasks, *self._running):
                task.cancel()
            await asyncio.gather(*tasks, *self._running, return_exceptions=True)
            await self._guarded(self._sign_off(db))

    async def _sign_off(self, db: Database) -> None:
        """Give back the leases and look dead, so that others take over what still ran here."""
        async with db.transaction() as session:
            await release_all(session, self.worker_id)
            mine = WorkerHeartbeat.worker_id == self.worker_id
            await session.execute(update(WorkerHeartbeat).where(mine).values(seen_at=LONG_AGO))

    async def _beat(self, db: Database) -> None:
        async with db.transaction(durable=False) as session:
            row = await session.get(WorkerHeartbeat, self.worker_id)
            if row is None:
                row = WorkerHeartbeat(
                    worker_id=self.worker_id,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    started_at=now(),
                    seen_at=now(),
                )
                session.add(row)
            row.seen_at = now()

    async def _heartbeat(self, db: Database) -> None:
        interval = self.core.worker_stale_s / 5
        while True:
            await self._guarded(self._beat(db))
            await self._guarded(self._take_over(db))
            await asyncio.sleep(interval)

    async def _take_over(self, db: Database) -> None:
        """Resume the pending jobs of workers that are dead (silent, or a dead process here)."""
        stale_before = now() - timedelta(seconds=self.core.worker_stale_s)
        async with db.reading() as session:
            rows = (await session.scalars(select(WorkerHeartbeat))).all()
        dead = [r.worker_id for r in rows if self._is_dead(r, stale_before)]
        queue = db.resources.get(JobQueue)  # type: ignore[type-abstract]
        assert isinstance(queue, engine.EngineQueue)
        for worker_id in dead:
            count = await asyncio.to_thread(_resume_jobs_of, queue, worker_id)
            WORKERS_TAKEN_OVER.inc(count)
            _log.warning("took over a dead worker", dead_worker=worker_id, jobs=count)
            async with db.transaction() as session:
                gone = WorkerHeartbeat.worker_id == worker_id
                await session.execute(delete(WorkerHeartbeat).where(gone))

    def _is_dead(self, row: WorkerHeartbeat, stale_before: datetime) -> bool:
        if row.worker_id == self.worker_id:
            return False
        if row.seen_at < stale_before:
            return True
        return row.host == socket.gethostname() and not _process_lives(row.pid)


def _process_lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _resume_jobs_of(queue: engine.EngineQueue, worker_id: str) -> int:
    pending = queue.client.list_workflows(
        status="PENDING", executor_id=worker_id, load_input=False, load_output=False
    )
    for workflow in pending:
        queue.client.resume_workflow(
            workflow.workflow_id, queue_name=workflow.queue_name or DEFAULT_QUEUE
        )
    return len(pending)
