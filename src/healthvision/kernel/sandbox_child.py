# SPDX-License-Identifier: Apache-2.0
"""The inside of the sandbox: limits first, then the network goes, then the target is imported.

Started by ``kernel.sandbox`` as ``python -I -m healthvision.kernel.sandbox_child``; reads one JSON
document from standard input. Exit codes: 0 answered, 70 target raised, 71 out of memory, 78 the
network cannot be cut.
"""

import ctypes
import importlib
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

EXIT_RAISED, EXIT_MEMORY, EXIT_NETWORK = 70, 71, 78
ANSWER, FAILURE = "answer.json", "failure.json"
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Span:
    """Where one input file lies in the bundle, in bytes."""

    name: str
    offset: int
    length: int


class SandboxFiles:
    """The input files, read-only, by index; ``names[i]`` belongs to ``read(i)``."""

    def __init__(self, descriptor: int, spans: Sequence[Span]) -> None:
        self._descriptor = descriptor
        self._spans = tuple(spans)
        self.names = tuple(span.name for span in spans)

    def __len__(self) -> int:
        return len(self._spans)

    def read(self, index: int) -> bytes:
        """Return the bytes of one file; OSError when the bundle is shorter than promised."""
        span = self._spans[index]
        chunks, at, left = [], span.offset, span.length
        while left:
            chunk = os.pread(self._descriptor, min(left, 64 * _MB), at)
            if not chunk:
                raise OSError("the input bundle is too short")
            chunks.append(chunk)
            at, left = at + len(chunk), left - len(chunk)
        return b"".join(chunks)


class SandboxOut:
    """The way out: arrays as ``.npy`` without pickle, progress as (0..1, stage id)."""

    def __init__(self, folder: Path, progress_descriptor: int) -> None:
        self._folder = folder
        self._progress = progress_descriptor

    def array(self, name: str, values: npt.NDArray[Any]) -> str:
        """Write an array; returns its name, to be put into the answer."""
        with (self._folder / f"{name}.npy").open("wb") as file:
            np.save(file, values, allow_pickle=False)
        return name

    def progress(self, fraction: float, stage: str) -> None:
        """Tell the parent how far the work is; never blocks the work for long."""
        line = json.dumps({"fraction": min(1.0, max(0.0, float(fraction))), "stage": stage[:64]})
        os.write(self._progress, line.encode() + b"\n")


class Target(Protocol):
    """What may run in the sandbox; the answer must be JSON."""

    def __call__(self, request: Any, files: SandboxFiles, out: SandboxOut) -> Any:
        """Do the work."""
        ...


def _limit(limits: dict[str, int]) -> None:
    # Address space has room for libraries and thread stacks; resident memory, which is what the
    # budget means, is watched by the parent.
    space = (limits["memory_mb"] + limits["address_slack_mb"]) * _MB
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    cpu = limits["cpu_seconds"]
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
    size = limits["output_mb"] * _MB
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _die_with_parent(libc: ctypes.CDLL) -> None:
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _cut_network(libc: ctypes.CDLL) -> bool:
    """Enter an empty network namespace; False when the kernel refuses."""
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            try:
                Path(f"/proc/self/{name}").write_text(text, encoding="ascii")
            except OSError:
                continue  # an unmapped user has even fewer rights
        return _only_loopback()
    return libc.unshare(_CLONE_NEWNET) == 0 and _only_loopback()


def _only_loopback() -> bool:
    lines = Path("/proc/self/net/dev").read_text(encoding="ascii").splitlines()[2:]
    return {line.split(":")[0].strip() for line in lines} <= {"lo"}


def _target(name: str) -> Target:
    module, _, attribute = name.partition(":")
    found: Target = getattr(importlib.import_module(module), attribute)
    return found


def _failure(folder: Path, error: BaseException) -> None:
    """Say what was raised and where, without the message, which may quote a header."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    said = {"type": type(error).__name__, "where": where}
    (folder / FAILURE).write_text(json.dumps(said), encoding="utf-8")


def _work(order: dict[str, Any], folder: Path) -> int:
    files = SandboxFiles(order["bundle"], [Span(**span) for span in order["files"]])
    out = SandboxOut(folder, order["progress"])
    run: Callable[..., Any] = _target(order["target"])
    answer = run(order["request"], files, out)
    text = json.dumps(answer, ensure_ascii=False, allow_nan=False)
    (folder / ANSWER).write_text(text, encoding="utf-8")
    return 0


def main() -> int:
    """Run one order; see the module's description for the exit codes."""
    order = json.loads(sys.stdin.buffer.read())
    folder = Path(order["folder"])
    libc = ctypes.CDLL(None, use_errno=True)
    _die_with_parent(libc)
    if os.getppid() != order["parent"]:
        return EXIT_RAISED  # the parent died before the death signal was set
    if not order["network"] and not _cut_network(libc):
        return EXIT_NETWORK
    _limit(order["limits"])
    sys.path.extend(path for path in order["path"] if path not in sys.path)
    try:
        return _work(order, folder)
    except MemoryError:
        return EXIT_MEMORY
    except Exception as error:  # the edge of the process: everything else is a failed task
        _failure(folder, error)
        return EXIT_RAISED


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # no destructor of a library delays or changes the outcome
