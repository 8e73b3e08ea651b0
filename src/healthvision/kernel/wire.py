# SPDX-License-Identifier: Apache-2.0
"""One blocking TCP or TLS connection for a thread: exact reads, gathered writes, time limits.

Plain sockets stay in blocking mode and get their limits from the kernel (SO_RCVTIMEO), so that one
system call fills a buffer (MSG_WAITALL) while the interpreter's lock is free.
"""

import errno
import select
import socket
import ssl
import struct
from collections.abc import Sequence

from healthvision.kernel.clock import monotonic

Buffer = bytes | bytearray | memoryview
_VECTOR = 512  # parts of one gathered write; the system's limit is 1024
_TIMES_OUT = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ETIMEDOUT)


class WireClosed(ConnectionError):
    """The other side is gone."""


class WireTimeout(TimeoutError):
    """The other side was silent, or did not read, for too long."""


class Wire:
    """A connection that belongs to one thread; only ``shut`` may be called from others."""

    def __init__(self, sock: socket.socket, *, seconds: float) -> None:
        self._socket = sock
        self._tls = isinstance(sock, ssl.SSLSocket)
        self._seconds = 0.0
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._tls:
            sock.setblocking(True)
        self.limit(seconds)

    def limit(self, seconds: float) -> None:
        """Set for how long one read or write may take."""
        if seconds == self._seconds:
            return
        self._seconds = seconds
        if self._tls:
            self._socket.settimeout(seconds)
            return
        whole = int(seconds)
        packed = struct.pack("@ll", whole, max(int((seconds - whole) * 1e6), 0 if whole else 1))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._socket.setsockopt(socket.SOL_SOCKET, option, packed)

    @property
    def address(self) -> str:
        """Network address of the other side."""
        try:
            return str(self._socket.getpeername()[0])
        except OSError:
            return ""

    def secure(self, context: ssl.SSLContext, *, server: bool, host: str | None = None) -> None:
        """Change to TLS within the time limit; raises ssl.SSLError, WireTimeout, WireClosed."""
        raw = self._socket
        raw.settimeout(self._seconds)
        try:
            self._socket = context.wrap_socket(raw, server_side=server, server_hostname=host)
        except TimeoutError as error:
            raise WireTimeout("the handshake took too long") from error
        except ssl.SSLError:
            raise
        except OSError as error:
            raise WireClosed("the connection ended in the handshake") from error
        self._tls = True

    def certificate(self) -> bytes:
        """Return the other side's certificate (DER); empty without one."""
        if not isinstance(self._socket, ssl.SSLSocket):
            return b""
        return self._socket.getpeercert(binary_form=True) or b""

    def read_some(self, view: memoryview) -> int:
        """Read at least one byte; raises WireClosed at the end, WireTimeout."""
        return self._receive(view, 0)

    def read_full(self, view: memoryview) -> None:
        """Fill the view; raises WireClosed when the end comes before, WireTimeout.

        All of it must arrive within about twice the limit, however small the pieces.
        """
        end: float | None = None
        while len(view):
            view = view[self._receive(view, 0 if self._tls else socket.MSG_WAITALL) :]
            if len(view):
                end = end or monotonic() + self._seconds
                if monotonic() > end:
                    raise WireTimeout("the other side is too slow")

    def _receive(self, view: memoryview, flags: int) -> int:
        try:
            if self._tls:
                got = self._socket.recv_into(view)
            else:
                got = self._socket.recv_into(view, 0, flags)
        except OSError as error:
            raise _failure(error) from error
        if got == 0:
            raise WireClosed("the connection ended")
        return got

    def write(self, parts: Sequence[Buffer]) -> None:
        """Send all parts in order; raises WireClosed, WireTimeout."""
        try:
            if self._tls:
                self._socket.sendall(b"".join(parts))
                return
            for start in range(0, len(parts), _VECTOR):
                self._send(list(parts[start : start + _VECTOR]))
        except OSError as error:
            raise _failure(error) from error

    def _send(self, parts: list[Buffer]) -> None:
        while parts:
            sent = self._socket.sendmsg(parts)
            while parts and sent >= len(parts[0]):
                sent -= len(parts.pop(0))
            if sent:
                parts[0] = memoryview(parts[0])[sent:]

    def readable(self, seconds: float = 0.0) -> bool:
        """Tell whether something (or the end) can be read now."""
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def shut(self) -> None:
        """Wake a thread that waits on this connection; it then meets WireClosed."""
        try:
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            return

    def close(self) -> None:
        """Give the connection back to the system."""
        self._socket.close()


def _failure(error: OSError) -> OSError:
    if isinstance(error, TimeoutError) or error.errno in _TIMES_OUT:
        return WireTimeout("the other side was silent for too long")
    return WireClosed("the connection broke")


def connect(
    host: str,
    port: int,
    *,
    seconds: float,
    tls: ssl.SSLContext | None = None,
    address: tuple[str, int] | None = None,
) -> Wire:
    """Connect to a host; raises WireClosed, WireTimeout, ssl.SSLError.

    ``seconds``: for connecting, the handshake, and afterwards each read and write.
    ``address``: the local end.
    """
    try:
        sock = socket.create_connection((host, port), timeout=seconds, source_address=address)
    except OSError as error:
        raise _failure(error) from error
    wire = Wire(sock, seconds=seconds)
    if tls is not None:
        try:
            wire.secure(tls, server=False, host=host)
        except BaseException:
            wire.close()
            raise
    return wire
