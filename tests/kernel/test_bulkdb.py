# SPDX-License-Identifier: Apache-2.0
"""What a bulk writer committed outlives the fall of the database server, since the writer does."""

import psycopg
import pytest
from sqlalchemy import text

from healthvision.kernel.bulkdb import BulkDatabase
from tests.support.postgres import postgres, postgres_bin
from tests.support.services import missing_service

pytestmark = pytest.mark.service


def test_committed_rows_survive_a_kill_of_the_server() -> None:
    binaries = postgres_bin()
    if binaries is None:
        missing_service("postgresql")
    with postgres(binaries, fsync=True) as server:
        with psycopg.connect(server.url, autocommit=True) as administrator:
            administrator.execute("CREATE TABLE came (number int)")
            administrator.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")  # nobody else syncs
            administrator.execute("SELECT pg_reload_conf()")
        database = BulkDatabase(server.url)
        steady = database.steady()
        try:
            with database.transaction() as connection:
                connection.execute(text("INSERT INTO came VALUES (1)"))
            with steady.transaction() as (connection, _):
                connection.execute(text("INSERT INTO came VALUES (2)"))
            server.kill()
        finally:
            steady.close()
            database.close()
        server.start()
        with psycopg.connect(server.url) as again:
            rows = again.execute("SELECT number FROM came ORDER BY 1").fetchall()
    assert rows == [(1,), (2,)]
