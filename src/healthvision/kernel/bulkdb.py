# SPDX-License-Identifier: Apache-2.0
"""The database for a bulk writer: sync connections for its threads.

Whoever writes here keeps a journal of its own and writes again, when it starts, what a power cut
took. So on SQLite commits are atomic and in order but not yet durable (synchronous=NORMAL in WAL
mode): nothing but a power cut undoes them. A PostgreSQL server may fall alone, while the writer
lives on and believes its rows are there: commits are synced. Everybody else uses ``kernel.db``.
"""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from healthvision.kernel.clock import monotonic
from healthvision.kernel.db import READ_ONLY, sync_url, trouble_of
from healthvision.kernel.rightofway import ASK_S, RightOfWay, right_of_way
from healthvision.kernel.statements import Statement

_RACES = ("40001", "40P01", "23505")  # serialization, deadlock, unique
PATIENCE_MS = 10_000
SOON_S = 5.0
_INSERTS: dict[tuple[str, Table], Statement] = {}


class BulkDatabase:
    """Sync connections to the database of one process; safe to use from many threads."""

    def __init__(self, url: str, *, pool_size: int = 4) -> None:
        parsed = sync_url(url)
        options: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 28}
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            options["connect_args"] = {"check_same_thread": False, "timeout": PATIENCE_MS / 1000}
        else:
            options["pool_pre_ping"] = True
        self._engine = create_engine(parsed, hide_parameters=True, **options)
        if self.is_sqlite:
            _configure_sqlite(self._engine)
        self._reading = self._engine.execution_options(**{READ_ONLY: True})

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a writing transaction, committed at the end of the block.

        Raises OutOfSpace and DatabaseUnavailable as ``Database.transaction`` does.
        """
        with _translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a connection for reading only."""
        with _translated(), self._reading.connect() as connection:
            yield connection

    def steady(self) -> "SteadyWriter":
        """Return a connection of its own for one thread that writes one transaction a time."""
        return SteadyWriter(self._engine, is_sqlite=self.is_sqlite)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


class SteadyWriter:
    """One connection kept over many transactions; knows whether anybody else wrote in between.

    On SQLite the database counts the commits of others (PRAGMA data_version), so that what one
    transaction read is still true in the next when nobody else wrote. Elsewhere others always may
    have.
    """

    def __init__(self, engine: Engine, *, is_sqlite: bool) -> None:
        self._engine = engine
        self._is_sqlite = is_sqlite
        self._connection: Connection | None = None
        self._version: int | None = None

    @contextmanager
    def transaction(self) -> Iterator[tuple[Connection, bool]]:
        """Open a writing transaction: the connection, and whether the database is as we left it.

        Raises OutOfSpace and DatabaseUnavailable as ``Database.transaction`` does.
        """
        try:
            with _translated():
                if self._connection is None:
                    self._connection = self._engine.connect()
                with self._connection.begin():
                    version = self._seen(self._connection)
                    yield self._connection, version is not None and version == self._version
            self._version = version
        except BaseException:
            self.close()
            raise

    def _seen(self, connection: Connection) -> int | None:
        if not self._is_sqlite:
            return None
        row = connection.connection.cursor().execute("PRAGMA data_version").fetchone()
        return int(row[0])

    def close(self) -> None:
        """Give the connection back."""
        connection, self._connection, self._version = self._connection, None, None
        if connection is not None:
            connection.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        problem = None if is_race(error) else trouble_of(error)
        if problem is None:
            raise
        raise problem from error


def is_race(error: BaseException) -> bool:
    """Tell whether another transaction was in the way, so that the same work succeeds again."""
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    return state in _RACES or "UNIQUE constraint failed" in str(error.orig)


def insert_new(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert a row of a table with an ``id``; False when another transaction was faster."""
    key = (connection.dialect.name, table)
    statement = _INSERTS.get(key)
    if statement is None:
        make = sqlite.insert if key[0] == "sqlite" else postgresql.insert
        statement = _INSERTS[key] = Statement(make(table).on_conflict_do_nothing())
    return statement.run(connection, values) == 1


def _configure_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout={PATIENCE_MS}",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "wal_autocheckpoint=4000",  # pages; each checkpoint waits for the disk
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    way = right_of_way(str(engine.url))

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        if connection.get_execution_options().get(READ_ONLY, False):
            connection.exec_driver_sql("BEGIN")
        elif not _begun_soon(connection, way):
            connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begun_soon(connection: Connection, way: RightOfWay) -> bool:
    """Begin to write as soon as whoever writes has ended; False: not within ``SOON_S``, or broken.

    SQLite itself would ask again after pauses of up to a tenth of a second.
    """
    driver = connection.connection.dbapi_connection
    assert driver is not None
    driver.execute("PRAGMA busy_timeout=0")
    try:
        if _begun(driver):
            return True
        end = monotonic() + SOON_S
        with way.wanted():
            while monotonic() < end:
                time.sleep(ASK_S)
                if _begun(driver):
                    return True
        return False
    finally:
        driver.execute(f"PRAGMA busy_timeout={PATIENCE_MS}")


def _begun(driver: Any) -> bool:
    try:
        driver.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:  # what it is else, a further attempt tells
        return False
    return True
