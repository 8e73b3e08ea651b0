# SPDX-License-Identifier: Apache-2.0
"""Wakes the engine's queue loops when the database changes, so that they need not ask all the time.

The engine only polls, and each poll is several statements. Here its loops sleep on a bell: on
SQLite a commit by anybody (also another process), seen by ``PRAGMA data_version``, is followed by
one look at which queues have waiting jobs, and these are rung; on PostgreSQL a NOTIFY that goes
with each enqueued job rings. A missed ring costs at most the slow poll.
"""

import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from dbos import DBOS
from dbos._queue import queue_worker_thread
from sqlalchemy import Connection, make_url

from healthvision.kernel.clock import monotonic
from healthvision.kernel.telemetry import logger

POLL_S = 1.0  # the engine's own polling, when no bell rang
SQLITE_POLL_S = 30.0  # the same where the file is looked at: the looks find what waits
UNUSED_POLL_S = 60.0  # the engine's own queue; every job of ours names another
AGAIN_S = 1.0  # a queue that has jobs waiting is rung again after this, whatever happened
LOOK_S = 0.05  # how often the SQLite file is looked at (some 20 microseconds a look)
REST_S = 0.1  # least time between two polls of one queue
RECONNECT_S = 1.0
JOIN_S = 10.0
CHANNEL = "hv_jobs"
# the two conditions on the status let SQLite use the engine's partial index
WAITING = (
    "SELECT DISTINCT queue_name FROM workflow_status "
    "WHERE status IN ('ENQUEUED', 'PENDING') AND status = 'ENQUEUED'"
)
_log = logger("kernel.wakeup")


class Bell(threading.Event):
    """A stop event for the engine's loop whose ``wait`` also ends when it is rung.

    Rings within ``REST_S`` of the last poll wait for the rest of it and count once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._rung = threading.Event()
        self._last = 0.0

    def set(self) -> None:
        """Stop the loop."""
        super().set()
        self._rung.set()

    def ring(self) -> None:
        """Have the loop poll now."""
        self._rung.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until rung, stopped or timed out; returns whether the loop is to stop."""
        if self._rung.wait(timeout):
            rest = self._last + REST_S - monotonic()
            if rest > 0:
                super().wait(rest)
        self._rung.clear()
        self._last = monotonic()
        return self.is_set()


@dataclass(slots=True)
class QueueLoops:
    """The engine's queue loops of one worker, each on its bell, and the thread that rings them."""

    url: str
    _bells: dict[str, Bell] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self, instance: DBOS, queues: Mapping[str, int]) -> None:
        """Register the queues (name: jobs at once) with a launched engine and begin to listen.

        The engine must have been told to listen to no queue by itself (``DBOS.listen_queues``).
        """
        sqlite = make_url(self.url).get_backend_name() == "sqlite"
        instance._registry.get_internal_queue()._polling_interval_sec = UNUSED_POLL_S
        for name, concurrency in queues.items():
            queue = DBOS.register_queue(
                name,
                worker_concurrency=concurrency,
                polling_interval_sec=SQLITE_POLL_S if sqlite else POLL_S,
                on_conflict="always_update",
            )
            bell = Bell()
            self._bells[name] = bell
            self._run(queue_worker_thread, f"hv-queue-{name}", bell, instance, queue)
        self._run(self._watch_file if sqlite else self._watch_channel, "hv-wakeup")

    def stop(self) -> None:
        """Stop to listen; jobs that run go on."""
        self._stop.set()
        for bell in self._bells.values():
            bell.set()
        for thread in self._threads:
            thread.join(timeout=JOIN_S)

    def ring(self) -> None:
        """Have every queue polled now."""
        for bell in self._bells.values():
            bell.ring()

    def _run(self, target: object, name: str, *arguments: object) -> None:
        assert callable(target)
        thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _watch_file(self) -> None:
        path = make_url(self.url).database
        while not self._stop.is_set():
            try:
                self._watch_versions(Path(path or ""))
            except sqlite3.Error as error:
                _log.warning("looks less often for new jobs", reason=type(error).__name__)
                self._stop.wait(RECONNECT_S)

    def _watch_versions(self, path: Path) -> None:
        connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        try:
            seen, again_at = None, 0.0
            while not self._stop.wait(LOOK_S):
                (version,) = connection.execute("PRAGMA data_version").fetchone()
                if version == seen and monotonic() < again_at:
                    continue
                seen, again_at = version, monotonic() + AGAIN_S
                for (name,) in connection.execute(WAITING).fetchall():
                    if name in self._bells:
                        self._bells[name].ring()
        finally:
            connection.close()

    def _watch_channel(self) -> None:
        parsed = make_url(self.url).set(drivername="postgresql")
        address = parsed.render_as_string(hide_password=False)
        while not self._stop.is_set():
            try:
                with psycopg.connect(address, autocommit=True) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._hear(connection)
            except (psycopg.Error, OSError) as error:
                _log.warning("looks less often for new jobs", reason=type(error).__name__)
                self._stop.wait(RECONNECT_S)

    def _hear(self, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        self.ring()  # what came while nobody listened
        while not self._stop.is_set():
            for _ in connection.notifies(timeout=POLL_S, stop_after=1):
                self.ring()


def tell(connection: Connection) -> None:
    """Ring the bells of all workers once the transaction commits; SQLite needs no telling."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"NOTIFY {CHANNEL}")
