# SPDX-License-Identifier: Apache-2.0
"""Brings a database to the schema of this version: Alembic for the rooms, then the job engine."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, make_url, text

from healthvision.app.modules import MODULES
from healthvision.domains.archive.records import indexes
from healthvision.kernel import engine
from healthvision.kernel.db import Base, prepare_sqlite, sync_url
from healthvision.kernel.events import EventRow
from healthvision.kernel.idempotency import IdempotencyRow
from healthvision.kernel.leases import Lease
from healthvision.kernel.masterkey import KeyCheck
from healthvision.kernel.ratelimit import RateWindow

FOLDER = Path(__file__).parent / "migrations"
# Importing the rooms and these fills Base.metadata with every table.
TABLES_OF = (*(m.name for m in MODULES), EventRow, IdempotencyRow, KeyCheck, Lease, RateWindow)
ADVISORY_LOCK = 7_310_420_001


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@contextmanager
def _one_at_a_time(url: str) -> Iterator[None]:
    """Keep other processes from migrating the same database.

    On PostgreSQL nobody waits inside a transaction: the engine's CREATE INDEX CONCURRENTLY waits
    for every open one, and a waiting process would hold it for ever.
    """
    prepare_sqlite(url)
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        with Path(f"{parsed.database}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        return
    db = create_engine(sync_url(url), isolation_level="AUTOCOMMIT")
    try:
        with db.connect() as connection:
            while not connection.scalar(text(f"select pg_try_advisory_lock({ADVISORY_LOCK})")):
                time.sleep(0.2)
            yield
            connection.execute(text(f"select pg_advisory_unlock({ADVISORY_LOCK})"))
    finally:
        db.dispose()


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    db = create_engine(sync_url(url))
    try:
        with db.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            yield connection
            connection.commit()
    finally:
        db.dispose()


def upgrade(url: str) -> None:
    """Create or upgrade all tables; safe to call from several processes at once."""
    with _one_at_a_time(url):
        with _connected(url) as connection:
            if _revision(connection) != head():
                indexes.release(connection)
                command.upgrade(_config(connection), "head")
            indexes.ensure(connection)
        engine.migrate(url)


def head() -> str | None:
    """Return the revision of this version's schema."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def current(url: str) -> str | None:
    """Return the revision a database is at, or None when it is empty."""
    db = create_engine(sync_url(url))
    try:
        with db.connect() as connection:
            return _revision(connection)
    finally:
        db.dispose()


def drift(url: str) -> list[str]:
    """Return the differences between a database and the tables in the code; empty is right."""
    db = create_engine(sync_url(url))
    try:
        with db.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            found = compare_metadata(context, Base.metadata)
    finally:
        db.dispose()
    ours = {*Base.metadata.tables}
    return [str(d) for d in found if not _is_foreign(d, ours)]


def _is_foreign(difference: object, ours: set[str]) -> bool:
    """Tell whether a difference is about a table of the job engine or a search index."""
    if not isinstance(difference, tuple) or not str(difference[0]).startswith("remove_"):
        return False
    thing = difference[1]
    if getattr(thing, "name", "") == indexes.GIN:
        return True
    name = getattr(thing, "name", "") if difference[0] == "remove_table" else ""
    table = getattr(getattr(thing, "table", None), "name", name)
    return table not in ours


def write_revision(url: str, message: str, number: str) -> None:
    """Bring a database to the head and write a migration from what the tables have over it."""
    with _connected(url) as connection:
        command.upgrade(_config(connection), "head")
    with _connected(url) as connection:
        command.revision(_config(connection), message, autogenerate=True, rev_id=number)
