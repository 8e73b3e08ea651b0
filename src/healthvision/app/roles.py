# SPDX-License-Identifier: Apache-2.0
"""The roles a process can take: api, worker, or all of it (same code, other entry)."""

import asyncio
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
import uvloop
from fastapi import FastAPI
from sqlalchemy.exc import DBAPIError, OperationalError

from healthvision.app import placement, ports, schema, supervise, tuning
from healthvision.app.api import create_app
from healthvision.app.modules import DOORS, MODULES
from healthvision.app.process import open_process
from healthvision.app.system import router as system_router
from healthvision.domains.archive.keeping.upkeep import UPKEEP
from healthvision.interfaces.dimse.door import bind_port, open_door
from healthvision.interfaces.dimse.settings import DimseSettings
from healthvision.interfaces.web.pages import pages_router
from healthvision.kernel.clock import monotonic
from healthvision.kernel.db import Database, trouble_of
from healthvision.kernel.settings import CoreSettings
from healthvision.kernel.telemetry import UP, logger, metrics_listener
from healthvision.kernel.worker import Worker

_log = logger("app.roles")
DATABASE_S = 120.0


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; OSError when the port is taken."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        text = f"cannot listen on {host} port {port} ({error.strerror}): stop the program that"
        raise OSError(f"{text} holds it, or set HV_HOST and HV_PORT") from None
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def new_worker(core: CoreSettings) -> Worker:
    """Return a worker of all queues; call ``start()``, and keep ``beside_worker`` open."""

    @asynccontextmanager
    async def open_database() -> AsyncIterator[Database]:
        async with open_process(core, MODULES) as db:
            await placement.check(db)
            yield db

    return Worker(core, open_database, elsewhere=(UPKEEP,) if core.upkeep_process else ())


def beside_worker(core: CoreSettings) -> AbstractContextManager[None]:
    """Return the context in which what belongs to a started worker runs: the upkeep process."""
    return supervise.beside([supervise.upkeep_child()] if core.upkeep_process else [])


async def serve_api(
    core: CoreSettings,
    listener: socket.socket,
    on_ready: Callable[[], None] | None = None,
    dicom: socket.socket | None = None,
) -> None:
    """Serve the HTTP API on a bound socket until the process is told to stop.

    ``dicom``: the bound DICOM port, served by the same process.
    """
    tuning.before_start()
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(open_process(core, MODULES))
        await placement.check(db)
        if dicom is not None:
            await stack.enter_async_context(open_door(db, dicom))

        @asynccontextmanager
        async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
            tuning.after_start()
            UP.labels("api").set(1)
            if on_ready is not None:
                on_ready()
            yield
            UP.labels("api").set(0)

        app = create_app(db, MODULES, [*DOORS, system_router, pages_router()], lifespan)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=bool(core.trusted_proxies),
            forwarded_allow_ips=core.trusted_proxies,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=10,
            h11_max_incomplete_event_size=64 * 1024,
        )
        _close_after_a_signal()
        await uvicorn.Server(config).serve(sockets=[listener])


def _close_after_a_signal() -> None:
    """Have the process go on to its own end: uvicorn sends itself the signal that ended it again.

    Else the default action would end us before database, journals and worker are closed.
    """
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)


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
    uvloop.run(serve_api(core, bind(core.host, core.port)))


def run_worker(core: CoreSettings) -> None:
    """Run the role 'worker' until SIGINT or SIGTERM."""
    prepare(core)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    tuning.before_start()
    worker = new_worker(core)
    worker.start()
    tuning.after_start()
    UP.labels("worker").set(1)
    _log.info("worker started", worker=worker.worker_id)
    with metrics_listener(core.metrics_port), beside_worker(core):
        while not stop.wait(1.0):
            worker.check()
    worker.stop()


def run_dimse(core: CoreSettings) -> None:
    """Run the role 'dimse' until SIGINT or SIGTERM; exit code 1 when its port is taken."""
    dicom = _dicom_port(DimseSettings())
    if dicom is None:
        raise SystemExit(1)
    prepare(core)
    tuning.before_start()
    with metrics_listener(core.metrics_port):
        asyncio.run(_serve_dimse(core, dicom))


async def _serve_dimse(core: CoreSettings, dicom: socket.socket) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with open_process(core, MODULES) as db:
        await placement.check(db)
        async with open_door(db, dicom):
            tuning.after_start()
            await stopped.wait()


def _dicom_port(settings: DimseSettings) -> socket.socket | None:
    """Return the bound DICOM port; None, and a line in the log, when it is taken."""
    try:
        return bind_port(settings)
    except OSError as error:
        _log.error(
            "the DICOM port is not open: stop what holds it, or set HV_DIMSE_PORT",
            host=settings.host,
            port=settings.port,
            reason=error.strerror,
        )
        return None


def dicom_trouble(settings: DimseSettings) -> str | None:
    """Say in plain words that the wanted DICOM port cannot be had; None when it can."""
    if not settings.enabled or settings.share_port:
        return None
    found = ports.obstacle(settings.host, settings.port)
    if found is None:
        return None
    return (
        f"the DICOM {found.seen}. No image comes by the DICOM network: "
        f"{ports.DICOM_REMEDIES[found.kind]}, and start again"
    )


def run_all(core: CoreSettings, on_ready: Callable[[], Any] | None = None) -> None:
    """Run API, DICOM port and one worker in this process until SIGINT or SIGTERM."""
    prepare(core)
    listener = bind(core.host, core.port)
    settings = DimseSettings()
    dicom = _dicom_port(settings) if settings.enabled else None
    tuning.before_start()
    worker = new_worker(core)
    worker.start()
    try:
        with beside_worker(core):
            uvloop.run(serve_api(core, listener, on_ready, dicom))
    finally:
        worker.stop()


@dataclass(frozen=True, slots=True)
class Role:
    """One role: what ``healthvision run <name>`` does; ``alone``: ``up`` may give it a process.

    ``wanted``: whether ``up`` starts it by the settings.
    """

    name: str
    help: str
    run: Callable[[CoreSettings], None]
    alone: bool = True
    wanted: Callable[[], bool] = lambda: True


ROLES: tuple[Role, ...] = (
    Role("api", "Serve the HTTP API.", run_api),
    Role("worker", "Run jobs of all queues.", run_worker),
    Role("dimse", "Serve DICOM peers.", run_dimse, wanted=lambda: DimseSettings().enabled),
    Role("all", "Run all roles in one process.", run_all, alone=False),
)
