# SPDX-License-Identifier: Apache-2.0
"""Runs one function in a child process: fresh interpreter, hard limits, no network, no files.

The child gets the input files as one read-only, nameless file (a sealed memfd; above
``MEMFD_LIMIT`` an unlinked temporary file) and a JSON request. It answers with JSON and ``.npy``
files (never pickle) in a folder of capped size, and tells its progress over a pipe. Whatever
happens inside, the parent gets an answer or a ``SandboxFailed`` with the reason.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from healthvision.kernel import sandbox_processes as processes
from healthvision.kernel.clock import monotonic
from healthvision.kernel.errors import Busy, Problem
from healthvision.kernel.sandbox_asking import AskLimits
from healthvision.kernel.sandbox_child import (
    ANSWER,
    EXIT_MEMORY,
    EXIT_NETWORK,
    EXIT_RAISED,
    FAILURE,
    SandboxFiles,
    SandboxOut,
    Span,
)
from healthvision.kernel.sandbox_desk import Answerer, Desk
from healthvision.kernel.sandbox_files import Bundle
from healthvision.kernel.sandbox_processes import Progress, ProgressReader

__all__ = [
    "Bundle",
    "Limits",
    "SandboxFailed",
    "SandboxFiles",
    "SandboxOut",
    "SandboxOutcome",
    "SandboxUnavailable",
    "files_problem",
    "network_problem",
    "run",
]

Reason = Literal[
    "timeout", "cpu", "memory", "output", "processes", "crash", "exception", "answer", "cancelled"
]
_CHILD = ("-I", "-m", "healthvision.kernel.sandbox_boot")
DEFAULT_ASKS = AskLimits()
_TICK_S = 0.1
_MAX_ANSWER = 64 * 1024 * 1024
_MAX_FILES = 4096
_MB = 1024 * 1024
_ENVIRONMENT = ("LANG", "LC_ALL", "TZ", "PATH", "LD_LIBRARY_PATH")


class SandboxFailed(Problem):
    """The child gave no answer. ``reason`` is a stable word; the detail says it in a sentence."""

    status, code, title = 500, "sandbox-failed", "The application failed"

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail, reason=reason)
        self.reason = reason


class SandboxUnavailable(Busy):
    """The kernel refuses to cut the child's network, so nothing runs; see ``doctor``."""

    code, title, retry = "sandbox-unavailable", "No sandbox on this machine", False


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use; ``memory_mb`` is resident memory of the child and its children."""

    memory_mb: int = 3072
    cpu_seconds: int = 240
    wall_seconds: int = 180
    output_mb: int = 1024
    threads: int = 2
    address_slack_mb: int = 4096
    processes: int = 256  # processes and threads together


@dataclass(frozen=True, slots=True)
class SandboxOutcome:
    """The answer. ``array(name)`` gives what the child wrote with ``SandboxOut.array``."""

    answer: Any
    wall_s: float
    peak_memory_mb: int
    arrays: Mapping[str, npt.NDArray[Any]] = field(repr=False)

    def array(self, name: str) -> npt.NDArray[Any]:
        """Return one array; raises SandboxFailed when the answer names one that is not there."""
        if name not in self.arrays:
            raise SandboxFailed("answer", "the application named an array it did not write")
        return self.arrays[name]


def run(
    target: str,
    request: Any,
    files: Bundle | None = None,
    *,
    limits: Limits,
    network: bool = False,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    answerer: Answerer | None = None,
    ask_limits: AskLimits = DEFAULT_ASKS,
) -> SandboxOutcome:
    """Run ``module:function`` (a ``sandbox_child.Target``) in a child process and wait for it.

    Blocks; use a thread from async code. ``cancelled`` is asked some ten times a second.
    ``answerer``: answers what the child asks with ``SandboxOut.ask``, in a thread of its own;
    without one the child cannot ask. A Problem it raises is told to the child by its code.
    Raises SandboxFailed with the reason, or SandboxUnavailable when ``network`` is False and
    cannot be cut.
    """
    folder = Path(tempfile.mkdtemp(prefix="hv-sandbox-"))
    try:
        with contextlib.ExitStack() as owned:
            bundle = files if files is not None else owned.enter_context(Bundle())
            descriptor = owned.enter_context(bundle.opened())
            desk = None if answerer is None else Desk(answerer, ask_limits)
            run_ = _Run(target, request, bundle.spans, descriptor, folder, limits, network, desk)
            return run_.execute(progress or _ignore, cancelled or _never)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def network_problem() -> str | None:
    """Return why the child's network cannot be cut on this machine, or None; for ``doctor``."""
    limits = Limits(memory_mb=512, cpu_seconds=20, wall_seconds=30)
    try:
        run("healthvision.kernel.sandbox:_echo", {}, limits=limits)
    except SandboxUnavailable as problem:
        return problem.detail
    return None


def files_problem() -> str | None:
    """Return why the child can read more files than it needs here, or None; for ``doctor``."""
    limits = Limits(memory_mb=512, cpu_seconds=20, wall_seconds=30)
    with tempfile.NamedTemporaryFile(prefix="hv-secret-") as secret:
        try:
            outcome = run("healthvision.kernel.sandbox:_peek", {"path": secret.name}, limits=limits)
        except (SandboxUnavailable, SandboxFailed) as problem:
            return problem.detail
    return None if outcome.answer == "refused" else "the kernel has no Landlock (Linux 5.13)"


def _peek(request: Any, _files: SandboxFiles, _out: SandboxOut) -> Any:
    try:
        with open(request["path"], "rb"):
            return "read"
    except OSError:
        return "refused"


def _echo(request: Any, _files: SandboxFiles, _out: SandboxOut) -> Any:
    return request


def _ignore(_fraction: float, _stage: str) -> None:
    return None


def _never() -> bool:
    return False


@dataclass(slots=True)
class _Run:
    """One child from start to end."""

    target: str
    request: Any
    spans: Sequence[Span]
    bundle: int
    folder: Path
    limits: Limits
    network: bool
    desk: Desk | None = None
    peak: int = 0
    cut: processes.Network = field(default_factory=processes.Network)

    def execute(self, progress: Progress, cancelled: Callable[[], bool]) -> SandboxOutcome:
        started = monotonic()
        read_end, write_end = os.pipe()
        with tempfile.TemporaryFile() as log, processes.Network() as self.cut:
            child = self._start(write_end, log.fileno())
            os.close(write_end)
            if self.desk is not None:
                self.desk.open()
            try:
                self._feed(child, write_end)
                reason = self._watch(child, read_end, started, progress, cancelled)
            finally:
                processes.kill(child, self.cut.number)
                _let_go_on(child)
                os.close(read_end)
                if self.desk is not None:
                    self.desk.close()
        if reason is not None:
            raise reason
        self._judge(child.returncode)
        return self._outcome(monotonic() - started)

    def _start(self, progress: int, log: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, *_CHILD],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=(self.bundle, progress, *self._pipes()),
            cwd=self.folder,
            env=_environment(self.folder, self.limits.threads),
            start_new_session=True,
        )

    def _pipes(self) -> tuple[int, ...]:
        return () if self.desk is None else (self.desk.questions, self.desk.answers)

    def _feed(self, child: "subprocess.Popen[bytes]", progress: int) -> None:
        order = {
            "target": self.target,
            "request": self.request,
            "files": [asdict(span) for span in self.spans],
            "bundle": self.bundle,
            "progress": progress,
            "folder": str(self.folder),
            "limits": asdict(self.limits),
            "network": self.network,
            "pipes": self._pipes(),
            "ask_limits": None if self.desk is None else asdict(self.desk.limits),
            "parent": os.getpid(),
            "path": [p for p in sys.path if os.path.isabs(p)],
        }
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(json.dumps(order, allow_nan=False).encode() + b"\n")
            child.stdin.flush()
        if self.network:
            _let_go_on(child)

    def _watch(
        self,
        child: "subprocess.Popen[bytes]",
        pipe: int,
        started: float,
        progress: Progress,
        cancelled: Callable[[], bool],
    ) -> SandboxFailed | None:
        """Wait for the end; return why the child is to be stopped, or None when it ended."""
        reader = ProgressReader(pipe, progress)
        while True:
            reader.wait(_TICK_S)
            if reader.network_id is not None and self.cut.number is None:
                self.cut.keep(child.pid, reader.network_id)
                _let_go_on(child)
            if child.poll() is not None:
                reader.wait(0)
                return None
            if cancelled():
                return SandboxFailed("cancelled", "the run was cancelled")
            if monotonic() - started > self.limits.wall_seconds:
                seconds = self.limits.wall_seconds
                return SandboxFailed("timeout", f"no answer within {seconds} seconds")
            over = self._over(child.pid)
            if over is not None:
                return over

    def _over(self, pid: int) -> SandboxFailed | None:
        family = processes.family(pid)
        if len(family) > self.limits.processes:
            return SandboxFailed("processes", f"more than {self.limits.processes} processes")
        memory = sum(processes.resident_mb(p) for p in family)
        self.peak = max(self.peak, memory)
        if memory > self.limits.memory_mb:
            return SandboxFailed("memory", f"more than {self.limits.memory_mb} MB of memory used")
        if _folder_mb(self.folder) > self.limits.output_mb:
            return SandboxFailed("output", f"more than {self.limits.output_mb} MB of output")
        return None

    def _judge(self, code: int) -> None:
        """Turn an exit code into the problem it stands for; 0 passes."""
        if code == 0:
            return
        if code == EXIT_NETWORK:
            raise SandboxUnavailable(
                "the kernel refuses a network namespace to the application's process; allow "
                "unprivileged user namespaces (sysctl user.max_user_namespaces) or run as root"
            )
        if code in (EXIT_MEMORY, -signal.SIGKILL):
            raise SandboxFailed("memory", "the application ran out of memory")
        if code == -signal.SIGXCPU:
            seconds = self.limits.cpu_seconds
            raise SandboxFailed("cpu", f"more than {seconds} seconds of processor time used")
        if code == -signal.SIGXFSZ:
            raise SandboxFailed("output", f"a file of more than {self.limits.output_mb} MB")
        if code == EXIT_RAISED:
            raise self._raised()
        if code < 0:
            raise SandboxFailed("crash", f"the process died by {signal.Signals(-code).name}")
        raise SandboxFailed("crash", f"the process ended with exit code {code}")

    def _raised(self) -> SandboxFailed:
        try:
            said = json.loads(_read_plain(self.folder / FAILURE, 10_000))
            if str(said["type"]) in ("MemoryError", "_ArrayMemoryError"):
                return SandboxFailed("memory", "the application ran out of memory")
            detail = f"the application raised {said['type']!s} at {said['where']!s}"
        except (OSError, ValueError, KeyError, TypeError):
            detail = "the application raised an error"
        return SandboxFailed("exception", detail[:200])

    def _outcome(self, seconds: float) -> SandboxOutcome:
        if _folder_mb(self.folder) > self.limits.output_mb:
            raise SandboxFailed("output", f"more than {self.limits.output_mb} MB of output")
        try:
            answer = json.loads(_read_plain(self.folder / ANSWER, _MAX_ANSWER))
        except (OSError, ValueError, RecursionError):
            raise SandboxFailed("answer", "the application's answer cannot be read") from None
        return SandboxOutcome(answer, seconds, self.peak, dict(self._arrays()))

    def _arrays(self) -> Iterable[tuple[str, npt.NDArray[Any]]]:
        for path in sorted(self.folder.glob("*.npy"))[:_MAX_FILES]:
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
                with open(descriptor, "rb") as file:
                    yield path.stem, np.load(file, allow_pickle=False)
            except (OSError, ValueError, EOFError):
                raise SandboxFailed("answer", "an array of the answer cannot be read") from None


def _let_go_on(child: "subprocess.Popen[bytes]") -> None:
    """Close the child's input, for whose end it waits."""
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        child.stdin.close()


def _environment(folder: Path, threads: int) -> dict[str, str]:
    """Return the child's whole environment: nothing of ours but the words of the machine."""
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    count = str(threads)
    return {
        **kept,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MALLOC_ARENA_MAX": "2",
        "OMP_NUM_THREADS": count,
        "OPENBLAS_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": count,
    }


def _folder_mb(folder: Path) -> int:
    total = 0
    for entry in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += entry.lstat().st_size
    return total // _MB


def _read_plain(path: Path, limit: int) -> bytes:
    """Read a regular file written by the child; links are refused, size is capped."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError("too large")
    return data
