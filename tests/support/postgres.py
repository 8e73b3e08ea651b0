# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL server on loopback for one test run."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def postgres_server(binaries: Path, *, fsync: bool = False) -> Iterator[str]:
    """Start a fresh server and yield its URL (database 'postgres'); stop it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="hv-pg-"))
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
    data, port = folder / "data", free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    initdb = [str(binaries / "initdb"), "-D", str(data), "-U", "hv", "--auth=trust", "-E", "UTF8"]
    subprocess.run(_as_postgres([*initdb, "--locale=C.UTF-8"]), check=True, **quiet)  # type: ignore[call-overload]
    options = f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    options += " -c max_connections=300" + ("" if fsync else " -c fsync=off")
    control = [str(binaries / "pg_ctl"), "-D", str(data), "-w", "-t", "60"]
    log = str(folder / "log")
    subprocess.run(_as_postgres([*control, "-l", log, "-o", options, "start"]), check=True, **quiet)  # type: ignore[call-overload]
    try:
        yield f"postgresql://hv@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run(_as_postgres([*control, "-m", "immediate", "stop"]), check=False, **quiet)  # type: ignore[call-overload]
        shutil.rmtree(folder, ignore_errors=True)
