# SPDX-License-Identifier: Apache-2.0
"""Runs one function in a child process: fresh interpreter, hard limits, no network, no files.

The child gets the input files as one read-only, nameless file (a sealed memfd; above
``MEMFD_LIMIT`` an unlinked temporary file) and a JSON request. It answers with JSON and ``.npy``
files (never pickle) in a folder of capped size, and tells its progress over a pipe. Whatever
happens inside, the parent gets an answer or a ``SandboxFailed`` with the reason.
"""

import contextlib
import fcntl
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from healthvision.kernel.clock import monotonic
from healthvision.kernel.errors import Busy, Problem
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
from healthvision.kernel.telemetry import logger

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
Progress = Callable[[float, str], None]
MEMFD_LIMIT = 1 << 30
_CHILD = ("-I", "-m", "healthvision.kernel.sandbox_boot")
_TICK_S = 0.1
_MAX_ANSWER = 64 * 1024 * 1024
_MAX_FILES = 4096
_MB = 1024 * 1024
_KILL_ROUNDS = 200
_PAGE = os.sysconf("SC_PAGE_SIZE")
_log = logger("kernel.sandbox")
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


class Bundle:
    """Input files on their way into a sandbox, in one nameless file. Use with ``with``."""

    def __init__(self, expected_bytes: int = 0) -> None:
        self._sealable = expected_bytes <= MEMFD_LIMIT
        self.spans: list[Span] = []
        self.size = 0
        if self._sealable:
            self._descriptor = os.memfd_create("hv-sandbox", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        else:
            self._descriptor, name = tempfile.mkstemp(prefix="hv-sandbox-")
            os.unlink(name)

    def __enter__(self) -> "Bundle":
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def add(self, name: str, data: bytes) -> int:
        """Append one file and return its index."""
        view, at = memoryview(data), 0
        while at < len(view):
            at += os.write(self._descriptor, view[at:])
        self.spans.append(Span(name, self.size, len(data)))
        self.size += len(data)
        return len(self.spans) - 1

    def read(self, index: int) -> bytes:
        """Return the bytes of one file, as the child will read them."""
        return SandboxFiles(self._descriptor, self.spans).read(index)

    @contextmanager
    def opened(self) -> Iterator[int]:
        """Give a read-only descriptor; from now on nothing can be added to a memfd."""
        if self._sealable:
            seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
            fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, seals)
        descriptor = os.open(f"/proc/self/fd/{self._descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


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
) -> SandboxOutcome:
    """Run ``module:function`` (a ``sandbox_child.Target``) in a child process and wait for it.

    Blocks; use a thread from async code. ``cancelled`` is asked some ten times a second.
    Raises SandboxFailed with the reason, or SandboxUnavailable when ``network`` is False and
    cannot be cut.
    """
    folder = Path(tempfile.mkdtemp(prefix="hv-sandbox-"))
    try:
        with contextlib.ExitStack() as owned:
            bundle = files if files is not None else owned.enter_context(Bundle())
            descriptor = owned.enter_context(bundle.opened())
            run_ = _Run(target, request, bundle.spans, descriptor, folder, limits, network)
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
    peak: int = 0
    network_id: int | None = None

    def execute(self, progress: Progress, cancelled: Callable[[], bool]) -> SandboxOutcome:
        started = monotonic()
        read_end, write_end = os.pipe()
        with tempfile.TemporaryFile() as log:
            child = self._start(write_end, log.fileno())
            os.close(write_end)
            try:
                self._feed(child, write_end)
                reason = self._watch(child, read_end, started, progress, cancelled)
            finally:
                _kill(child, self.network_id)
                os.close(read_end)
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
            pass_fds=(self.bundle, progress),
            cwd=self.folder,
            env=_environment(self.folder, self.limits.threads),
            start_new_session=True,
        )

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
            "parent": os.getpid(),
            "path": [p for p in sys.path if os.path.isabs(p)],
        }
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError), child.stdin:
            child.stdin.write(json.dumps(order, allow_nan=False).encode())

    def _watch(
        self,
        child: "subprocess.Popen[bytes]",
        pipe: int,
        started: float,
        progress: Progress,
        cancelled: Callable[[], bool],
    ) -> SandboxFailed | None:
        """Wait for the end; return why the child is to be stopped, or None when it ended."""
        reader = _ProgressReader(pipe, progress)
        while True:
            reader.wait(_TICK_S)
            self.network_id = reader.network_id
            if child.poll() is not None:
                reader.wait(0)
                self.network_id = reader.network_id
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
        family = _family(pid)
        if len(family) > self.limits.processes:
            return SandboxFailed("processes", f"more than {self.limits.processes} processes")
        memory = sum(_resident_mb(p) for p in family)
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


class _ProgressReader:
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
            self.network_id = told if told != _network_of("self") else None

    def _tell(self, line: bytes) -> None:
        try:
            said = json.loads(line)
            fraction, stage = float(said["fraction"]), str(said["stage"])[:64]
        except (ValueError, KeyError, TypeError):
            return
        if 0 <= fraction <= 1:
            self._progress(fraction, stage)


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


def _family(pid: int) -> list[int]:
    """Return the process and all its descendants."""
    found = [pid]
    for parent in found:
        for tasks in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found.extend(int(p) for p in tasks.read_text(encoding="ascii").split())
    return found


def _resident_mb(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * _PAGE // _MB


def _folder_mb(folder: Path) -> int:
    total = 0
    for entry in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += entry.lstat().st_size
    return total // _MB


def _network_of(process: str) -> int | None:
    try:
        return os.stat(f"/proc/{process}/ns/net").st_ino
    except OSError:
        return None


def _kill(child: "subprocess.Popen[bytes]", network_id: int | None) -> None:
    """End the whole group and every descendant, also those that left the group or were orphaned.

    Whatever the child started shares its network namespace and cannot leave it, so that nothing
    of it survives, however fast it forks.
    """
    family = _family(child.pid)[1:] if child.poll() is None else []
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    for _ in range(_KILL_ROUNDS):
        for pid in family:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        child.wait()
        family = _living_in(network_id)
        if not family:
            return
    _log.error("processes of a sandbox survive", count=len(family))


def _living_in(network_id: int | None) -> list[int]:
    if network_id is None:
        return []
    everyone = [name for name in os.listdir("/proc") if name.isdigit()]
    return [int(name) for name in everyone if _network_of(name) == network_id]


def _read_plain(path: Path, limit: int) -> bytes:
    """Read a regular file written by the child; links are refused, size is capped."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError("too large")
    return data
