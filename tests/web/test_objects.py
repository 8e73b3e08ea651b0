# SPDX-License-Identifier: Apache-2.0
"""A browser sends a file straight to an S3 server; the pages may call that server and no other."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.journeys.chests import write_zip
from tests.support.s3 import S3Server, s3_server
from tests.support.small_ct import small_ct
from tests.web.conftest import Workstation, workstation_in
from tests.web.patients import as_patient

pytestmark = [pytest.mark.service, pytest.mark.long, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Direct:
    """A platform whose uploads go to an S3 server."""

    running: Workstation
    store: S3Server


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Direct]:
    """A platform of its own over an S3 server on loopback."""
    folder = tmp_path_factory.mktemp("direct")
    with s3_server() as store, workstation_in(folder, **store.settings()) as running:
        yield Direct(running, store)


class TestStraightToTheStore:
    def test_the_pages_may_call_this_store_and_nothing_else(self, direct: Direct) -> None:
        policy = httpx.get(direct.running.url, timeout=60).headers["content-security-policy"]
        (connect,) = (p for p in policy.split("; ") if p.startswith("connect-src "))
        assert connect.split()[1:] == ["'self'", "blob:", "data:", direct.store.endpoint]

    def test_the_doctor_asks_the_store_as_a_browser_does(self, direct: Direct) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "healthvision", "doctor", "--json"],
            env={**os.environ, **direct.running.process.environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        found = {c["name"]: c for c in json.loads(done.stdout)}["browser uploads"]
        assert (found["state"], direct.store.endpoint in found["seen"]) == ("ok", True), found

    def test_a_dropped_file_passes_us_by(self, direct: Direct, tmp_path: Path) -> None:
        files = as_patient(small_ct("direct"), "宋^直", "头部平扫")
        packed = write_zip(tmp_path / "direct.zip", files)
        direct.running.browse("objects", HV_E2E_FILE=str(packed), HV_E2E_S3=direct.store.endpoint)
