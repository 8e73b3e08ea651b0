# SPDX-License-Identifier: Apache-2.0
"""The process beside a worker that keeps the archive in order: ``healthvision run upkeep``.

Sealing takes as much processor time as receiving. In the interpreter of a receiver each would wait
for the other; here it stands back (``HV_UPKEEP_NICE``). It opens no door and loads no rules for
people, so that it stays small; an event it has to tell is spread by a worker.
"""

import argparse
import asyncio
import importlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from sqlalchemy import Connection

from healthvision.app import placement, tuning
from healthvision.app.placement import OtherHost
from healthvision.domains.archive.keeping import upkeep
from healthvision.domains.storage import starting as storage
from healthvision.kernel import confinement, events, jobs
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Database, Session
from healthvision.kernel.leases import release_all
from healthvision.kernel.masterkey import BadMasterKey, MasterKey, installation_key
from healthvision.kernel.rounds import Rounds
from healthvision.kernel.settings import CoreSettings
from healthvision.kernel.telemetry import configure_logging, logger

BAD_SETTINGS = 78  # the same as in app/supervise.py; EX_CONFIG of sysexits.h
POOL_SIZE = 4
_QUEUE = "healthvision.kernel.engine"
_log = logger("app.upkeep")


class LateQueue:
    """The job queue, loaded by its first use: only damage that was found needs it (15 MB)."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._queue: Any = None

    def _loaded(self) -> Any:
        if self._queue is None:
            self._queue = importlib.import_module(_QUEUE).EngineQueue(self._url)
        return self._queue

    async def put(self, session: Session, job: jobs.Enqueued) -> None:
        """Enqueue inside the session's transaction."""
        await self._loaded().put(session, job)

    def put_on(self, connection: Connection, job: jobs.Enqueued) -> None:
        """Enqueue inside a sync connection's transaction."""
        self._loaded().put_on(connection, job)

    def close(self) -> None:
        """Close its connections."""
        if self._queue is not None:
            self._queue.close()


@asynccontextmanager
async def opened(core: CoreSettings) -> AsyncIterator[Database]:
    """Yield the database with what upkeep needs, and nothing else; closed at the end.

    Raises BadMasterKey, OtherHost: no restart mends these.
    """
    db = Database(core.resolved_database_url(), pool_size=POOL_SIZE)
    queue, known = LateQueue(db.url), jobs.JobRegistry()
    known.add(jobs.Job(events.SPREAD, events.spread))
    db.resources.put(CoreSettings, core)
    db.resources.put(jobs.JobRegistry, known)
    db.resources.put(jobs.JobQueue, queue)  # type: ignore[type-abstract]
    db.resources.put(events.EventRegistry, events.EventRegistry(elsewhere=True))
    try:
        path, folder = core.master_key_file, core.data_dir
        key = await installation_key(db, path, data_dir=folder, make=False)
        db.resources.put(MasterKey, key)
        await placement.check(db)
        await storage.start(db, core)
        await upkeep.start(db, core)
        try:
            yield db
        finally:
            await upkeep.stop(db)
    finally:
        await db.close()
        queue.close()


async def serve(core: CoreSettings) -> None:
    """Do the upkeep until SIGINT or SIGTERM."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stopped.set)
    holder = f"upkeep-{upkeep.holder()}-{new_id().hex[-6:]}"
    async with opened(core) as db:
        rounds = asyncio.create_task(Rounds(db, upkeep.UPKEEP, holder, upkeep.PERIODICS).run())
        tuning.after_start()
        _log.info("upkeep started", holder=holder)
        await stopped.wait()
        rounds.cancel()
        await asyncio.gather(rounds, return_exceptions=True)
        async with db.transaction() as session:
            await release_all(session, holder)


def belong_to(parent: int) -> None:
    """End with the process that started us, and leave Ctrl+C to it."""
    confinement.die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.getppid() != parent:
        raise SystemExit(0)


def main() -> None:
    """Run the role 'upkeep'; exit code 78 when no restart can help."""
    parser = argparse.ArgumentParser(prog="healthvision run upkeep", description=__doc__)
    parser.add_argument("--parent", type=int, default=0, help="End with this process.")
    parent = parser.parse_args(sys.argv[3:]).parent
    if parent:
        belong_to(parent)
    core = CoreSettings()
    configure_logging(level=core.log_level, as_json=core.log_json)
    os.nice(core.upkeep_nice)
    try:
        asyncio.run(serve(core))
    except (BadMasterKey, OtherHost) as error:
        Console(stderr=True).print(f"[red]upkeep[/]: {escape(str(error))}", soft_wrap=True)
        raise SystemExit(BAD_SETTINGS) from None
