# SPDX-License-Identifier: Apache-2.0
"""The demo as a user runs it: five studies in, three results out, nothing failed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LAST = "demo: 5 studies, 3 results, 0 failed"


def _command(folder: Path) -> list[str]:
    words = ["demo", "--once", "--seed", "3", "--port", "0", "--folder", str(folder)]
    return [sys.executable, "-m", "healthvision", *words]


def _judge(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=290, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert done.stdout.splitlines()[-1] == LAST


@pytest.mark.long
@pytest.mark.timeout(300)
class TestDemo:
    def test_one_run_shows_the_whole_way_and_fails_nothing(self, tmp_path: Path) -> None:
        _judge(_command(tmp_path / "demo"))

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a network namespace")
    def test_it_needs_no_network(self, tmp_path: Path) -> None:
        """In a network namespace of its own that has nothing but the loopback.

        A new namespace starts with its loopback down; server and webhooks of the demo talk over
        127.0.0.1, so the test brings it up, as every machine has it.
        """
        if shutil.which("unshare") is None or shutil.which("ip") is None:
            pytest.skip("needs unshare and ip")
        alone = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
        _judge([*alone, *_command(tmp_path / "demo")])
