# SPDX-License-Identifier: Apache-2.0
"""Why a port cannot be had, and who holds it: 'orthanc (process 4711)'."""

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

_LISTENING = "0A"  # linux/include/net/tcp_states.h
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
UNKNOWN = "another program, or HealthVision under another account"
FIRST_FREE = 1024  # ports below need rights

Kind = Literal["taken", "rights", "host", "other"]
DICOM_REMEDIES: dict[Kind, str] = {
    "taken": "stop that program, or set HV_DIMSE_PORT to another port",
    "rights": f"set HV_DIMSE_PORT to {FIRST_FREE} or more, or give HealthVision the right "
    "(CAP_NET_BIND_SERVICE)",
    "host": "set HV_DIMSE_HOST to an address of this machine",
    "other": "look at HV_DIMSE_HOST and HV_DIMSE_PORT",
}


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a port cannot be listened on; ``seen`` says it in words that begin with 'port n'."""

    kind: Kind
    seen: str


def obstacle(host: str, port: int) -> Obstacle | None:
    """Return what stands in the way of listening; None when nothing does, as for port 0."""
    if port == 0:
        return None
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen(1)
    except OSError as error:
        return _obstacle(host, port, error)
    return None


def _obstacle(host: str, port: int, error: OSError) -> Obstacle:
    if isinstance(error, socket.gaierror):
        return Obstacle("host", f"port {port} cannot be opened: there is no host {host!r}")
    if error.errno == errno.EADDRINUSE:
        return Obstacle("taken", f"port {port} is held by {holder(port)}")
    if error.errno == errno.EADDRNOTAVAIL:
        reason = f"{host} is no address of this machine"
        return Obstacle("host", f"port {port} cannot be opened: {reason}")
    reason = error.strerror or str(error)
    if error.errno == errno.EACCES and port < FIRST_FREE:
        reason = f"ports below {FIRST_FREE} need rights: {reason}"
        return Obstacle("rights", f"port {port} cannot be opened: {reason}")
    return Obstacle("other", f"port {port} cannot be opened: {reason}")


def holder(port: int) -> str:
    """Return the program that listens on a port, or ``UNKNOWN`` where it cannot be seen."""
    found = _process(port)
    return UNKNOWN if found is None else f"{_name(found)} (process {found})"


def is_ours(port: int) -> bool:
    """Tell whether a process of HealthVision listens on a port."""
    found = _process(port)
    return found is not None and _runs_us(_argv(found))


def _runs_us(argv: Sequence[str]) -> bool:
    """Tell our command: ``python -m healthvision``, or the program itself, also under python."""
    if any(pair == ("-m", "healthvision") for pair in pairwise(argv)):
        return True
    return any(Path(word).name == "healthvision" for word in argv[:2])


def _inodes(port: int) -> Iterator[str]:
    for table in _TABLES:
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            local, state, inode = (line.split()[i] for i in (1, 3, 9))
            if state == _LISTENING and int(local.rsplit(":", 1)[1], 16) == port:
                yield inode


def _process(port: int) -> int | None:
    """Return the process that listens; None when there is none that we may look into."""
    wanted = {f"socket:[{inode}]" for inode in _inodes(port)}
    if not wanted:
        return None
    for folder in Path("/proc").glob("[0-9]*"):
        if any(link in wanted for link in _links(folder / "fd")):
            return int(folder.name)
    return None


def _links(folder: Path) -> Iterator[str]:
    """Yield where open files of a process lead, as far as we may look."""
    try:
        names = list(folder.iterdir())
    except OSError:  # another user's, or just ended
        return
    for name in names:
        with suppress(OSError):  # closed meanwhile
            yield os.readlink(name)


def _argv(process: int) -> list[str]:
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
    return [os.fsdecode(word) for word in words]


def _name(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return "a program"
