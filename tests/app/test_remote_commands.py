# SPDX-License-Identifier: Apache-2.0
"""The commands that show and bring things, against the real application with all rooms."""

import asyncio
import re
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import typer
from fastapi import FastAPI
from typer.testing import CliRunner, Result

from healthvision.app import credentials, remote
from healthvision.app.credentials import SignIn
from healthvision.client import AsyncClient, Bearer, Tokens
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database
from tests.app.bridge import Bridge
from tests.domains.identity.conftest import ISSUER, make_hospital, sign_in
from tests.factories.dicom import ct_series
from tests.support.queue import InPlaceQueue

CLI = typer.Typer()
remote.add_to(CLI)
WIDE = {"COLUMNS": "250"}


@pytest.fixture(autouse=True)
def quick_settings(clean_settings: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Cheap hashes, the password grant, a wide budget, and a home of its own."""
    monkeypatch.setenv("HV_IDENTITY_ARGON2_MEMORY_KIB", "8192")
    monkeypatch.setenv("HV_IDENTITY_ARGON2_TIME", "1")
    monkeypatch.setenv("HV_IDENTITY_PASSWORD_GRANT", "true")
    monkeypatch.setenv("HV_RATELIMIT_TIERS", '{"standard": {"api": 5000, "auth": 5000}}')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(remote.out, "_width", 250)


@pytest.fixture
async def web(app: FastAPI, db: Database, queue: InPlaceQueue) -> AsyncIterator[httpx.AsyncClient]:
    """A signed-in radiologist's computer; jobs run as they come."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)

    async def worker() -> None:
        while True:
            await queue.drain(db)
            await asyncio.sleep(0.05)

    hospital = await make_hospital(db, "east")
    await queue.drain(db)  # the organisation's default space is there now
    working = asyncio.create_task(worker())
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as opened:
        answer = await sign_in(opened, hospital.reader_email)
        tokens = Tokens(answer["access_token"], "", now().timestamp() + 600)
        credentials.keep(SignIn(ISSUER, tokens))
        yield opened
    working.cancel()


async def _run(*words: str) -> Result:
    return await asyncio.to_thread(CliRunner(env=WIDE).invoke, CLI, list(words))


def _zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for number, data in enumerate(ct_series(5)):
            archive.writestr(f"{number}.dcm", data)
    return path


class TestCommands:
    async def test_a_study_goes_up_and_it_its_task_and_its_result_are_shown(
        self,
        web: httpx.AsyncClient,
        app: FastAPI,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        bridge = Bridge(web, asyncio.get_running_loop())
        monkeypatch.setattr(remote, "new_transport", lambda: bridge)
        sent = await _run("studies", "upload", str(_zip(tmp_path / "study.zip")))
        assert sent.exit_code == 0, sent.output
        assert "5 stored, 0 skipped, 0 failed" in sent.output
        (study_id,) = re.findall(r"failed; ([0-9a-f-]{36})", sent.output)
        listed = await _run("studies", "list")
        assert study_id in listed.output and "CT" in listed.output

        found = credentials.load()
        assert found is not None
        transport = httpx.ASGITransport(app=app)
        async with AsyncClient(ISSUER, Bearer(found.tokens.access), transport=transport) as client:
            await client.close_study(UUID(study_id))
            task = await client.submit(UUID(study_id), application="lung-ct")
            task = await client.wait_for_task(task.id, timeout_s=120)
        tasks = await _run("tasks", "list")
        assert str(task.id) in tasks.output and "lung-ct" in tasks.output
        results = await _run("results", "list")
        head, row = (line.split("\t") for line in results.output.splitlines())
        assert (head[0], row[0]) == ("id", str(task.result_id))  # whole ids, for other programs
        whole = await _run("results", "list", "--json")
        assert f'"id": "{task.result_id}"' in whole.output
        shown = await _run("results", "show", str(task.result_id))
        assert shown.exit_code == 0, shown.output
        assert "Abstained: " in shown.output
        assert shown.output.count("unverified") == 1
        as_json = await _run("results", "show", str(task.result_id), "--json")
        assert '"abstained"' in as_json.output

    async def test_a_file_that_is_no_image_is_told_and_fails(
        self, web: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bridge = Bridge(web, asyncio.get_running_loop())
        monkeypatch.setattr(remote, "new_transport", lambda: bridge)
        (tmp_path / "notes.dcm").write_text("no image")
        sent = await _run("studies", "upload", str(tmp_path / "notes.dcm"))
        assert sent.exit_code == remote.FAILED, sent.output
        assert "notes.dcm" in sent.output
        gone = await _run("results", "show", "01a1fe50-ff2a-7000-bb38-a331cc409455")
        assert gone.exit_code == remote.FAILED
        assert "refused" in gone.output
