# SPDX-License-Identifier: Apache-2.0
"""Who holds a port, in words that tell what to stop: 'orthanc (process 4711)'."""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_LISTENING = "0A"  # linux/include/net/tcp_states.h
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
UNKNOWN = "another program"


def is_free(host: str, port: int) -> bool:
    """Tell whether a port can be listened on; port 0 always can."""
    if port == 0:
        return True
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def holder(port: int) -> str:
    """Return the program that listens on a port; 'another program' where it cannot be seen."""
    found = _process(port)
    return UNKNOWN if found is None else f"{_name(found)} (process {found})"


def is_ours(port: int) -> bool:
    """Tell whether a process of HealthVision listens on a port."""
    found = _process(port)
    return found is not None and "healthvision" in _command(found)


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


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _name(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return UNKNOWN
