# SPDX-License-Identifier: Apache-2.0
"""A job queue that keeps jobs in memory and runs the real handlers when a test says so."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection, event
from sqlalchemy.orm import Session as SyncSession

from healthvision.kernel import strictjson
from healthvision.kernel.db import Database, Session
from healthvision.kernel.jobs import Enqueued, JobContext, JobRegistry


@dataclass
class InPlaceQueue:
    """Jobs become visible when their transaction commits, once per id, by priority."""

    waiting: list[Enqueued] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    async def put(self, session: Session, job: Enqueued) -> None:
        """Keep the job until the session commits; forget it when it rolls back."""
        staged: list[Enqueued] | None = session.info.get("staged_jobs")
        if staged is None:
            staged = session.info["staged_jobs"] = []
            event.listen(session.sync_session, "after_commit", self._committer(staged))
        staged.append(job)

    def put_on(self, connection: Connection, job: Enqueued) -> None:
        """Keep the job; the bulk writer commits right after it."""
        if job.id not in self.seen:
            self.seen.add(job.id)
            self.waiting.append(job)

    def _committer(self, staged: list[Enqueued]) -> "Callable[[SyncSession], None]":
        def on_commit(_session: SyncSession) -> None:
            for job in staged:
                if job.id not in self.seen:
                    self.seen.add(job.id)
                    self.waiting.append(job)
            staged.clear()

        return on_commit

    async def drain(self, db: Database, *, rounds: int = 1000) -> int:
        """Run all waiting jobs and those they enqueue; returns how many ran."""
        registry = db.resources.get(JobRegistry)
        ran = 0
        while self.waiting and ran < rounds:
            self.waiting.sort(key=lambda j: j.priority)
            job = self.waiting.pop(0)
            context = JobContext(db=db, job_id=job.id, attempt=1, worker_id="test")
            await registry.jobs[job.name].handler(context, strictjson.loads(job.payload))
            ran += 1
        return ran
