# SPDX-License-Identifier: Apache-2.0
"""The law of write order under kill -9: what was acknowledged is there, nothing is half there."""

import asyncio
import hashlib
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from healthvision.domains.archive import service
from healthvision.domains.archive.tables import Instance, Study
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor

ROOT = Path(__file__).parents[3]
CHILD = "tests.domains.archive.kill_child"
KILLS = int(os.environ.get("HV_TEST_KILLS", "100"))  # of the long loop


@asynccontextmanager
async def children(url: str, org_id: UUID) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the process that forks children."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", CHILD, url, str(org_id)),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}", "OMP_NUM_THREADS": "1"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    yield process
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()


async def run_and_kill(process: asyncio.subprocess.Process, seconds: float) -> list[Sequence[str]]:
    """Start a child, kill it some time after its first answer; return what it acknowledged."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"go\n")
    _, pid = (await asyncio.wait_for(process.stdout.readline(), 60)).split()
    said = [await asyncio.wait_for(process.stdout.readline(), 60)]
    await asyncio.sleep(seconds)
    os.kill(int(pid), signal.SIGKILL)
    while (line := await process.stdout.readline()) != b"dead\n":
        assert line, "the forking process died"
        said.append(line)
    words = [line.decode().split() for line in said if line.endswith(b"\n")]
    return [w for w in words if len(w) == 3 and w[2] == "stored"]


async def check(db: Database, actor: Actor, acknowledged: list[Sequence[str]]) -> None:
    await service.recover(db)  # as the next process does
    async with db.reading() as session:
        rows = (await session.scalars(select(Instance))).all()
        studies = {s.id: s for s in await session.scalars(select(Study))}
        known = {r.sop_uid for r in rows}
        assert {line[1] for line in acknowledged} <= known
        for study in studies.values():
            refs = await service.locate(session, actor, "default", study.study_uid)
            assert len(refs) == study.instance_count == 3
            for ref in refs:  # a row without its bytes would fail here
                data = await service.read_bytes(db, ref)
                assert hashlib.sha256(data).hexdigest() == ref.location.sha256


async def kill_loop(db: Database, actor: Actor, database_url: str, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    acknowledged: list[Sequence[str]] = []
    async with children(database_url, actor.org_id) as process:
        for _ in range(kills):
            acknowledged += await run_and_kill(process, chance.uniform(0, 0.25))
    assert len(acknowledged) >= kills
    await check(db, actor, acknowledged)


class TestKill:
    @pytest.mark.timeout(600)
    async def test_nothing_acknowledged_is_lost_in_twenty_kills(
        self, db: Database, actor: Actor, space: SpaceRead, database_url: str
    ) -> None:
        if not db.is_sqlite:
            pytest.skip("twenty kills on SQLite; PostgreSQL is in the long loop")
        await kill_loop(db, actor, database_url, 20, seed=1)

    @pytest.mark.long
    @pytest.mark.timeout(1800 + 20 * KILLS)
    async def test_nothing_acknowledged_is_lost_in_many_kills(
        self, db: Database, actor: Actor, space: SpaceRead, database_url: str
    ) -> None:
        await kill_loop(db, actor, database_url, KILLS, seed=2)
