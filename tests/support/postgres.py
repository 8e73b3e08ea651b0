# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL server on loopback for one test run."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


def postgres_bin() -> Path | None:
    """Return the folder of the newest installed PostgreSQL server, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _as_postgres(command: list[str]) -> list[str]:
    """PostgreSQL refuses root; run as the packaged 'postgres' account then."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]


@dataclass
class PostgresServer:
    """A private server that a test may kill and start again."""

    binaries: Path
    folder: Path
    port: int
    fsync: bool = False

    @property
    def url(self) -> str:
        """URL of the database 'postgres'."""
        return f"postgresql://hv@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        """Make the data folder."""
        initdb = [str(self.binaries / "initdb"), "-D", str(self.folder / "data"), "-U", "hv"]
        _run([*initdb, "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8"])

    def start(self) -> None:
        """Start and wait until it answers."""
        options = f"-c port={self.port} -c listen_addresses=127.0.0.1"
        options += f" -c unix_socket_directories={self.folder} -c max_connections=300"
        options += "" if self.fsync else " -c fsync=off"
        command = [*self._control(), "-l", str(self.folder / "log"), "-o", options, "start"]
        for _ in range(60):  # after a kill the old backends hold the shared memory a while
            if _run(command, check=False) == 0:
                return
            time.sleep(0.5)
        raise AssertionError((self.folder / "log").read_text(errors="replace")[-3000:])

    def stop(self) -> None:
        """Stop without waiting for clients."""
        _run([*self._control(), "-m", "immediate", "stop"], check=False)

    def kill(self) -> None:
        """Send kill -9 to the server's first process; the others end by themselves."""
        pid = int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGKILL)
        time.sleep(1.0)

    def _control(self) -> list[str]:
        data = str(self.folder / "data")
        return [str(self.binaries / "pg_ctl"), "-D", data, "-w", "-t", "60"]


def _run(command: list[str], *, check: bool = True) -> int:
    quiet = subprocess.DEVNULL
    done = subprocess.run(_as_postgres(command), check=check, stdout=quiet, stderr=quiet, cwd="/")
    return done.returncode


@contextmanager
def postgres(binaries: Path, *, fsync: bool = False) -> Iterator[PostgresServer]:
    """Start a fresh server; stop and remove it at the end."""
    memory = Path("/dev/shm")
    roomy = not fsync and memory.is_dir() and shutil.disk_usage(memory).free > 3e9
    folder = Path(tempfile.mkdtemp(prefix="hv-pg-", dir=memory if roomy else None))
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
    server = PostgresServer(binaries, folder, free_port(), fsync)
    server.create()
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgres_server(binaries: Path) -> Iterator[str]:
    """Start a fresh server and yield its URL (database 'postgres'); stop it at the end."""
    with postgres(binaries) as server:
        yield server.url
