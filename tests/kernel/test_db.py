# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with a database, as the Problem that callers and jobs understand."""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from healthvision.kernel import db as kernel_db
from healthvision.kernel.db import Database, DatabaseUnavailable
from healthvision.kernel.errors import OutOfSpace
from tests.support.postgres import free_port

NEEDS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="mounting a small disk needs root")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[Database]:
    db = Database(f"sqlite:///{folder / 'x.db'}")
    try:
        yield db
    finally:
        await db.close()


async def _insert(db: Database, size: int) -> None:
    async with db.transaction() as session:
        await session.execute(text("insert into big values (:v)"), {"v": "x" * size})


class TestTransaction:
    @NEEDS_ROOT
    async def test_a_full_disk_is_507_and_mends_itself(self, small_disk: Path) -> None:
        db = Database(f"sqlite:///{small_disk / 'x.db'}")
        async with db.transaction() as session:
            await session.execute(text("create table big (a text)"))
        await _insert(db, 10)
        ballast = small_disk / "ballast"
        with pytest.raises(OSError, match="No space"), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 65536)
        with pytest.raises(OutOfSpace) as caught:
            for _ in range(20):
                await _insert(db, 100_000)
        assert caught.value.status == 507
        async with db.reading() as session:
            assert await session.scalar(text("select count(*) from big where a like 'xxxx%'"))
        ballast.unlink()
        await _insert(db, 100_000)
        await db.close()

    async def test_a_database_locked_for_long_is_503(self, tmp_path: Path) -> None:
        async with _opened(tmp_path) as db, _opened(tmp_path) as other:
            async with db.transaction() as session:
                await session.execute(text("create table big (a text)"))
            async with db.transaction() as holder:
                await holder.execute(text("insert into big values ('a')"))
                with pytest.raises(DatabaseUnavailable) as caught:
                    async with other.transaction() as waiting:
                        options = {kernel_db.READ_ONLY: True}  # begins without the write lock
                        mine = await waiting.connection(execution_options=options)
                        await mine.exec_driver_sql("pragma busy_timeout=50")
                        await mine.exec_driver_sql("insert into big values ('b')")
            assert (caught.value.status, caught.value.retry) == (503, True)

    async def test_a_server_that_is_away_is_503(self) -> None:
        db = Database(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
        with pytest.raises(DatabaseUnavailable):
            async with db.transaction() as session:
                await session.execute(text("select 1"))
        with pytest.raises(DatabaseUnavailable):
            async with db.reading() as session:
                await session.execute(text("select 1"))
        await db.close()

    async def test_a_wrong_statement_stays_a_bug(self, database_url: str) -> None:
        db = Database(database_url)
        with pytest.raises(DBAPIError):
            async with db.transaction() as session:
                await session.execute(text("select * from no_such_table_at_all"))
        await db.close()

    async def test_an_error_never_shows_the_values_of_its_statement(
        self, database_url: str
    ) -> None:
        db = Database(database_url)
        with pytest.raises(DBAPIError) as caught:
            async with db.transaction() as session:
                await session.execute(
                    text("insert into no_such_table values (:name)"), {"name": "Wald^Kunigunde"}
                )
        assert "Kunigunde" not in str(caught.value)
        await db.close()
