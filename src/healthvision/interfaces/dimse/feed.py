# SPDX-License-Identifier: Apache-2.0
"""Stored objects for a thread: read ahead on the platform's loop, given piece by piece."""

from collections import deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future

from healthvision.domains.archive.errors import StorageDamaged
from healthvision.domains.archive.schemas import InstanceRef
from healthvision.interfaces.dimse.desk import Desk
from healthvision.kernel.errors import Problem

AHEAD_BYTES = 4 << 20  # read while what came before is sent

Pieces = deque[tuple[int, bytes]]


class Feed:
    """The bytes of instances in order. ``close`` must follow."""

    def __init__(self, desk: Desk, refs: list[InstanceRef]) -> None:
        self._desk = desk
        self._refs = refs
        self._failure: Problem | None = None
        self._open(0)

    def _open(self, position: int) -> None:
        self._first = position  # in refs, of the first piece of the present stream
        self._held: Pieces = deque()
        self._failure = None
        self._stream = self._desk.open_many(self._refs[position:])
        self._coming: Future[Pieces] = self._desk.begin(self._ahead(self._stream))

    async def _ahead(self, stream: AsyncIterator[tuple[int, bytes]]) -> Pieces:
        """Read some pieces; an empty answer is the end, or ``_failure`` says why."""
        found: Pieces = deque()
        held = 0
        try:
            async for position, piece in stream:
                found.append((position + self._first, piece))
                held += len(piece)
                if held >= AHEAD_BYTES:
                    break
        except Problem as problem:
            self._failure = problem
        return found

    def pieces(self, position: int) -> Iterator[bytes]:
        """Yield the file at a position; positions must not go back.

        Raises StorageDamaged or another Problem; later positions can still be read.
        """
        left = self._refs[position].size
        while left:
            at, piece = self._next(position)
            if at == position:
                left -= len(piece)
                yield piece

    def _next(self, position: int) -> tuple[int, bytes]:
        while not self._held:
            self._held = self._coming.result()
            if self._held:
                self._coming = self._desk.begin(self._ahead(self._stream))
                break
            problem = self._failure or StorageDamaged("the stored bytes end too early")
            if position + 1 < len(self._refs):
                self._open(position + 1)
            raise problem
        return self._held.popleft()

    def close(self) -> None:
        """Stop reading."""
        self._coming.result()
        self._desk.wait(_closed(self._stream))


async def _closed(stream: AsyncIterator[tuple[int, bytes]]) -> None:
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()
