# SPDX-License-Identifier: Apache-2.0
"""The real platform as processes: api and worker roles, started, killed and restarted by tests."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.support.postgres import free_port


@dataclass
class Process:
    """One role as a child process."""

    role: str
    environment: Mapping[str, str]
    log: Path
    port: int | None = None
    popen: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start the role; output goes to its log file."""
        environment = {**os.environ, **self.environment}
        if self.port is not None:
            environment["HV_PORT"] = str(self.port)
        with self.log.open("ab") as out:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "healthvision", "run", self.role],
                env=environment,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Send kill -9 to the process and to what it started."""
        if self.popen is not None and self.popen.poll() is None:
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()

    def stop(self) -> None:
        """Ask the process to end, then make it."""
        if self.popen is None or self.popen.poll() is not None:
            return
        self.popen.terminate()
        try:
            self.popen.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()

    def wait_ready(self, seconds: float = 150) -> None:
        """Wait until an api answers /healthz; AssertionError with its log when it does not."""
        assert self.port is not None
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/healthz", timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
            assert self.popen is not None
            assert self.popen.poll() is None, self.log.read_text(errors="replace")[-4000:]
        raise AssertionError(f"not ready: {self.log.read_text(errors='replace')[-4000:]}")


@dataclass
class Platform:
    """Several processes over one database and one object store."""

    folder: Path
    environment: dict[str, str]
    processes: list[Process] = field(default_factory=list)

    def add(self, role: str) -> Process:
        """Start one more process of a role ('api', 'worker', 'all')."""
        return self.add_at(role, free_port() if role in ("api", "all") else None)

    def add_at(self, role: str, port: int | None) -> Process:
        """Start one more process of a role on a given port."""
        number = len(self.processes)
        process = Process(role, self.environment, self.folder / f"{role}-{number}.log", port)
        self.processes.append(process)
        process.start()
        return process

    def logs(self) -> str:
        """Return the tails of all logs (for failed assertions)."""
        tails = [
            f"== {p.log.name}\n{p.log.read_text(errors='replace')[-3000:]}"
            for p in self.processes
            if p.log.exists()
        ]
        return "\n".join(tails)


@contextmanager
def platform(folder: Path, **settings: str) -> Iterator[Platform]:
    """Yield an empty platform whose settings point into ``folder``; stops all at the end."""
    environment = {
        "HV_DATA_DIR": str(folder / "data"),
        "HV_MASTER_KEY_FILE": str(folder / "keys" / "master.key"),
        "HV_AUDIT_ANCHOR_DIR": str(folder / "anchor"),
        **settings,
    }
    running = Platform(folder, environment)
    try:
        yield running
    finally:
        for process in running.processes:
            process.stop()
