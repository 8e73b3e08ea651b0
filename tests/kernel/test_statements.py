# SPDX-License-Identifier: Apache-2.0
"""Statements on the driver's cursor: the same types, defaults and errors as SQLAlchemy's own."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    Column,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Uuid,
    bindparam,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

from healthvision.kernel.bulkdb import BulkDatabase, insert_new, is_race
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Database, DatabaseUnavailable, JsonColumn, UtcDateTime
from healthvision.kernel.statements import MAX_IN, Statement

TABLE = Table(
    "statement_rows",
    MetaData(),
    Column("id", Uuid, primary_key=True),
    Column("name", String, nullable=False, default="unnamed"),
    Column("share", Float),
    Column("body", JsonColumn),
    Column("at", UtcDateTime),
    Column("count", Integer, nullable=False, default=lambda: 7),
)
NAMED = Statement(select(TABLE).where(TABLE.c.name.in_(bindparam("names", expanding=True))))
ADD = Statement(insert(TABLE))
READY = Statement(insert(TABLE), ready=("body",))
MORE = Statement(
    update(TABLE)
    .where(TABLE.c.id == bindparam("row_id"))
    .values(count=TABLE.c.count + bindparam("more"))
)
AT = datetime(2026, 1, 2, 3, 4, 5, 600, UTC)


@pytest.fixture
def database(database_url: str) -> Iterator[BulkDatabase]:
    """A database with one empty table."""
    found = BulkDatabase(database_url)
    with found.transaction() as connection:
        TABLE.drop(connection, checkfirst=True)
        TABLE.create(connection)
    yield found
    with found.transaction() as connection:
        TABLE.drop(connection)
    found.close()


def row(name: str = "a", **more: Any) -> dict[str, Any]:
    """Return the values of a row."""
    return {"id": new_id(), "name": name, "share": 0.5, "body": {"k": ["王"]}, "at": AT, **more}


class TestDrivers:
    async def test_one_statement_runs_on_the_sync_and_on_the_async_driver(
        self, database: BulkDatabase, database_url: str
    ) -> None:
        add, find = Statement(insert(TABLE)), Statement(select(TABLE.c.name, TABLE.c.body))
        with database.transaction() as connection:
            add.run(connection, row("sync"))
            first = find.rows(connection, {})
        db = Database(database_url)
        async with db.transaction() as session:
            await session.run_sync(lambda s: add.run(s.connection(), row("async")))
            both = await session.run_sync(lambda s: find.rows(s.connection(), {}))
        await db.close()
        assert first == [("sync", {"k": ["王"]})]
        assert sorted(both, key=str) == [("async", {"k": ["王"]}), ("sync", {"k": ["王"]})]


class TestStatement:
    def test_values_come_back_as_they_were_given(self, database: BulkDatabase) -> None:
        given = row(count=3)
        with database.transaction() as connection:
            ADD.many(connection, [given])
            READY.many(connection, [{**row("b", count=4), "body": '{"k": 1}'}])
        with database.reading() as connection:
            (found,) = NAMED.records(connection, {"names": ["a"]})
            both = NAMED.rows(connection, {"names": ["a", "b", "c"]})
        assert {name: getattr(found, name) for name in given} == given
        assert isinstance(found.id, UUID)
        assert {r[1]: r[3] for r in both} == {"a": {"k": ["王"]}, "b": {"k": 1}}

    def test_defaults_of_columns_are_filled_in(self, database: BulkDatabase) -> None:
        with database.transaction() as connection:
            ADD.many(connection, [{"id": new_id()}, {"id": new_id()}])
            found = NAMED.records(connection, {"names": ["unnamed"]})
        assert [(f.count, f.body) for f in found] == [(7, None)] * 2

    def test_a_change_says_how_many_rows_it_touched(self, database: BulkDatabase) -> None:
        given = row(count=1)
        with database.transaction() as connection:
            ADD.run(connection, given)
            assert MORE.run(connection, {"row_id": given["id"], "more": 4}) == 1
            assert MORE.run(connection, {"row_id": new_id(), "more": 4}) == 0
            (found,) = NAMED.records(connection, {"names": ["a"]})
        assert found.count == 5

    @pytest.mark.parametrize("length", [1, 2, 5, 70, MAX_IN])
    def test_lists_of_any_length_are_looked_up(self, database: BulkDatabase, length: int) -> None:
        names = [str(n) for n in range(length)]
        with database.transaction() as connection:
            ADD.many(connection, [row(name) for name in (names[0], names[-1], "other")])
            found = NAMED.rows(connection, {"names": names})
        assert {r[1] for r in found} == {names[0], names[-1]}

    def test_a_list_that_is_too_long_is_refused(self, database: BulkDatabase) -> None:
        with database.reading() as connection, pytest.raises(ValueError, match="at most"):
            NAMED.rows(connection, {"names": ["x"] * (MAX_IN + 1)})

    def test_a_second_row_under_a_key_is_a_race(self, database: BulkDatabase) -> None:
        given = row()
        with (
            pytest.raises(DBAPIError) as caught,
            database.transaction() as connection,
        ):
            ADD.many(connection, [given])
            ADD.many(connection, [given])
        assert is_race(caught.value)
        assert "王" not in str(caught.value)  # no values of a statement
        with database.transaction() as connection:
            assert insert_new(connection, TABLE, given)
            assert not insert_new(connection, TABLE, given)


class TestSteadyWriter:
    def test_tells_whether_anybody_else_wrote(self, database: BulkDatabase) -> None:
        writer, told = database.steady(), []
        for other in (False, False, True, False):
            if other:
                with database.transaction() as connection:
                    ADD.many(connection, [row()])
            with writer.transaction() as (connection, untouched):
                told.append(untouched)
                ADD.many(connection, [row()])
        writer.close()
        assert told == ([False, True, False, True] if database.is_sqlite else [False] * 4)

    def test_a_failure_is_rolled_back_and_forgotten(self, database: BulkDatabase) -> None:
        writer = database.steady()
        with writer.transaction() as (connection, _):
            ADD.many(connection, [row("kept")])
        with pytest.raises(RuntimeError), writer.transaction() as (connection, _):
            ADD.many(connection, [row("lost")])
            raise RuntimeError("a bug")
        with writer.transaction() as (connection, untouched):
            assert not untouched
            found = NAMED.rows(connection, {"names": ["kept", "lost"]})
        writer.close()
        assert [r[1] for r in found] == ["kept"]

    def test_a_lost_connection_is_an_outage_and_the_next_one_works(
        self, database: BulkDatabase
    ) -> None:
        if database.is_sqlite:
            pytest.skip("a file has no server")
        writer = database.steady()
        with pytest.raises(DatabaseUnavailable), writer.transaction() as (connection, _):
            mine = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            with database.transaction() as other:
                other.exec_driver_sql(f"SELECT pg_terminate_backend({mine})")
            ADD.many(connection, [row()])
        with writer.transaction() as (connection, _):
            ADD.many(connection, [row()])
        writer.close()
