# SPDX-License-Identifier: Apache-2.0
"""Kill -9 between the answer to a C-STORE and the commit of its rows: nothing is lost.

The test holds the database's write lock, so that no row can be committed while objects are
acknowledged; then it kills the receiving process.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from healthvision.domains.archive import service
from healthvision.domains.archive.tables import Instance, Study
from healthvision.formats.dicom import dimse
from healthvision.formats.dicom.file_head import data_set_start
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from tests.interfaces.dimse.conftest import CALLED, CALLING
from tests.interfaces.dimse.test_unwritten import named, rows
from tests.support.small_ct import small_ct
from tests.support.stores import modality, nobody_writes

ROOT = Path(__file__).parents[3]
KILLS = int(os.environ.get("HV_TEST_KILLS", "100"))  # of the long loop
SECONDS = 120


@dataclass
class Receivers:
    """The process that forks receiving processes; one at a time."""

    process: asyncio.subprocess.Process

    async def start(self) -> tuple[int, int]:
        """Start one; return its process id and port."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        pid, port = (await self.line()).split()
        return int(pid), int(port)

    async def line(self) -> bytes:
        """Return what is said next, without log lines."""
        assert self.process.stdout is not None
        while True:
            line = await asyncio.wait_for(self.process.stdout.readline(), SECONDS)
            assert line, "the forking process died"
            if line == b"dead\n" or (line.strip() and all(w.isdigit() for w in line.split())):
                return line

    async def kill(self, pid: int) -> None:
        """Kill one and wait for its end."""
        os.kill(pid, signal.SIGKILL)
        assert await self.line() == b"dead\n"


@asynccontextmanager
async def receivers(url: str) -> AsyncIterator[Receivers]:
    """Run the forking process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.interfaces.dimse.store_child", url),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}", "OMP_NUM_THREADS": "1"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Receivers(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def kill_loop(db: Database, actor: Actor, database_url: str, kills: int) -> None:
    told: dict[str, bytes] = {}
    async with receivers(database_url) as children:
        for number in range(kills):
            told |= await _told_and_killed(children, db, database_url, number)
    assert len(told) >= 2 * kills
    await service.recover(db)  # as the next process does
    assert await _data_sets(db, actor) == told


async def _told_and_killed(
    children: Receivers, db: Database, database_url: str, number: int
) -> dict[str, bytes]:
    """Start a receiver, send to it, kill it; return the data sets that it acknowledged."""
    pid, port = await children.start()
    first, *others = named(small_ct(f"kill-{number}", slices=2 + number % 4))
    async with modality(port, CALLED, CALLING) as sender:
        assert await asyncio.to_thread(sender.send, *first) == dimse.SUCCESS
        assert await asyncio.to_thread(sender.echo) == dimse.SUCCESS  # its rows are committed
        with nobody_writes(database_url):
            for uid, data in others:
                assert await asyncio.to_thread(sender.send, uid, data) == dimse.SUCCESS
            written = await rows(db)
            await children.kill(pid)
    assert first[0] in written
    assert not written & {uid for uid, _ in others}  # acknowledged without rows
    return {uid: data[data_set_start(data) :] for uid, data in (first, *others)}


async def _data_sets(db: Database, actor: Actor) -> dict[str, bytes]:
    """Return all data sets of the archive by their UIDs, read back."""
    found: dict[str, bytes] = {}
    async with db.reading() as session:
        studies = (await session.scalars(select(Study))).all()
        assert len((await session.scalars(select(Instance.id))).all()) == sum(
            study.instance_count for study in studies
        )
    for study in studies:
        async with db.reading() as session:
            refs = await service.locate(session, actor, "default", study.study_uid)
        for ref in refs:
            data = await service.read_bytes(db, ref)
            found[ref.sop_uid] = data[data_set_start(data) :]
    return found


@pytest.mark.usefixtures("titles")
class TestKill:
    async def test_nothing_acknowledged_is_lost_between_answer_and_commit(
        self, db: Database, actor: Actor, database_url: str
    ) -> None:
        if not db.is_sqlite:
            pytest.skip("three kills on SQLite; PostgreSQL is in the long loop")
        await kill_loop(db, actor, database_url, 3)

    @pytest.mark.long
    @pytest.mark.timeout(600 + 20 * KILLS)
    async def test_nothing_acknowledged_is_lost_in_many_kills(
        self, db: Database, actor: Actor, database_url: str
    ) -> None:
        await kill_loop(db, actor, database_url, KILLS)
