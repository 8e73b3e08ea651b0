# SPDX-License-Identifier: Apache-2.0
"""A listening port whose connections each have a thread, with limits against crowding.

A connection is *waiting* until its conversation is admitted. Waiting ones cannot keep others out:
when there are too many, the oldest is closed. Admitted ones are limited in all and per host.
"""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from healthvision.kernel.telemetry import logger
from healthvision.kernel.wire import Wire

_log = logger("kernel.listening")
_BACKLOG = 512


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many connections there may be, and seconds for the first read of each."""

    admitted: int = 200
    per_host: int = 50
    waiting: int = 500
    first_s: float = 10.0


@dataclass(eq=False, slots=True)
class Connection:
    """One accepted connection. ``host``: its address as the limits count it."""

    wire: Wire
    host: str
    admitted: bool = False
    thread: threading.Thread | None = field(default=None, repr=False)


class Listener:
    """Accepts connections and serves each in a thread of its own."""

    def __init__(
        self, sock: socket.socket, serve: Callable[[Connection], None], crowd: Crowd
    ) -> None:
        self._socket = sock
        self._serve = serve
        self._crowd = crowd
        self._lock = threading.Lock()
        self._open: dict[Connection, None] = {}  # oldest first
        self._stopping = False
        self._thread = threading.Thread(target=self._accept, name="dimse-accept", daemon=True)

    @property
    def port(self) -> int:
        """The port we listen on."""
        return int(self._socket.getsockname()[1])

    @property
    def count(self) -> int:
        """Connections that are open now."""
        return len(self._open)

    def start(self) -> None:
        """Begin to accept."""
        self._socket.listen(_BACKLOG)
        self._thread.start()

    def admit(self, connection: Connection) -> bool:
        """Count the connection among the admitted; False when the limits do not allow it."""
        with self._lock:
            admitted = [c for c in self._open if c.admitted]
            same = sum(c.host == connection.host for c in admitted)
            if len(admitted) >= self._crowd.admitted or same >= self._crowd.per_host:
                return False
            connection.admitted = True
            return True

    def stop(self, seconds: float = 5.0) -> None:
        """Accept no more, wake all threads and wait for them at most so long each."""
        self._stopping = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            _log.debug("listener was not connected")
        self._socket.close()
        self._thread.join(seconds)
        with self._lock:
            left = list(self._open)
        for connection in left:
            connection.wire.shut()
        for connection in left:
            if connection.thread is not None:
                connection.thread.join(seconds)

    def _accept(self) -> None:
        while not self._stopping:
            try:
                sock, address = self._socket.accept()
            except OSError as error:
                if self._stopping:
                    return
                _log.warning("a connection could not be accepted", error=type(error).__name__)
                threading.Event().wait(0.1)  # no descriptors left: some will be closed
                continue
            try:
                self._begin(sock, str(address[0]))
            except (OSError, RuntimeError) as error:
                sock.close()
                _log.warning("a connection could not be served", error=type(error).__name__)

    def _begin(self, sock: socket.socket, host: str) -> None:
        connection = Connection(Wire(sock, seconds=self._crowd.first_s), host)
        thread = threading.Thread(
            target=self._run, args=(connection,), name="dimse-association", daemon=True
        )
        connection.thread = thread
        with self._lock:
            waiting = [c for c in self._open if not c.admitted]
            self._open[connection] = None
        if len(waiting) >= self._crowd.waiting:
            waiting[0].wire.shut()
        try:
            thread.start()
        except RuntimeError:
            with self._lock:
                self._open.pop(connection, None)
            raise

    def _run(self, connection: Connection) -> None:
        try:
            self._serve(connection)
        finally:
            connection.wire.close()
            with self._lock:
                self._open.pop(connection, None)


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a bound socket; ``shared``: several processes of this installation use the port.

    Raises OSError when the port is taken.
    """
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock
