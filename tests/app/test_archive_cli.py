# SPDX-License-Identifier: Apache-2.0
"""``healthvision archive`` as a process, with the service down after it received and sealed."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import delete

from healthvision.app import schema
from healthvision.app.modules import MODULES
from healthvision.app.process import open_process
from healthvision.domains.archive import service as archive
from healthvision.domains.archive.schemas import Incoming, Origin
from healthvision.domains.archive.tables import Instance, Pack, Series, Study, StudySpaceRow
from healthvision.domains.spaces.service import ensure_default
from healthvision.kernel.clock import new_id
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings
from tests.factories.dicom import ct_series

SEALED, LATER = ct_series(3), ct_series(2)


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "healthvision", "archive", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


async def fill(core: CoreSettings) -> None:
    """Store two studies; the first one is sealed, the other lies in a journal."""
    actor = Actor.system(new_id())
    async with open_process(core, MODULES) as db:
        async with db.transaction() as session:
            await ensure_default(session, actor)
        for objects in (SEALED, LATER):
            answers = await archive.receive(
                db,
                actor,
                [Incoming(data) for data in objects],
                space_id="default",
                origin=Origin("folder"),
            )
            if objects is SEALED:
                assert answers[0].study_id is not None
                await archive.seal_study(db, actor.org_id, answers[0].study_id)


async def forget(core: CoreSettings) -> None:
    """Lose all rows of studies, as with a database restored from before they came."""
    async with open_process(core, MODULES) as db, db.transaction() as session:
        for table in (Pack, Instance, Series, StudySpaceRow, Study):
            await session.execute(delete(table))


@pytest.fixture
def core() -> CoreSettings:
    """An installation with two studies and no process."""
    settings = CoreSettings()
    schema.upgrade(settings.resolved_database_url())
    asyncio.run(fill(settings))
    return settings


class TestArchive:
    @pytest.mark.long
    def test_verify_export_and_rebuild_work_with_the_service_down(
        self, core: CoreSettings, tmp_path: Path
    ) -> None:
        done = run("verify", "--full")
        assert (done.returncode, "instances: 5" in done.stdout) == (0, True), done.stderr
        done = run("export", "--out", str(tmp_path / "plain"))
        assert done.returncode == 0, done.stderr
        files = sorted(p.read_bytes() for p in (tmp_path / "plain").rglob("*.dcm"))
        assert files == sorted([*SEALED, *LATER])
        asyncio.run(forget(core))
        done = run("rebuild-index")
        assert (done.returncode, "added: 3" in done.stdout) == (0, True), done.stderr
        assert run("verify", "--full").returncode == 0

    def test_damage_is_named_and_gives_exit_code_one(self, core: CoreSettings) -> None:
        (pack,) = (p for p in (core.data_dir / "objects" / "series").rglob("*") if p.is_file())
        data = bytearray(pack.read_bytes())
        data[500] ^= 1
        pack.write_bytes(data)
        assert run("verify").returncode == 0
        done = run("verify", "--full")
        assert done.returncode == 1
        assert "damaged" in done.stderr

    def test_an_unknown_study_and_a_missing_schema_are_one_line(self, tmp_path: Path) -> None:
        CoreSettings().data_dir.mkdir()
        done = run("verify")
        assert done.returncode == 2
        assert "healthvision migrate" in done.stderr and "Traceback" not in done.stderr
