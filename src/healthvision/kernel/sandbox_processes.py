# SPDX-License-Identifier: Apache-2.0
"""The processes of a sandbox as its parent sees them: progress, descendants, memory, their end."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from healthvision.kernel.telemetry import logger

Progress = Callable[[float, str], None]
_KILL_ROUNDS = 200
_MB = 1024 * 1024
_PAGE = os.sysconf("SC_PAGE_SIZE")
_log = logger("kernel.sandbox")


class ProgressReader:
    """Reads progress lines without ever blocking on the child.

    ``network_id``: the child's network namespace, from the first line, which is written before
    any code of an application runs; None when the network is not cut.
    """

    def __init__(self, pipe: int, progress: Progress) -> None:
        os.set_blocking(pipe, False)
        self._pipe = pipe
        self._progress = progress
        self._rest = b""
        self._begun = False
        self.network_id: int | None = None
        self._selector = selectors.DefaultSelector()
        self._selector.register(pipe, selectors.EVENT_READ)
        self._open = True

    def wait(self, seconds: float) -> None:
        """Wait for lines at most so long and hand on the newest of them."""
        if not self._open:
            time.sleep(seconds)
            return
        if not self._selector.select(seconds):
            return
        data = os.read(self._pipe, 65536)
        if not data:
            self._selector.unregister(self._pipe)
            self._open = False
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-4096:]
        if lines and not self._begun:
            self._begin(lines[0])
        if lines:
            self._tell(lines[-1])

    def _begin(self, line: bytes) -> None:
        self._begun = True
        with contextlib.suppress(ValueError, KeyError, TypeError):
            told = int(json.loads(line)["network_id"])
            self.network_id = told if told != network_of("self") else None

    def _tell(self, line: bytes) -> None:
        try:
            said = json.loads(line)
            fraction, stage = float(said["fraction"]), str(said["stage"])[:64]
        except (ValueError, KeyError, TypeError):
            return
        if 0 <= fraction <= 1:
            self._progress(fraction, stage)


def family(pid: int) -> list[int]:
    """Return the process and all its descendants."""
    found = [pid]
    for parent in found:
        for tasks in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found.extend(int(p) for p in tasks.read_text(encoding="ascii").split())
    return found


def resident_mb(pid: int) -> int:
    """Return the resident memory of a process in MB, 0 when it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * _PAGE // _MB


def network_of(process: str) -> int | None:
    """Return the number of a process's network namespace, None when it is gone or not ours."""
    try:
        return os.stat(f"/proc/{process}/ns/net").st_ino
    except OSError:
        return None


class Network:
    """A child's network namespace, kept while it is open, so that no other gets its number.

    The kernel gives the number of a namespace that ended to the next one that is made, of whoever:
    without this the sweep behind one sandbox could end the processes of another one.
    """

    def __init__(self) -> None:
        self.number: int | None = None  # None: not known or not kept, and nothing may be swept
        self._kept = -1

    def __enter__(self) -> "Network":
        """Begin."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Let go of it."""
        if self._kept >= 0:
            os.close(self._kept)
            self._kept = -1

    def keep(self, pid: int, number: int) -> None:
        """Keep the namespace of a process that waits in it, if it is the one with that number."""
        try:
            self._kept = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return  # it is gone, and has started nothing
        if os.fstat(self._kept).st_ino == number:
            self.number = number


def kill(child: "subprocess.Popen[bytes]", network_id: int | None) -> None:
    """End the whole group and every descendant, also those that left the group or were orphaned.

    Whatever the child started shares its network namespace and cannot leave it, so that nothing
    of it survives, however fast it forks.
    """
    living = family(child.pid)[1:] if child.poll() is None else []
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    for _ in range(_KILL_ROUNDS):
        for pid in living:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        child.wait()
        living = _living_in(network_id)
        if not living:
            return
    _log.error("processes of a sandbox survive", count=len(living))


def _living_in(network_id: int | None) -> list[int]:
    if network_id is None:
        return []
    everyone = [name for name in os.listdir("/proc") if name.isdigit()]
    return [int(name) for name in everyone if network_of(name) == network_id]
