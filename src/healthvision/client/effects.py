# SPDX-License-Identifier: Apache-2.0
"""Requests as data: what the shared core asks the two executors to do.

An ``Operation`` is a generator that yields effects and is sent their outcomes, so that the same
code serves the blocking and the asynchronous client.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

T = TypeVar("T")
Operation = Generator["Effect", Any, T]
Progress = Callable[[int, int], None]  # (bytes done, bytes in all)
CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Stream:
    """A body read from files while it is sent; can be sent again.

    ``pieces``: bytes as they are, or (path, offset, length) of a file.
    """

    pieces: Sequence[bytes | tuple[Path, int, int]]
    on_sent: Callable[[int], None] | None = None  # bytes of this body sent so far

    @property
    def length(self) -> int:
        """Return the number of bytes of the whole body."""
        return sum(len(p) if isinstance(p, bytes) else p[2] for p in self.pieces)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body in chunks."""
        sent = 0
        for piece in self.pieces:
            for chunk in (piece,) if isinstance(piece, bytes) else _slice(*piece):
                yield chunk
                sent += len(chunk)
                if self.on_sent is not None:
                    self.on_sent(sent)

    async def aiter(self) -> AsyncIterator[bytes]:
        """Yield the body in chunks, for the asynchronous client."""
        chunks = iter(self)
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            yield chunk


def _slice(path: Path, offset: int, length: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from _read(file, offset, length)


def _read(file: BinaryIO, offset: int, length: int) -> Iterator[bytes]:
    file.seek(offset)
    while length > 0:
        chunk = file.read(min(CHUNK, length))
        if not chunk:
            raise OSError("the file became shorter while it was read")
        length -= len(chunk)
        yield chunk


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request. ``path`` is joined to the server's address unless it is a whole URL.

    ``json``, ``form`` or ``content`` is the body. ``signed``: a presigned URL, so no credentials
    are sent with it. ``expected``: statuses that are no error besides 2xx.
    """

    method: str
    path: str
    query: Mapping[str, str | int | bool | Sequence[str] | None] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str] | None = None
    content: bytes | Stream | None = None
    signed: bool = False
    expected: frozenset[int] = frozenset()
    timeout_s: float | None = None

    @property
    def repeatable(self) -> bool:
        """Whether a second sending after a lost connection does no harm."""
        return self.method != "POST" or "Idempotency-Key" in self.headers


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One server-sent event."""

    name: str
    data: str
    id: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for some seconds; outcome None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Listen:
    """Read server-sent events until ``wanted`` says yes.

    Outcome: that event, an error response, or None when the stream ended or time is over.
    """

    call: Call
    wanted: Callable[[ServerEvent], bool]
    seconds: float


@dataclass(frozen=True, slots=True)
class Save:
    """Write the body of a good answer to a file; outcome as of a Call."""

    call: Call
    target: Path
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """Run a function that takes time (the asynchronous client uses a thread); outcome its value."""

    function: Callable[[], Any]


Effect = Call | Pause | Listen | Save | Work
