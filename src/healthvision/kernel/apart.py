# SPDX-License-Identifier: Apache-2.0
"""Small risky work (decoders of compressed pixels) in child processes that may die.

A decoder in C that ends its process on damaged input takes a child with it, not the API. A child
is kept for the next piece of work, has limited memory, and is ended when it takes too long.
"""

import asyncio
import multiprocessing
import resource
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, TypeVar

from healthvision.kernel import confinement
from healthvision.kernel.errors import Problem

T = TypeVar("T")
_MB = 1024 * 1024


class ChildLost(Problem):
    """The input ended the process that worked on it, or took too long."""

    status, code, title = 406, "work-not-possible", "The input cannot be worked on"


@dataclass(frozen=True, slots=True)
class _Refusal:
    detail: str


class ChildProcesses:
    """A few child processes, one piece of work each at a time. Call ``close`` at the end."""

    def __init__(self, count: int = 2, *, memory_mb: int = 4096, seconds: int = 30) -> None:
        self._free: asyncio.Queue[ProcessPoolExecutor | None] = asyncio.Queue()
        for _ in range(count):
            self._free.put_nowait(None)
        self._memory_mb = memory_mb
        self._seconds = seconds

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a module-level function; arguments and answer are pickled on this machine only.

        Raises ChildLost when the child died or when the function raised a Problem.
        """
        child = await self._free.get() or self._new()
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(child, _work, self._seconds, function, arguments)
        except BrokenProcessPool:
            child.shutdown(wait=False)
            self._free.put_nowait(None)
            raise ChildLost("the pixels cannot be decoded: the decoder failed") from None
        except BaseException:
            self._free.put_nowait(child)
            raise
        self._free.put_nowait(child)
        if isinstance(answer, _Refusal):
            raise ChildLost(answer.detail)
        found: T = answer
        return found

    def _new(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            max_workers=1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_limit,
            initargs=(self._memory_mb,),
        )

    def close(self) -> None:
        """End the children that are idle."""
        while not self._free.empty():
            child = self._free.get_nowait()
            if child is not None:
                child.shutdown(wait=False, cancel_futures=True)


def _limit(memory_mb: int) -> None:
    confinement.die_with_parent()
    size = memory_mb * _MB
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _work(seconds: int, function: Callable[..., Any], arguments: tuple[object, ...]) -> Any:
    signal.alarm(seconds)  # not handled: it ends the process
    try:
        return function(*arguments)
    except Problem as problem:
        return _Refusal(problem.detail)
    except MemoryError:
        return _Refusal("decoding needs more memory than is allowed")
    finally:
        signal.alarm(0)
