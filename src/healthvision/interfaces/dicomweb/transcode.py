# SPDX-License-Identifier: Apache-2.0
"""Who decodes and encodes pixels for the door: few at a time, apart, and never twice in a row.

What was made is kept in memory up to ``KEPT_BYTES`` by instance, digest and form, so that a viewer
that pages back and forth pays once. It never touches a disk, so nothing of it is unencrypted.
"""

import asyncio
import functools
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TypeVar

from healthvision.domains.archive import service as archive
from healthvision.domains.archive.schemas import InstanceRef
from healthvision.formats.dicom.transcoding import transcode, transcode_frame
from healthvision.kernel.apart import ChildLost, ChildProcesses
from healthvision.kernel.db import Database
from healthvision.kernel.errors import NotAcceptable

T = TypeVar("T")
CHILD_S = 60
CHILD_MB = 4096
KEPT_BYTES = 64 << 20
_AT_ONCE = 2  # decoding jobs of this process at the same time
_AHEAD_BYTES = 16 << 20  # a larger object is coded anew only when it is its turn


class CannotDecode(NotAcceptable):
    """The stored pixels cannot be given in this form here; ask for ``transfer-syntax=*``."""

    code, title = "cannot-decode", "Stored encoding cannot be decoded"


class Kept:
    """The most recently used byte strings, up to a number of bytes."""

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self._limit = limit
        self._held = 0
        self._values: OrderedDict[tuple[object, ...], bytes] = OrderedDict()

    def get(self, key: tuple[object, ...]) -> bytes | None:
        """Return a kept value and count it as used."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: tuple[object, ...], value: bytes) -> None:
        """Keep a value, unless it alone would take more than a quarter of the room."""
        if len(value) > self._limit // 4:
            return
        self._held += len(value) - len(self._values.pop(key, b""))
        self._values[key] = value
        while self._held > self._limit:
            _, dropped = self._values.popitem(last=False)
            self._held -= len(dropped)


class Decoders:
    """Lets few decoding jobs run at once: in a thread, or apart when a decoder in C is at work."""

    def __init__(self) -> None:
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._children = ChildProcesses(_AT_ONCE, memory_mb=CHILD_MB, seconds=CHILD_S)
        self.kept = Kept()

    async def run(self, function: Callable[..., T], *arguments: object, apart: bool = False) -> T:
        """Run a function that takes processor time and memory.

        ``apart``: in a child process, since some decoders end their process on damaged input.
        Raises CannotDecode.
        """
        if apart:
            try:
                return await self._children.run(function, *arguments)
            except ChildLost as lost:
                raise CannotDecode(lost.detail) from None
        async with self._gate:
            return await asyncio.to_thread(functools.partial(function, *arguments))

    def close(self) -> None:
        """End the children."""
        self._children.close()


def decoders_of(db: Database) -> Decoders:
    """Return the process's gate for decoding."""
    if not db.resources.has(Decoders):
        db.resources.put(Decoders, Decoders())
    return db.resources.get(Decoders)


async def object_as(db: Database, ref: InstanceRef, syntax: str) -> bytes:
    """Return a whole instance in another transfer syntax; raises CannotDecode.

    The caller has recorded the access.
    """
    decoders = decoders_of(db)
    key = (ref.id, ref.digest, syntax)
    made = decoders.kept.get(key)
    if made is None:
        data = await archive.read_bytes(db, ref)
        made = await decoders.run(transcode, data, syntax, apart=True)
        decoders.kept.put(key, made)
    return made


async def objects_as(
    db: Database, refs: Sequence[InstanceRef], syntaxes: Sequence[str]
) -> AsyncGenerator[bytes | None]:
    """Yield each instance in its transfer syntax, None for those that are stored in it.

    The next ones are begun while one is used, as many as run at once. Raises CannotDecode.
    """
    begun: dict[int, asyncio.Task[bytes]] = {}
    try:
        for number, (ref, syntax) in enumerate(zip(refs, syntaxes, strict=True)):
            if syntax == ref.transfer_syntax:
                yield None
                continue
            for place in range(number, min(number + 1 + _AT_ONCE, len(refs))):
                other = refs[place]
                small = place == number or other.size <= _AHEAD_BYTES
                if place not in begun and small and syntaxes[place] != other.transfer_syntax:
                    work = object_as(db, other, syntaxes[place])
                    begun[place] = asyncio.create_task(work)
            yield await begun.pop(number)
    finally:
        for task in begun.values():
            task.cancel()
        await asyncio.gather(*begun.values(), return_exceptions=True)


async def frame_as(
    db: Database, ref: InstanceRef, number: int, syntax: str, data: bytes | None = None
) -> bytes:
    """Return one frame (from 1) in another transfer syntax; raises CannotDecode.

    ``data``: the whole object when the caller has it. The caller has recorded the access.
    """
    decoders = decoders_of(db)
    key = (ref.id, ref.digest, syntax, number)
    made = decoders.kept.get(key)
    if made is None:
        data = await archive.read_bytes(db, ref) if data is None else data
        made = await decoders.run(transcode_frame, data, number - 1, syntax, apart=True)
        decoders.kept.put(key, made)
    return made
