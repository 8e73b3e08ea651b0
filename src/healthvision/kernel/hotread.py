# SPDX-License-Identifier: Apache-2.0
"""Sync connections for hot paths: all queries of one request in one hop to a thread.

An async driver pays a hop to its thread for every statement; a viewer's request has several and
each takes microseconds. Threads keep their connection. Statements are best made once, with bound
parameters: SQLAlchemy then knows them at once. The audit writer has a ``SyncDatabase`` too.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from healthvision.kernel.db import Database, sync_url, trouble_of

T = TypeVar("T")
THREADS = 4
PATIENCE_MS = 10_000


class SyncDatabase:
    """A few threads with one connection each; ``writing``: each run is one transaction.

    Writes are as durable as those of ``kernel.db``.
    """

    def __init__(self, url: str, *, threads: int, writing: bool, name: str) -> None:
        self._writing = writing
        self._engine = _engine(url, writing)
        self._own = threading.local()
        self._opened: list[Connection] = []
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a thread with a connection; when it writes, it is committed at the end.

        A read whose connection was lost runs a second time. Raises OutOfSpace and
        DatabaseUnavailable as ``Database.transaction`` does.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, work)

    def _run(self, work: Callable[[Connection], T]) -> T:
        with _translated():
            try:
                return self._once(work)
            except DBAPIError as error:
                if self._writing or not error.connection_invalidated:
                    raise
            return self._once(work)

    def _once(self, work: Callable[[Connection], T]) -> T:
        connection = self._connection()
        if self._writing:
            with connection.begin():  # by hand: a ``Statement`` begins nothing by itself
                return work(connection)
        try:
            return work(connection)
        finally:
            connection.rollback()  # ends what was read

    def _connection(self) -> Connection:
        found: Connection | None = getattr(self._own, "connection", None)
        if found is None or found.closed:
            found = self._own.connection = self._engine.connect()
            self._opened.append(found)
        return found

    def close(self) -> None:
        """End the threads, then their connections."""
        self._threads.shutdown(wait=True)
        for connection in self._opened:
            connection.close()
        self._opened.clear()
        self._engine.dispose()


class HotReader(SyncDatabase):
    """The reading side of one process."""


def reader_of(db: Database) -> HotReader:
    """Return the process's reader; it is made at first use and closed with the database."""
    if not db.resources.has(HotReader):
        reader = HotReader(db.url, threads=THREADS, writing=False, name="hv-read")
        db.resources.put(HotReader, reader)
        db.on_close(reader.close)
    return db.resources.get(HotReader)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        problem = trouble_of(error)
        if problem is None:
            raise
        raise problem from error


def _engine(url: str, writing: bool) -> Engine:
    parsed = sync_url(url)
    if parsed.get_backend_name() != "sqlite":
        # each statement of a read sees its own moment anyway, so none needs a transaction
        options: dict[str, Any] = {
            "isolation_level": "AUTOCOMMIT",
            "connect_args": {"options": "-c default_transaction_read_only=on"},
        }
        return create_engine(
            parsed, hide_parameters=True, poolclass=NullPool, **({} if writing else options)
        )
    arguments = {"check_same_thread": False, "timeout": PATIENCE_MS / 1000}
    engine = create_engine(parsed, hide_parameters=True, poolclass=NullPool, connect_args=arguments)

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout={PATIENCE_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            *(() if writing else ("query_only=ON",)),
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine
