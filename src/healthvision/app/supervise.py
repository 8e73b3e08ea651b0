# SPDX-License-Identifier: Apache-2.0
"""Children that are started again when they die: each role, or what stands beside a worker.

One Python process uses one core, so that a busy worker would slow the API down. The children
write to the same standard output and error as we do: one stream of log lines.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from healthvision.kernel.clock import monotonic
from healthvision.kernel.telemetry import UP, logger

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
GOOD_RUN_S = 60.0  # a child that lived this long starts again at once
STOP_S = 20.0
STOP_BESIDE_S = 8.0  # less than a worker has for its own end
LOOK_S = 0.2
BAD_SETTINGS = 78  # the exit code of a child that no restart mends: EX_CONFIG of sysexits.h
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_log = logger("app.supervise")
_libc = ctypes.CDLL(None, use_errno=True)


def command_of(role: str) -> list[str]:
    """Return the command line of one role."""
    return [sys.executable, "-m", "healthvision", "run", role]


def upkeep_child() -> "Child":
    """Return the child that keeps the archive in order; it ends by itself when we are killed."""
    command = [*command_of("upkeep"), "--parent", str(os.getpid())]
    return Child("upkeep", command, own_session=False)


def _die_with_parent() -> None:
    """Have the kernel end the child when we are killed; runs between fork and exec."""
    if hasattr(_libc, "prctl"):
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(slots=True)
class Child:
    """One role as a process; ``start`` again after it ended.

    ``own_session``: Ctrl+C reaches it through us alone. A child without one sees to that, and to
    its end with ours, by itself: then nothing of ours runs between fork and exec, which would be
    wrong in a process with threads.
    """

    role: str
    command: Sequence[str]
    own_session: bool = True
    process: "subprocess.Popen[bytes] | None" = None
    begun: float = 0.0
    deaths: int = 0
    again_at: float = 0.0

    def start(self) -> None:
        """Start the process; what a full machine does not let start counts as a death."""
        self.begun = monotonic()
        before_exec = {"start_new_session": True, "preexec_fn": _die_with_parent}
        options: dict[str, Any] = before_exec if self.own_session else {}
        try:
            self.process = subprocess.Popen(self.command, **options)
        except OSError as error:
            _log.warning("a role did not start", role=self.role, reason=error.strerror)
            self._died(lived=0.0)

    def look(self) -> int | None:
        """Take note of the child's end; returns its exit code when it ended just now."""
        code = None if self.process is None else self.process.poll()
        if code is None:
            return None
        self.process = None
        self._died(lived=monotonic() - self.begun)
        return code

    def _died(self, lived: float) -> None:
        self.deaths = 0 if lived >= GOOD_RUN_S else self.deaths + 1
        delay = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** max(0, self.deaths - 1))
        self.again_at = monotonic() + (delay if self.deaths else 0.0)


@dataclass(slots=True)
class Supervisor:
    """Keeps children alive until it is told to stop.

    ``ends_on_bad_settings``: a child that ends for wrong settings ends all; ``stop_s``: how long
    children have to end before they are killed.
    """

    children: list[Child]
    ends_on_bad_settings: bool = True
    stop_s: float = STOP_S
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> int:
        """Start and watch all; returns 0 after a stop, the code of a child with bad settings."""
        for child in self.children:
            child.start()
        code = 0
        try:
            while not code and not self.stopping.wait(LOOK_S):
                code = self._look_after()
        finally:
            self.end()
        return code

    def _look_after(self) -> int:
        for child in self.children:
            ended = child.look()
            if ended == BAD_SETTINGS and self.ends_on_bad_settings:
                return ended
            if ended is not None:
                wait = max(0.0, child.again_at - monotonic())
                _log.warning("a role ended", role=child.role, code=ended, restart_in_s=wait)
            if child.process is None and monotonic() >= child.again_at:
                child.start()
            UP.labels(child.role).set(child.process is not None)
        return 0

    def end(self) -> None:
        """Ask every child to end, make those that do not."""
        alive = [c.process for c in self.children if c.process is not None]
        for process in alive:
            process.terminate()
        end = monotonic() + self.stop_s
        for process in alive:
            try:
                process.wait(max(0.0, end - monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def beside(children: Sequence[Child]) -> Iterator[None]:
    """Keep children alive, watched by a thread, as long as the block runs; then end them."""
    supervisor = Supervisor(list(children), ends_on_bad_settings=False, stop_s=STOP_BESIDE_S)
    thread = threading.Thread(target=supervisor.run, name="hv-beside", daemon=True)
    thread.start()
    try:
        yield
    finally:
        supervisor.stopping.set()
        thread.join()


def run(roles: Sequence[str], on_start: Callable[[], None] | None = None) -> int:
    """Run roles as child processes until SIGINT or SIGTERM; returns the exit code."""
    supervisor = Supervisor([Child(role, command_of(role)) for role in roles])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: supervisor.stopping.set())
    if on_start is not None:
        on_start()
    return supervisor.run()
