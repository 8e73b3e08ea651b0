# SPDX-License-Identifier: Apache-2.0
"""One running platform with studies for all browser journeys."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from healthvision.app import accounts
from healthvision.app.accounts import DemoPeople
from healthvision.interfaces.web.pages import STATIC
from healthvision.kernel.settings import CoreSettings
from tests.support.platform import Process, platform
from tests.support.postgres import free_port
from tests.support.services import missing_service
from tests.support.small_ct import small_ct
from tests.web.patients import as_patient

CHROMIUM = Path("/usr/bin/chromium")
ROOT = Path(__file__).parents[2]
SETTINGS = {
    "HV_IDENTITY_ARGON2_MEMORY_KIB": "8192",
    "HV_IDENTITY_ARGON2_TIME": "1",
    "HV_RATELIMIT_TIERS": '{"standard": {"auth": 100000, "ui": 100000}}',
    "HV_DIMSE_ENABLED": "false",
}


@dataclass(frozen=True)
class Workstation:
    """A platform that serves the interface, and who may sign in."""

    url: str
    people: DemoPeople
    folder: Path
    process: Process

    def people_environment(self) -> dict[str, str]:
        """Return what the browser's side must know: the address, and who may sign in."""
        return {
            "HV_E2E_SERVER": self.url,
            "HV_E2E_DOCTOR": accounts.DOCTOR,
            "HV_E2E_DOCTOR_PASSWORD": self.people.doctor_password,
            "HV_E2E_ADMIN": accounts.ADMIN,
            "HV_E2E_ADMIN_PASSWORD": self.people.admin_password,
            "HV_E2E_KEY": self.people.doctor_key,
        }

    def browse(self, *journeys: str, timeout_s: float = 580, **more: str) -> None:
        """Run journeys of web/e2e; the test fails with what a failed one told."""
        shots = os.environ.get("HV_E2E_SHOTS", "")
        environment = {**os.environ, **self.people_environment(), "HV_E2E_SHOTS": shots, **more}
        command = [sys.executable, "scripts/web_build.py", "e2e", *journeys]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if done.returncode != 0:
            told = done.stderr + done.stdout
            pytest.fail(f"{' '.join(journeys)}: {told[:6000]}", pytrace=False)


def store(url: str, key: str, files: list[bytes]) -> None:
    """Store files by STOW-RS."""
    mark = b"hv-test-part"
    parts = [b"--%s\r\nContent-Type: application/dicom\r\n\r\n%s\r\n" % (mark, f) for f in files]
    body = b"".join(parts) + b"--" + mark + b"--\r\n"
    kind = 'multipart/related; type="application/dicom"; boundary=hv-test-part'
    headers = {"Content-Type": kind, "Authorization": f"Bearer {key}"}
    where = f"{url}/dicomweb/default/studies"
    answer = httpx.post(where, content=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text


def _seed(url: str, key: str) -> None:
    store(url, key, as_patient(small_ct("li"), "李^梅", "头部平扫"))
    store(url, key, as_patient(small_ct("zhao"), "赵^强", "胸部平扫", stat=True))
    store(url, key, as_patient(small_ct("sun"), "孙^丽", "腹部平扫"))
    _wait_for_rows(url, key, 3)


def _wait_for_rows(url: str, key: str, wanted: int) -> None:
    end = time.monotonic() + 60
    headers = {"Authorization": f"Bearer {key}"}
    while time.monotonic() < end:
        page = httpx.get(f"{url}/v1/worklist", headers=headers, timeout=60).json()
        if len(page["items"]) >= wanted:
            return
        time.sleep(0.3)
    raise AssertionError(f"the worklist does not fill: {page}")


@contextmanager
def workstation_in(folder: Path, **settings: str) -> Iterator[Workstation]:
    """Yield a running platform with the built interface, three studies and two people."""
    if not CHROMIUM.exists():
        missing_service("chromium")
    if not (STATIC / "index.html").is_file():
        missing_service("the built web interface (make web)")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with pytest.MonkeyPatch.context() as patch, platform(folder, **SETTINGS, **settings) as running:
        running.environment["HV_PUBLIC_URL"] = url
        for name, value in running.environment.items():
            patch.setenv(name, value)
        people = asyncio.run(accounts.demo_people(CoreSettings()))
        process = running.add_at("all", port)
        process.wait_ready()
        _seed(url, people.doctor_key)
        yield Workstation(url, people, folder, process)


@pytest.fixture(scope="session")
def workstation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workstation]:
    """A running platform with the built interface, three studies and two people."""
    with workstation_in(tmp_path_factory.mktemp("workstation")) as running:
        yield running
