# SPDX-License-Identifier: Apache-2.0
"""The process beside a worker: it seals, stays small, starts again, and ends with its parent."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select

from healthvision.app import schema, supervise
from healthvision.app.assembly import register, started
from healthvision.domains.archive import module as archive
from healthvision.domains.archive import service
from healthvision.domains.archive.schemas import Incoming, Origin
from healthvision.domains.archive.tables import Series
from healthvision.domains.audit import module as audit
from healthvision.domains.patients import module as patients
from healthvision.domains.spaces import module as spaces
from healthvision.domains.spaces.service import ensure_default
from healthvision.domains.storage import module as storage
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Database
from healthvision.kernel.jobs import JobQueue
from healthvision.kernel.leases import Lease
from healthvision.kernel.masterkey import MasterKey, installation_key
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings
from tests.factories.dicom import ct_bytes
from tests.support.queue import InPlaceQueue

MODULES = [audit.MODULE, storage.MODULE, patients.MODULE, spaces.MODULE, archive.MODULE]
LOADS = """
import sys
from healthvision.app import tuning
tuning.load_later()
import healthvision.app.upkeep
heavy = {"fastapi", "uvicorn", "dbos", "typer", "highdicom", "onnxruntime", "cv2"}
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
"""
PARENT = """
import sys
from healthvision.app import supervise
with supervise.beside([supervise.upkeep_child()]):
    sys.stdin.read()
"""


@pytest.fixture
async def db(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """The receiving side of an installation that seals at once."""
    monkeypatch.setenv("HV_ARCHIVE_SEAL_QUIET_S", "0")
    core = CoreSettings()
    schema.upgrade(core.resolved_database_url())
    opened = Database(core.resolved_database_url())
    register(opened, MODULES)
    opened.resources.put(JobQueue, InPlaceQueue())  # type: ignore[type-abstract]
    key = await installation_key(opened, core.master_key_file, data_dir=core.data_dir)
    opened.resources.put(MasterKey, key)
    async with started(opened, MODULES, core):
        yield opened
    await opened.close()


async def _receive(db: Database) -> None:
    actor = Actor.system(new_id())
    async with db.transaction() as session:
        await ensure_default(session, actor)
    items = [Incoming(ct_bytes())]
    await service.receive(db, actor, items, space_id="default", origin=Origin("folder"))


async def _all_sealed(db: Database) -> None:
    """Wait until nothing is left in journals (pytest's limit ends it)."""
    while True:
        async with db.reading() as session:
            if await session.scalar(select(Series.id).where(Series.unsealed > 0)) is None:
                return
        await asyncio.sleep(0.05)


async def _holder(db: Database, *, other_than: str = "") -> str:
    """Wait until somebody else has the lease and return who."""
    while True:
        async with db.reading() as session:
            found = await session.scalar(select(Lease.holder).where(Lease.name == "upkeep"))
        if found not in (None, other_than):
            return str(found)
        await asyncio.sleep(0.05)


def _pid(holder: str) -> int:
    return int(holder.rsplit(":", 1)[1].split("-")[0])


async def _gone(pid: int) -> None:
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        await asyncio.sleep(0.05)


class TestUpkeep:
    def test_loads_no_doors_no_job_engine_and_no_imaging_libraries(self) -> None:
        subprocess.run([sys.executable, "-c", LOADS], check=True)

    async def test_seals_what_was_received_and_ends_when_its_parent_is_killed(
        self, db: Database
    ) -> None:
        await _receive(db)
        parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE)
        try:
            await _all_sealed(db)
            pid = _pid(await _holder(db))
            assert os.getpriority(os.PRIO_PROCESS, pid) > 0
        finally:
            parent.kill()
            parent.communicate()
        await _gone(pid)

    @pytest.mark.long
    async def test_starts_again_when_it_dies_and_ends_with_us(self, db: Database) -> None:
        with supervise.beside([supervise.upkeep_child()]):
            first = await _holder(db)
            os.kill(_pid(first), signal.SIGKILL)
            await _receive(db)
            await _all_sealed(db)
            second = _pid(await _holder(db, other_than=first))
        await _gone(second)
