# SPDX-License-Identifier: Apache-2.0
"""The inside of the sandbox, once its walls stand (``sandbox_boot``): import the target, answer.

Exit codes: 0 answered, 70 target raised, 71 out of memory, 78 the network cannot be cut.
"""

import importlib
import json
import os
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from healthvision.kernel.sandbox_asking import Asking, AskLimits, AskRefused, Values

EXIT_RAISED, EXIT_MEMORY, EXIT_NETWORK = 70, 71, 78
ANSWER, FAILURE = "answer.json", "failure.json"
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

    def __init__(
        self, folder: Path, progress_descriptor: int, asking: Asking | None = None
    ) -> None:
        self._folder = folder
        self._progress = progress_descriptor
        self._asking = asking

    def array(self, name: str, values: npt.NDArray[Any]) -> str:
        """Write an array; returns its name, to be put into the answer."""
        with (self._folder / f"{name}.npy").open("wb") as file:
            np.save(file, values, allow_pickle=False)
        return name

    def progress(self, fraction: float, stage: str) -> None:
        """Tell the parent how far the work is; never blocks the work for long."""
        line = json.dumps({"fraction": min(1.0, max(0.0, float(fraction))), "stage": stage[:64]})
        os.write(self._progress, line.encode() + b"\n")

    def ask(self, name: str, values: Values) -> dict[str, Any]:
        """Ask the parent; values are JSON or arrays. Raises AskRefused with the reason."""
        if self._asking is None:
            raise AskRefused("closed")
        return self._asking.ask(name, values)


class Target(Protocol):
    """What may run in the sandbox; the answer must be JSON."""

    def __call__(self, request: Any, files: SandboxFiles, out: SandboxOut) -> Any:
        """Do the work."""
        ...


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
    asking = None
    if order["pipes"]:
        questions, answers = order["pipes"]
        asking = Asking(questions, answers, AskLimits(**order["ask_limits"]))
    out = SandboxOut(folder, order["progress"], asking)
    run: Callable[..., Any] = _target(order["target"])
    answer = run(order["request"], files, out)
    text = json.dumps(answer, ensure_ascii=False, allow_nan=False)
    (folder / ANSWER).write_text(text, encoding="utf-8")
    return 0


def work(order: dict[str, Any]) -> int:
    """Run one order and return the exit code."""
    folder = Path(order["folder"])
    try:
        return _work(order, folder)
    except MemoryError:
        return EXIT_MEMORY
    except Exception as error:  # the edge of the process: everything else is a failed task
        _failure(folder, error)
        return EXIT_RAISED
