# SPDX-License-Identifier: Apache-2.0
"""Starts a fresh platform for the demo as a child process, as ``healthvision up`` would."""

import asyncio
import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from healthvision.app import accounts, ports
from healthvision.app.accounts import DemoPeople
from healthvision.interfaces.dimse.settings import DimseSettings
from healthvision.kernel.settings import CoreSettings

START_S = 90.0
MARKER = ".healthvision-demo"
LOCK = ".{name}.healthvision-demo.lock"


class DemoFailed(Exception):
    """The demo cannot go on; the text says why and where to look."""


class FolderTaken(Exception):
    """The demo folder holds something that the demo did not put there; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running platform and the keys and passwords of the demo's people."""

    url: str
    log: Path
    people: DemoPeople
    process: "subprocess.Popen[bytes]"
    notes: tuple[str, ...] = ()  # what the user should know of its ports


def free_port(wanted: int) -> int:
    """Return the wanted port when it is free on loopback, else any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise DemoFailed("no free port on 127.0.0.1")


@dataclass(frozen=True, slots=True)
class _Ports:
    """The ports of one demo; ``dicom`` None: the port of the settings."""

    http: int
    dicom: int | None
    notes: tuple[str, ...]


def _ports(wanted: int) -> _Ports:
    """Choose free ports, and say in plain words where they are not the usual ones."""
    http, notes = free_port(wanted), []
    if wanted not in (0, http):
        met = ports.obstacle("127.0.0.1", wanted)
        seen = f"port {wanted} could not be had" if met is None else met.seen
        stop = "stop that program, or " if met is not None and met.kind == "taken" else ""
        notes.append(
            f"{seen}, so the pages are on port {http}; {stop}choose with PORT=n (--port n)"
        )
    usual = DimseSettings()
    found = ports.obstacle(usual.host, usual.port) if usual.enabled else None
    if found is None:
        return _Ports(http, None, tuple(notes))
    dicom = free_port(0)
    notes.append(
        f"DICOM {found.seen}, so this demo takes DICOM on port {dicom}; "
        f"{ports.DICOM_REMEDIES[found.kind]}, and begin again"
    )
    return _Ports(http, dicom, tuple(notes))


def _environment(folder: Path, url: str, chosen: _Ports) -> dict[str, str]:
    ours = {
        "HV_DATA_DIR": str(folder / "data"),
        "HV_MASTER_KEY_FILE": str(folder / "keys" / "master.key"),
        "HV_AUDIT_ANCHOR_DIR": str(folder / "anchor"),
        "HV_PUBLIC_URL": url,
        "HV_PORT": str(chosen.http),
        "HV_HOST": "127.0.0.1",
        "HV_NOTIFY_PRIVATE_ALLOW": "127.0.0.0/8",
    }
    if chosen.dicom is not None:
        ours["HV_DIMSE_PORT"] = str(chosen.dicom)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HV_")}
    return {**kept, **ours}


def wipe(folder: Path) -> None:
    """Make an empty demo folder with its marker; what an earlier demo left there goes.

    Raises FolderTaken when the folder is not empty and no demo made it, or is not a folder.
    """
    if folder.exists() and not folder.is_dir():
        raise FolderTaken(f"{folder} is not a folder; choose another --folder")
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).is_file():
        raise FolderTaken(
            f"{folder} is not empty and was not made by the demo (it holds no {MARKER}); "
            "the demo would delete what is in it: choose another --folder"
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARKER).write_text("made by healthvision demo, which may delete this folder\n")


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Keep a second demo out of the folder; raises FolderTaken when one runs there.

    The lock lies beside the folder, which the demo wipes; the kernel drops it with the process.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.with_name(LOCK.format(name=folder.name))
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderTaken(
                f"another demo runs in {folder}: stop it, or choose another --folder"
            ) from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def running(folder: Path, wanted_port: int) -> Iterator[Server]:
    """Wipe the demo folder, set up an organisation with two users, and serve until the end.

    Raises DemoFailed when the server does not come up, FolderTaken when the folder is not ours.
    """
    folder = folder.resolve()
    with only_one(folder):
        yield from _serving(folder, wanted_port)


def _serving(folder: Path, wanted_port: int) -> Iterator[Server]:
    wipe(folder)
    for name in [k for k in os.environ if k.startswith("HV_")]:
        del os.environ[name]  # e.g. the database of a real installation
    chosen = _ports(wanted_port)
    url = f"http://127.0.0.1:{chosen.http}"
    environment = _environment(folder, url, chosen)
    os.environ.update({k: v for k, v in environment.items() if k.startswith("HV_")})
    core = CoreSettings()
    people = asyncio.run(accounts.demo_people(core))
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "healthvision", "up"],
            env=environment,
            stdout=out,
            stderr=out,
        )
    server = Server(url, log, people, process, chosen.notes)
    try:
        _wait(server)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait(server: Server) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if server.process.poll() is not None:
            break
        try:
            answer = httpx.get(f"{server.url}/readyz", timeout=3)
            if answer.status_code == 200 and answer.json()["workers"] > 0:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    tail = server.log.read_text(errors="replace")[-2000:]
    raise DemoFailed(f"the server did not start; its log {server.log} ends with:\n{tail}")
