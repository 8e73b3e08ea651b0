# SPDX-License-Identifier: Apache-2.0
"""The durable job engine (DBOS) behind ``kernel.jobs``: its tables live in our own database.

Rules learnt by measurement: JSON serializer (the default is pickle), a pinned application
version (else an edit strands queued jobs), WAL on SQLite, one workflow for every kind of job.
On SQLite the engine's own notes (taken, done) do not wait for the disk: a power cut may undo the
last of them, and then a job runs again. Jobs themselves are as durable as the act that enqueued.
"""

import threading
import time
from typing import Any

from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer, EnqueueOptions
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.orm import Session as SyncSession

from healthvision.kernel import wakeup
from healthvision.kernel.clock import monotonic
from healthvision.kernel.db import Session, prepare_sqlite, sync_url
from healthvision.kernel.jobs import DEFAULT_QUEUE, Enqueued
from healthvision.kernel.rightofway import LONGEST_S, LOOK_S, right_of_way

APPLICATION = "healthvision"
ENGINE_VERSION = "1"  # pinned by hand: raise only when queued jobs of before cannot run any more
WORKFLOW = "hv.job"
SCHEMA = "dbos"
_migrating = threading.Lock()


def sync_engine(url: str, *, pool_size: int = 5) -> Engine:
    """Return a sync engine for the job engine's own tables (WAL and patience on SQLite)."""
    prepare_sqlite(url)
    parsed = sync_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(
            parsed,
            pool_size=pool_size,
            max_overflow=20,
            pool_pre_ping=True,
            hide_parameters=True,
        )
    engine = create_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=20,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": 30},
    )

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=NORMAL"):
            connection.execute(f"PRAGMA {pragma}")

    way = right_of_way(url)

    @event.listens_for(engine, "begin")
    def on_begin(connection: Any) -> None:
        end = monotonic() + LONGEST_S
        while way.is_wanted() and monotonic() < end:
            time.sleep(LOOK_S)
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def migrate(url: str) -> None:
    """Create or upgrade the engine's tables; safe to call again."""
    with _migrating:
        prepare_sqlite(url)
        DBOS.migrate(sync_url(url).render_as_string(hide_password=False), schema=SCHEMA)


def worker_config(url: str, worker_id: str, threads: int, connections: Engine) -> DBOSConfig:
    """Return the engine's configuration of one worker process."""
    return DBOSConfig(
        name=APPLICATION,
        system_database_url=sync_url(url).render_as_string(hide_password=False),
        system_database_engine=connections,
        dbos_system_schema=SCHEMA,
        application_version=ENGINE_VERSION,
        executor_id=worker_id,
        serializer=DBOSPortableJSONSerializer(),
        log_level="ERROR",
        run_migrations=False,
        max_executor_threads=threads,
    )


class EngineQueue:
    """A ``JobQueue`` that enqueues inside the caller's transaction."""

    def __init__(self, url: str) -> None:
        self._engine = sync_engine(url, pool_size=2)
        self.client = DBOSClient(
            system_database_engine=self._engine,
            system_database_url=sync_url(url).render_as_string(hide_password=False),
            dbos_system_schema=SCHEMA,
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
            lazy=True,
        )

    async def put(self, session: Session, job: Enqueued) -> None:
        """Enqueue in the session's transaction; the same id twice is one job."""

        def enqueue(sync: SyncSession) -> None:
            self.put_on(sync.connection(), job)

        await session.run_sync(enqueue)

    def put_on(self, connection: Connection, job: Enqueued) -> None:
        """Enqueue in a sync connection's transaction."""
        self.client.enqueue_in_transaction(connection, options_of(job), *arguments_of(job, 1))
        wakeup.tell(connection)

    def close(self) -> None:
        """Close the client's connections."""
        self.client.destroy()
        self._engine.dispose()


def arguments_of(job: Enqueued, attempt: int) -> tuple[str, str, int, str, int]:
    """Return the arguments of the workflow; a retry needs the queue and priority again."""
    return job.name, job.payload, attempt, job.queue, job.priority


def options_of(job: Enqueued) -> EnqueueOptions:
    """Return the engine's enqueue options for a job."""
    options = EnqueueOptions(
        workflow_name=WORKFLOW,
        queue_name=job.queue or DEFAULT_QUEUE,
        workflow_id=job.id,
        app_version=ENGINE_VERSION,
        priority=job.priority,
    )
    if job.delay_s > 0:
        options["delay_seconds"] = job.delay_s
    return options
