# SPDX-License-Identifier: Apache-2.0
"""Where a data set is gathered while it arrives: memory, then a scratch file, within a limit."""

from collections.abc import Callable
from typing import BinaryIO

_KEPT = 2 << 20  # a larger buffer is given back after its message
_FIRST = 1 << 17


class Body:
    """Gathers one data set after another behind a given start (the head of a Part 10 file).

    ``memory`` and ``most``: bytes held in memory, and bytes at all; ``spool``: makes the file for
    what is larger than memory. What comes beyond ``most`` is read and dropped.
    """

    def __init__(self, memory: int, most: int, spool: Callable[[], BinaryIO] | None = None) -> None:
        self._memory = memory if spool is not None else most
        self._most = most
        self._spool = spool
        self._buffer = bytearray(_FIRST)
        self._filled = 0
        self._total = 0
        self._file: BinaryIO | None = None
        self._failure: Exception | None = None
        self._over = False

    def begin(self, start: bytes = b"") -> None:
        """Forget what was gathered and begin anew."""
        self.drop()
        if len(self._buffer) > _KEPT:
            self._buffer = bytearray(_FIRST)
        self._buffer[: len(start)] = start
        self._filled = self._total = len(start)

    def drop(self) -> None:
        """Close the scratch file, if there is one."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._failure = None
        self._over = False

    @property
    def too_large(self) -> bool:
        """Tell whether more than ``most`` bytes came."""
        return self._over

    @property
    def failure(self) -> Exception | None:
        """What went wrong with the scratch file; the rest of the data set was dropped."""
        return self._failure

    def room(self, wanted: int) -> memoryview:
        """Return where the next bytes are to be written: between 1 and ``wanted``."""
        if self._dropping:
            return memoryview(self._buffer)[: min(wanted, len(self._buffer))]
        if self._total + wanted > self._most:
            self._over = True
            return self.room(wanted)
        if self._file is None and self._filled + wanted > self._memory:
            self._begin_file()
            return self.room(wanted)
        start = 0 if self._file is not None else self._filled
        need = start + wanted
        if need > len(self._buffer):
            larger = bytearray(max(need, 2 * len(self._buffer)))
            larger[:start] = self._buffer[:start]
            self._buffer = larger
        return memoryview(self._buffer)[start:need]

    @property
    def _dropping(self) -> bool:
        return self.too_large or self._failure is not None

    def took(self, count: int) -> None:
        """Note that so many bytes were written to the view of ``room``."""
        self._total += count
        if self._dropping:
            return
        if self._file is None:
            self._filled += count
        else:
            self._write(memoryview(self._buffer)[:count])

    def _begin_file(self) -> None:
        assert self._spool is not None  # without one, memory is all there may be
        try:
            self._file = self._spool()
        except Exception as error:  # told to the peer when the data set has ended
            self._failure = error
            return
        self._write(memoryview(self._buffer)[: self._filled])

    def _write(self, view: memoryview) -> None:
        assert self._file is not None
        try:
            self._file.write(view)
        except OSError as error:
            self._failure = error

    def first(self, count: int) -> bytes:
        """Return the first bytes that were gathered, at most ``count``."""
        if self._file is None:
            return bytes(memoryview(self._buffer)[: min(count, self._filled)])
        self._file.seek(0)
        return self._file.read(count)

    def whole(self) -> bytes | BinaryIO:
        """Return what was gathered; a file stays ours: ``drop`` or ``begin`` closes it."""
        if self._file is None:
            return bytes(memoryview(self._buffer)[: self._filled])
        self._file.flush()
        return self._file
