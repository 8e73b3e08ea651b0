# SPDX-License-Identifier: Apache-2.0
"""Signing in at the command line, against the real application."""

import asyncio
import html
import re
import stat
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
import typer
from fastapi import FastAPI
from typer.testing import CliRunner, Result

from healthvision.app import credentials, remote
from healthvision.app.credentials import SignIn
from healthvision.client import Tokens
from healthvision.domains.audit.module import MODULE as AUDIT
from healthvision.domains.identity.module import MODULE as IDENTITY
from healthvision.kernel.db import Database
from healthvision.kernel.module import Module
from tests.app.bridge import Bridge
from tests.domains.identity.conftest import ISSUER, PASSWORD, Hospital, make_hospital

CLI = typer.Typer()
remote.add_to(CLI)


@pytest.fixture(autouse=True)
def quick_settings(clean_settings: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Cheap hashes, quick polls, and a home of its own."""
    monkeypatch.setenv("HV_IDENTITY_ARGON2_MEMORY_KIB", "8192")
    monkeypatch.setenv("HV_IDENTITY_ARGON2_TIME", "1")
    monkeypatch.setenv("HV_IDENTITY_DEVICE_INTERVAL_S", "1")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


@pytest.fixture
def modules() -> Sequence[Module]:
    """The rooms that a sign-in needs."""
    return [AUDIT, IDENTITY]


@dataclass
class Shell:
    """Runs commands against the application."""

    web: httpx.AsyncClient
    hospital: Hospital

    async def run(self, *words: str) -> Result:
        """Run one command to its end."""
        return await asyncio.to_thread(CliRunner().invoke, CLI, list(words))

    async def answer(self, code: str, decision: str) -> None:
        """Do in the browser what the command line asks for."""
        page = await self.web.get("/oauth/device", params={"user_code": code})
        found = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text)
        form = {
            **{name: html.unescape(value) for name, value in found},
            "user_code": code,
            "username": self.hospital.reader_email,
            "password": PASSWORD,
            "decision": decision,
        }
        assert (await self.web.post("/oauth/device", data=form)).status_code == 200

    async def login(self, decision: str, monkeypatch: pytest.MonkeyPatch) -> Result:
        """Run ``login``; the person answers as soon as the code is printed."""
        shown: asyncio.Queue[str] = asyncio.Queue()
        loop, show = asyncio.get_running_loop(), remote.out.print

        def listen(text: object = "", **options: bool) -> None:
            show(text, **options)  # type: ignore[arg-type]
            for code in re.findall(r"code: \[bold\]([A-Z0-9-]+)", str(text)):
                loop.call_soon_threadsafe(shown.put_nowait, code)

        monkeypatch.setattr(remote.out, "print", listen)
        running = asyncio.create_task(self.run("login", "--server", ISSUER))
        code = await shown.get()
        await self.answer(code, decision)
        return await running


@pytest.fixture
async def shell(app: FastAPI, db: Database, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A command line and a browser at the same application."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    web = httpx.AsyncClient(transport=transport, base_url=ISSUER)
    api = httpx.AsyncClient(transport=transport, base_url=ISSUER)
    bridge = Bridge(api, asyncio.get_running_loop())
    monkeypatch.setattr(remote, "new_transport", lambda: bridge)
    return Shell(web, await make_hospital(db, "east"))


class TestLogin:
    async def test_the_person_answers_in_the_browser_and_is_known_until_the_logout(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done = await shell.login("allow", monkeypatch)
        assert done.exit_code == 0, done.output
        assert stat.S_IMODE(credentials.place().stat().st_mode) == 0o600
        assert "Radiologist" in (await shell.run("whoami")).output
        assert (await shell.run("logout")).exit_code == 0
        assert not credentials.place().exists()
        assert (await shell.run("whoami")).exit_code == remote.NOT_SIGNED_IN

    async def test_a_refusal_keeps_nothing(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done = await shell.login("deny", monkeypatch)
        assert done.exit_code == remote.FAILED
        assert credentials.load() is None

    async def test_an_old_access_token_is_renewed_and_the_new_one_kept(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await shell.login("allow", monkeypatch)
        first = credentials.load()
        assert first is not None
        old = Tokens(first.tokens.access, first.tokens.refresh, 0.0)
        credentials.keep(SignIn(first.server, old))
        assert (await shell.run("whoami")).exit_code == 0
        second = credentials.load()
        assert second is not None
        assert second.tokens.refresh != first.tokens.refresh
        assert (await shell.run("whoami")).exit_code == 0

    async def test_two_commands_that_renew_at_the_same_moment_do_not_end_the_sign_in(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await shell.login("allow", monkeypatch)
        first = credentials.load()
        assert first is not None
        credentials.keep(replace(first, tokens=replace(first.tokens, until=0.0)))
        ready = threading.Barrier(2)

        def ask() -> str:
            with remote.signed_in() as client:
                ready.wait(30)  # both hold the old tokens
                return str(client.me().model_dump()["organisation"])

        names = await asyncio.gather(asyncio.to_thread(ask), asyncio.to_thread(ask))
        assert len(set(names)) == 1
        assert (await shell.run("whoami")).exit_code == 0

    async def test_a_sign_in_that_ended_is_told(self, shell: Shell) -> None:
        credentials.keep(SignIn(ISSUER, Tokens("nonsense", "nonsense", 0.0)))
        assert (await shell.run("whoami")).exit_code == remote.NOT_SIGNED_IN

    async def test_tokens_never_go_over_an_open_line(self) -> None:
        words = ["login", "--server", "http://hv.example"]
        done = await asyncio.to_thread(CliRunner().invoke, CLI, words)
        assert done.exit_code == remote.BAD_INPUT


class TestUpload:
    async def test_a_file_that_is_not_there_is_named(self) -> None:
        credentials.keep(SignIn(ISSUER, Tokens("a", "b", 0.0)))
        done = await asyncio.to_thread(CliRunner().invoke, CLI, ["studies", "upload", "gone.zip"])
        assert done.exit_code == remote.BAD_INPUT
        assert "gone.zip" in done.output
