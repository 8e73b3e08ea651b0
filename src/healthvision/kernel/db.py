# SPDX-License-Identifier: Apache-2.0
"""The database: SQLite (WAL) or PostgreSQL through async SQLAlchemy.

One transaction per request or job: ``Database.transaction()`` commits when the block ends well.
On SQLite a writing transaction starts with BEGIN IMMEDIATE, since SELECT-then-INSERT of two
clients otherwise fails with 'database is locked' whatever the time-out. Reads use ``reading()``.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import JSON, DateTime, Dialect, MetaData, String, TypeDecorator, Uuid, event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
)
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.util import await_only

from healthvision.kernel.clock import monotonic, new_id, now
from healthvision.kernel.errors import Busy, OutOfSpace, Problem
from healthvision.kernel.resources import Resources
from healthvision.kernel.rightofway import (
    LONGEST_S,
    LOOK_S,
    RightOfWay,
    Turns,
    right_of_way,
)

Session = AsyncSession
T = TypeVar("T")
READ_ONLY = "hv_read_only"
AFTER_COMMIT = "hv_after_commit"


_FULL = ("disk is full", "No space left")
_AWAY = ("database is locked", "database table is locked", "unable to open database file")


class DatabaseUnavailable(Busy):
    """The database is away or busy for longer than we wait; asking again helps."""

    code, title, retry = "database-unavailable", "Database not available", True


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware datetime, in UTC on every database; naive values are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware datetime into UTC (naive UTC for SQLite)."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give back an aware datetime in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


JsonColumn = JSON().with_variant(JSONB(), "postgresql")


class Base(DeclarativeBase):
    """Base of all tables; tables of a room live in its ``tables.py``."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy's own attribute)
        datetime: UtcDateTime,
        UUID: Uuid,
        dict[str, Any]: JsonColumn,
        list[Any]: JsonColumn,
        list[str]: JsonColumn,
        str: String,
    }


class OrgOwned(Base):
    """A row that belongs to one organisation; every query on it filters by ``org_id``."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    org_id: Mapped[UUID] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


def async_url(url: str) -> URL:
    """Return the URL with the async driver we use (aiosqlite, asyncpg)."""
    parsed = make_url(url)
    driver = "sqlite+aiosqlite" if parsed.get_backend_name() == "sqlite" else "postgresql+asyncpg"
    return parsed.set(drivername=driver)


def sync_url(url: str) -> URL:
    """Return the URL with the sync driver we use (sqlite3, psycopg)."""
    parsed = make_url(url)
    driver = "sqlite" if parsed.get_backend_name() == "sqlite" else "postgresql+psycopg"
    return parsed.set(drivername=driver)


def prepare_sqlite(url: str) -> None:
    """Make the folder of a SQLite file; other databases need nothing."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)


def _configure_sqlite(engine: AsyncEngine, *, durable: bool) -> None:
    sync, way = engine.sync_engine, right_of_way(str(engine.url))

    @event.listens_for(sync, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "busy_timeout=30000",
            "journal_mode=WAL",
            f"synchronous={'FULL' if durable else 'NORMAL'}",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(sync, "begin")
    def on_begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get(READ_ONLY, False)
        if not read_only and way.is_wanted():
            await_only(_let_pass(way))
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


async def _let_pass(way: RightOfWay) -> None:
    end = monotonic() + LONGEST_S
    while way.is_wanted() and monotonic() < end:
        await asyncio.sleep(LOOK_S)


class Database:
    """One database of one process (and one event loop), with the process's resources.

    Sessions carry ``resources`` in ``session.info``; ``resources_of(session)`` finds them.
    """

    def __init__(
        self, url: str, *, pool_size: int = 10, resources: Resources | None = None
    ) -> None:
        prepare_sqlite(url)
        self.url = url
        self.resources = resources or Resources()
        self.is_sqlite = make_url(url).get_backend_name() == "sqlite"
        self.engine = self._new_engine(pool_size)
        self._read_engine = self.engine.execution_options(**{READ_ONLY: True})
        self._reserve = self._new_engine(1)
        self._relaxed = self._new_engine(2, durable=False)
        self._closers: list[Callable[[], None]] = []
        self.turns = Turns(url)

    def _new_engine(self, pool_size: int, *, durable: bool = True) -> AsyncEngine:
        options: dict[str, Any] = {
            "pool_size": pool_size,
            "max_overflow": pool_size,
            "hide_parameters": True,  # errors are logged, and parameters are people's data
        }
        if not self.is_sqlite:
            options["pool_pre_ping"] = True
            if not durable:
                server = {"synchronous_commit": "off"}
                options["connect_args"] = {"server_settings": server}
        engine = create_async_engine(async_url(self.url), **options)
        if self.is_sqlite:
            _configure_sqlite(engine, durable=durable)
        return engine

    @asynccontextmanager
    async def transaction(
        self, *, reserved: bool = False, durable: bool = True
    ) -> AsyncIterator[Session]:
        """Open a writing session; commits at the end of the block, rolls back on any error.

        ``reserved``: on a connection kept for work that others wait for while they hold
        connections themselves (the audit writer); else all could wait for each other.
        ``durable``: else a power cut may undo it, with all that was committed later and nothing
        before; on SQLite it does not keep the other writers waiting for the disk.
        Raises OutOfSpace when the database's disk is full, DatabaseUnavailable when the database
        does not answer or stays locked.
        """
        engine = self._reserve if reserved else self.engine if durable else self._relaxed
        session = AsyncSession(engine, expire_on_commit=False)
        session.info["resources"] = self.resources
        try:
            yield session
            await session.commit()
        except BaseException as error:
            await _rolled_back(session)
            problem = trouble_of(error)
            if problem is None:
                raise
            raise problem from error
        finally:
            await session.close()
        for callback in session.info.get(AFTER_COMMIT, ()):
            await callback()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Session]:
        """Open a session for reading only; nothing is ever committed."""
        session = AsyncSession(self._read_engine, expire_on_commit=False, autoflush=False)
        session.info["resources"] = self.resources
        try:
            yield session
        except BaseException as error:
            problem = trouble_of(error)
            if problem is None:
                raise
            raise problem from error
        finally:
            await asyncio.shield(session.close())

    def on_close(self, callback: Callable[[], None]) -> None:
        """Run a callback when this database is closed; for what holds connections of its own."""
        self._closers.append(callback)

    async def close(self) -> None:
        """Close all connections."""
        for callback in self._closers:
            await asyncio.to_thread(callback)
        self._closers.clear()
        await self.engine.dispose()
        await self._reserve.dispose()
        await self._relaxed.dispose()


async def _rolled_back(session: Session) -> None:
    """Roll back; a connection that is gone has nothing to roll back."""
    try:
        await session.rollback()
    except (DBAPIError, OSError, asyncpg.PostgresError):
        return


def trouble_of(error: BaseException) -> Problem | None:
    """Return the Problem that an error of the database stands for; None: it is a bug, or ours."""
    if isinstance(error, asyncpg.PostgresError):  # while connecting
        return _by_state(getattr(error, "sqlstate", None))
    if isinstance(error, ConnectionError):
        return DatabaseUnavailable("the database does not answer", retry_after=2)
    if not isinstance(error, DBAPIError):
        return None
    text = str(error.orig)
    if any(words in text for words in _FULL):
        return _full()
    if isinstance(error, IntegrityError | ProgrammingError | DataError | NotSupportedError):
        return None
    known = _by_state(getattr(error.orig, "sqlstate", None))
    away = error.connection_invalidated or any(words in text for words in _AWAY)
    if known is None and (away or not isinstance(error.orig, sqlite3.Error)):
        return DatabaseUnavailable("the database does not answer now", retry_after=2)
    return known


def _by_state(state: str | None) -> Problem | None:
    """Judge an SQLSTATE (PostgreSQL, appendix A): disk full, or a server that cannot serve now."""
    if state in ("53100", "53200"):
        return _full()
    if state is not None and state[:3] in ("080", "57P", "533"):
        return DatabaseUnavailable("the database does not answer now", retry_after=2)
    return None


def _full() -> OutOfSpace:
    return OutOfSpace("the disk of the database is full", retry_after=30)


def resources_of(session: Session) -> Resources:
    """Return the process's resources that came with the session."""
    found: Resources = session.info["resources"]
    return found


def after_commit(session: Session, callback: Callable[[], Awaitable[None]]) -> None:
    """Run a callback once the session's transaction is committed; never if it rolls back.

    Only for hints that may be lost (wake-ups, caches); facts go through ``events.publish``.
    """
    session.info.setdefault(AFTER_COMMIT, []).append(callback)
