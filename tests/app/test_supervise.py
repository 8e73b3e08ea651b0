# SPDX-License-Identifier: Apache-2.0
"""Roles as child processes: started again when they die, ended with us."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from healthvision.app import supervise
from healthvision.app.supervise import Child, Supervisor

SLEEPER = "import pathlib, sys, time, os; p = pathlib.Path(sys.argv[1]); "
NOTE = "p.open('a').write(f'{os.getpid()}\\n'); time.sleep(600)"
DIES = "p.open('a').write(f'{os.getpid()}\\n'); sys.exit(1)"
BAD = "sys.exit(78)"


def _child(path: Path, script: str) -> Child:
    return Child(path.name, [sys.executable, "-c", SLEEPER + script, str(path)])


def _pids(path: Path, number: int) -> list[int]:
    """Wait until a child noted its process id so often (pytest's limit ends it)."""
    while True:
        found = [int(line) for line in path.read_text().split()] if path.exists() else []
        if len(found) >= number:
            return found
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class TestSupervisor:
    def test_a_role_that_dies_starts_again_and_the_others_go_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(supervise, "FIRST_DELAY_S", 0.01)
        weak, strong = tmp_path / "weak", tmp_path / "strong"
        running = Supervisor([_child(weak, DIES), _child(strong, NOTE)])
        codes: list[int] = []
        thread = threading.Thread(target=lambda: codes.append(running.run()))
        thread.start()
        assert len(set(_pids(weak, 3))) >= 3
        (pid,) = _pids(strong, 1)
        assert _lives(pid)
        running.stopping.set()
        thread.join()
        assert codes == [0]
        assert not _lives(pid)

    def test_settings_that_cannot_be_used_end_all_with_their_code(self, tmp_path: Path) -> None:
        strong = tmp_path / "strong"
        running = Supervisor([_child(strong, NOTE), _child(tmp_path / "bad", BAD)])
        assert running.run() == supervise.BAD_SETTINGS


class TestChild:
    def test_each_death_doubles_the_wait_up_to_the_longest(self, tmp_path: Path) -> None:
        child = _child(tmp_path / "x", "sys.exit(1)")
        waits = []
        for _ in range(3):
            child.start()
            assert child.process is not None
            child.process.wait()
            child.look()
            waits.append(child.again_at)
        assert child.deaths == 3
        assert waits == sorted(waits)
