# SPDX-License-Identifier: Apache-2.0
"""The roles a process can take: api, worker, or all of it (same code, other entry)."""

import asyncio
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from sqlalchemy.exc import DBAPIError, OperationalError

from healthvision.app import schema
from healthvision.app.api import create_app
from healthvision.app.modules import DOORS, MODULES
from healthvision.app.process import open_process
from healthvision.app.system import router as system_router
from healthvision.kernel.clock import monotonic
from healthvision.kernel.db import Database, trouble_of
from healthvision.kernel.settings import CoreSettings
from healthvision.kernel.telemetry import UP, logger
from healthvision.kernel.worker import Worker

_log = logger("app.roles")
DATABASE_S = 120.0


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; OSError when the port is taken."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def new_worker(core: CoreSettings) -> Worker:
    """Return a worker of all queues; call ``start()``."""

    @asynccontextmanager
    async def open_database() -> AsyncIterator[Database]:
        async with open_process(core, MODULES) as db:
            yield db

    return Worker(core, open_database)


async def serve_api(
    core: CoreSettings, listener: socket.socket, on_ready: Callable[[], None] | None = None
) -> None:
    """Serve the HTTP API on a bound socket until the process is told to stop."""
    async with open_process(core, MODULES) as db:

        @asynccontextmanager
        async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
            UP.labels("api").set(1)
            if on_ready is not None:
                on_ready()
            yield
            UP.labels("api").set(0)

        app = create_app(db, MODULES, [*DOORS, system_router], lifespan)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=True,
            forwarded_allow_ips=core.trusted_proxies,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=10,
            h11_max_incomplete_event_size=64 * 1024,
        )
        await uvicorn.Server(config).serve(sockets=[listener])


def prepare(core: CoreSettings) -> None:
    """Bring the schema up to date; waits while the database is not there yet."""
    end = monotonic() + DATABASE_S
    while True:
        try:
            schema.upgrade(core.resolved_database_url())
            return
        except (DBAPIError, OSError) as error:
            if trouble_of(error) is None and not isinstance(error, OperationalError):
                raise
            if monotonic() > end:
                raise
            _log.warning("waiting for the database", reason=type(error).__name__)
            time.sleep(1.0)


def run_api(core: CoreSettings) -> None:
    """Run the role 'api' until SIGINT or SIGTERM."""
    prepare(core)
    asyncio.run(serve_api(core, bind(core.host, core.port)))


def run_worker(core: CoreSettings) -> None:
    """Run the role 'worker' until SIGINT or SIGTERM."""
    prepare(core)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    worker = new_worker(core)
    worker.start()
    UP.labels("worker").set(1)
    _log.info("worker started", worker=worker.worker_id)
    while not stop.wait(1.0):
        worker.check()
    worker.stop()


def run_all(core: CoreSettings, on_ready: Callable[[], Any] | None = None) -> None:
    """Run API and one worker in this process until SIGINT or SIGTERM."""
    prepare(core)
    listener = bind(core.host, core.port)
    worker = new_worker(core)
    worker.start()
    try:
        asyncio.run(serve_api(core, listener, on_ready))
    finally:
        worker.stop()
