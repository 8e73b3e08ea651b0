# SPDX-License-Identifier: Apache-2.0
"""The demo as a user runs it: five studies in, five results out, nothing failed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LAST = "demo: 5 studies, 5 results, 0 failed"


def _command(folder: Path) -> list[str]:
    words = ["demo", "--once", "--seed", "3", "--port", "0", "--folder", str(folder)]
    return [sys.executable, "-m", "healthvision", *words]


def _judge(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=580, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert done.stdout.splitlines()[-1] == LAST


@pytest.mark.long
@pytest.mark.timeout(600)
class TestDemo:
    def test_one_run_shows_the_whole_way_and_fails_nothing(self, tmp_path: Path) -> None:
        _judge(_command(tmp_path / "demo"))

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a network namespace")
    def test_it_needs_no_network(self, tmp_path: Path) -> None:
        """In a network namespace of its own, whose loopback the demo has to bring up itself."""
        if shutil.which("unshare") is None:
            pytest.skip("needs unshare")
        _judge(["unshare", "-n", *_command(tmp_path / "demo")])
