# SPDX-License-Identifier: Apache-2.0
"""One association after negotiation: messages in and out over a wire, for both sides.

It opens no connection: the caller gives it a ``kernel.wire.Wire``. Data sets are read straight
into the buffer they stay in, and sent straight from the buffers they lie in.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from healthvision.formats.dicom import dimse, ul
from healthvision.formats.dicom.body import Body
from healthvision.formats.dicom.dimse import Command
from healthvision.formats.dicom.ul import ProtocolError
from healthvision.kernel.clock import monotonic
from healthvision.kernel.wire import Buffer, Wire, WireTimeout

OWN_MAX_PDU = 128 * 1024  # what we offer to take
_LARGEST_PDU = 1 << 20  # what we take from peers that count wrongly
_LARGEST_SENT = 1 << 20
_LEAST_PDU = 128
_BATCH_PARTS = 256
_PDV = struct.Struct(">BxIIBB")  # type, length of the unit; of its value
_VALUE = struct.Struct(">IBB")
_COMMAND, _LAST = 1, 2


class Released(Exception):
    """The peer ended the association in order; it has its answer."""


class Aborted(Exception):
    """The peer ended the association at once."""


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context. ``stores``: data sets may go to the requestor (C-GET)."""

    number: int
    abstract: str
    syntax: str
    stores: bool = False


@dataclass(frozen=True, slots=True)
class Timers:
    """Seconds: for one unit within a message, between messages, and for a whole association."""

    unit_s: float = 30.0
    idle_s: float = 300.0
    total_s: float = 86400.0


def _nothing() -> None:
    """Do nothing."""


class Association:
    """A negotiated association that belongs to one thread."""

    def __init__(
        self, wire: Wire, contexts: Mapping[int, Context], peer_max_pdu: int, timers: Timers
    ) -> None:
        if 0 < peer_max_pdu < _LEAST_PDU:
            raise ProtocolError("the peer takes too small units")
        self.wire = wire
        self.contexts = contexts
        self._fragment = min(peer_max_pdu or _LARGEST_SENT, _LARGEST_SENT) - 6
        self._timers = timers
        self._end = monotonic() + timers.total_s
        self._left = 0  # bytes of the present P-DATA that were not read
        self._head = bytearray(12)
        self._view = memoryview(self._head)
        self._message = 0
        self.before_release: Callable[[], None] = _nothing  # run before a release is answered

    def next_id(self) -> int:
        """Return the number of our next request."""
        self._message = self._message % 0xFFFF + 1
        return self._message

    def context_for(self, abstract: str, syntax: str | None = None) -> Context | None:
        """Return an accepted context of a class, with this transfer syntax if one is given."""
        for context in self.contexts.values():
            if context.abstract == abstract and syntax in (None, context.syntax):
                return context
        return None

    # Reading

    def next_command(self) -> tuple[Context, Command]:
        """Wait for the next message and read its command.

        Raises Released, Aborted, ProtocolError, WireClosed, WireTimeout. When the command has a
        data set, ``read_body`` must follow.
        """
        if self._left == 0:
            self.wire.limit(self._timers.idle_s)
        parts, number, last = bytearray(), None, False
        while not last:
            found, flags, length = self._next_value()
            if not flags & _COMMAND or number not in (None, found):
                raise ProtocolError("a data set came where a command was due", 2)
            number, last = found, bool(flags & _LAST)
            if len(parts) + length > dimse.LARGEST_COMMAND:
                raise ProtocolError("the command is too long")
            piece = bytearray(length)
            self._fill(memoryview(piece))
            parts += piece
            self.wire.limit(self._timers.unit_s)
        context = self.contexts.get(number or 0)
        if context is None:
            raise ProtocolError("a message names a context that was not accepted")
        return context, dimse.decode(bytes(parts))

    def poll_command(self) -> tuple[Context, Command] | None:
        """Return a command that has arrived; None when there is none."""
        return self.next_command() if self._left or self.wire.readable() else None

    def read_body(self, context: Context, body: Body) -> None:
        """Read the data set of the command before into ``body``."""
        last = False
        while not last:
            number, flags, length = self._next_value()
            if flags & _COMMAND or number != context.number:
                raise ProtocolError("a command came within a data set", 2)
            last = bool(flags & _LAST)
            while length:
                view = body.room(length)
                self._fill(view)
                body.took(len(view))
                length -= len(view)

    def _fill(self, view: memoryview) -> None:
        if len(view):
            self.wire.read_full(view)

    def _next_value(self) -> tuple[int, int, int]:
        """Return context number, flags and length of the next presentation data value."""
        if monotonic() > self._end:
            raise WireTimeout("the association lasts too long")
        if self._left == 0:
            self._next_pdu()
        else:
            if self._left < 6:
                raise ProtocolError("a data value is cut off")
            self.wire.read_full(self._view[6:12])
        length, number, flags = _VALUE.unpack_from(self._head, 6)
        if length < 2 or length + 4 > self._left:
            raise ProtocolError("a data value is longer than its unit")
        self._left -= length + 4
        return number, flags, length - 2

    def _next_pdu(self) -> None:
        """Read the head of a P-DATA and of its first value into ``_head``; or raise what came."""
        got = self._read_head(0, 6)
        kind, length = ul.head_of(self._head)
        if kind == ul.P_DATA:
            if not 6 <= length <= _LARGEST_PDU:
                raise ProtocolError("a data unit has a length that is not allowed")
            self._read_head(got, 12)
            self._left = length
            return
        if kind not in (ul.RELEASE_RQ, ul.ABORT) or length != 4:
            raise ProtocolError("an unexpected unit came", ul.REASON_UNEXPECTED)
        self._read_head(got, 10)
        if kind == ul.ABORT:
            raise Aborted
        self.before_release()
        self.wire.write([ul.pdu(ul.RELEASE_RP, bytes(4))])
        raise Released

    def _read_head(self, got: int, wanted: int) -> int:
        while got < wanted:
            got += self.wire.read_some(self._view[got:12])
        return got

    # Writing

    def send(
        self,
        context: Context,
        command: Command,
        pieces: Iterable[Buffer] = (),
        total: int | None = None,
    ) -> None:
        """Send a message. ``total``: sum of the lengths of ``pieces``, the data set's bytes.

        Raises WireClosed, WireTimeout; ValueError when the pieces do not make ``total``.
        """
        batch: list[Buffer] = []
        raw = dimse.encode(command)
        self._cut(context, raw, batch)
        if total is not None:
            for parts in self._data_units(context, pieces, total):
                batch += parts
                if len(batch) >= _BATCH_PARTS:
                    self.wire.write(batch)
                    batch = []
        if batch:
            self.wire.write(batch)

    def _cut(self, context: Context, raw: bytes, out: list[Buffer]) -> None:
        for start in range(0, len(raw), self._fragment):
            piece = raw[start : start + self._fragment]
            last = _LAST if start + len(piece) == len(raw) else 0
            out += (self._unit(context, len(piece), _COMMAND | last), piece)

    def _unit(self, context: Context, length: int, flags: int) -> bytes:
        return _PDV.pack(ul.P_DATA, length + 6, length + 2, context.number, flags)

    def _data_units(
        self, context: Context, pieces: Iterable[Buffer], total: int
    ) -> Iterator[list[Buffer]]:
        if total == 0:
            yield [self._unit(context, 0, _LAST)]
        source, piece = iter(pieces), memoryview(b"")
        while total:
            size = min(self._fragment, total)
            total -= size
            parts: list[Buffer] = [self._unit(context, size, 0 if total else _LAST)]
            while size:
                if not len(piece):
                    found = next(source, None)
                    if found is None:
                        raise ValueError("the data set is shorter than was said")
                    piece = memoryview(found)
                    continue
                parts.append(piece[:size])
                size -= len(parts[-1])
                piece = piece[len(parts[-1]) :]
            yield parts

    # Ending

    def release(self, seconds: float = 10.0) -> None:
        """End the association in order, as the requestor."""
        self.wire.limit(seconds)
        self.wire.write([ul.pdu(ul.RELEASE_RQ, bytes(4))])
        self._read_head(0, 10)

    def abort(self, source: int = 0, reason: int = 0) -> None:
        """End the association at once."""
        self.wire.limit(5.0)
        self.wire.write([ul.abort(source, reason)])
