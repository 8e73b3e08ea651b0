# SPDX-License-Identifier: Apache-2.0
"""The thin job interface: enqueue by name in the session's transaction, run at least once.

Only ``kernel/jobs.py`` and ``kernel/worker.py`` know the engine behind it. Arguments are JSON
ids. A job may run twice, so its effects carry a key (unique row, fence, digest).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Connection

from healthvision.kernel import strictjson
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Database, Session, resources_of
from healthvision.kernel.resources import Resources

DEFAULT_QUEUE = "default"
PERIODICS = "periodics"  # the lease of the worker that does the periodic work
URGENT, NORMAL, LOW = 1, 50, 100  # smaller runs first


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a running job is given."""

    db: Database
    job_id: str
    attempt: int  # 1 for the first try
    worker_id: str


JobHandler = Callable[[JobContext, Mapping[str, Any]], Awaitable[None]]
PeriodicHandler = Callable[[JobContext], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Job:
    """A kind of job. ``attempts`` counts tries on a Problem with ``retry`` or on a bug."""

    name: str  # 'room.verb_thing'
    handler: JobHandler
    queue: str = DEFAULT_QUEUE
    attempts: int = 5
    first_delay_s: float = 1.0  # doubles with each try
    on_failed: JobHandler | None = None  # after the last try; payload has 'error' added


@dataclass(frozen=True, slots=True)
class Periodic:
    """Work that one process of the installation does every few seconds.

    ``lease``: the right to do it; work of one lease is done by one process at a time, that of
    another lease perhaps by another.
    """

    name: str
    every_s: float
    handler: PeriodicHandler
    lease: str = PERIODICS


@dataclass(frozen=True, slots=True)
class Enqueued:
    """One job to be enqueued."""

    id: str
    name: str
    payload: str
    queue: str
    priority: int
    delay_s: float


class JobQueue(Protocol):
    """Where jobs go; the engine behind it is chosen by ``app/``."""

    async def put(self, session: Session, job: Enqueued) -> None:
        """Enqueue inside the session's transaction; the same id twice is one job."""
        ...

    def put_on(self, connection: Connection, job: Enqueued) -> None:
        """Enqueue inside a sync connection's transaction."""
        ...


@dataclass(slots=True)
class JobRegistry:
    """All kinds of jobs of this installation, by name."""

    jobs: dict[str, Job] = field(default_factory=dict)
    periodics: list[Periodic] = field(default_factory=list)
    queues: dict[str, int] = field(default_factory=dict)

    def add(self, job: Job) -> None:
        """Register one kind of job; ValueError when the name is taken."""
        if job.name in self.jobs:
            raise ValueError(f"job {job.name} is registered twice")
        self.jobs[job.name] = job


async def enqueue(
    session: Session,
    name: str,
    payload: Mapping[str, Any],
    *,
    job_id: str | None = None,
    queue: str | None = None,
    priority: int = NORMAL,
    delay_s: float = 0.0,
) -> str:
    """Enqueue a job in the session's transaction and return its id.

    KeyError when no such kind of job is registered: a programming error.
    """
    resources = resources_of(session)
    kind = resources.get(JobRegistry).jobs[name]
    job = Enqueued(
        id=job_id or str(new_id()),
        name=name,
        payload=strictjson.dumps(dict(payload)),
        queue=queue or kind.queue,
        priority=priority,
        delay_s=delay_s,
    )
    await resources.get(JobQueue).put(session, job)  # type: ignore[type-abstract]
    return job.id


def enqueue_on(
    connection: Connection,
    resources: Resources,
    name: str,
    payload: Mapping[str, Any],
    *,
    job_id: str,
) -> None:
    """Enqueue a job in a bulk writer's transaction; see ``enqueue``."""
    queue = resources.get(JobRegistry).jobs[name].queue
    job = Enqueued(job_id, name, strictjson.dumps(dict(payload)), queue, NORMAL, 0.0)
    resources.get(JobQueue).put_on(connection, job)  # type: ignore[type-abstract]
