# SPDX-License-Identifier: Apache-2.0
"""Who writes next on SQLite: a sender that waits for its answer goes before background work.

SQLite lets one transaction write at a time, and those that wait ask again after pauses that grow
to a tenth of a second, so that with several background writers a sender may wait for many of
them. Here it holds a shared lock on a small file beside the database as long as it waits; the
others, of all processes, look at that before they begin and let it pass. A hint only: nobody
waits for it longer than ``LONGEST_S``, and without the file all goes on as before.
"""

import asyncio
import fcntl
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from sqlalchemy.engine import make_url

from healthvision.kernel.clock import monotonic

LOOK_S = 0.001
LONGEST_S = 0.1
ASK_S = 0.0005  # a sender asks for the database that often
TRIES = 5
SUFFIX = "-way"  # of the file's name


class Turns:
    """Background transactions of one process that read much before they end: one at a time.

    On SQLite each would keep all other writers waiting meanwhile. Behind one during which a sender
    came to wait, as much time as it took is left to senders, at most ``LONGEST_S``. For one event
    loop.
    """

    def __init__(self, url: str) -> None:
        self._way = right_of_way(url)
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn; the block is the transaction. Elsewhere than on SQLite nobody waits."""
        if not self._way.path:
            yield
            return
        async with self._lock:
            begun = monotonic()
            yield
            if self._way.is_wanted():
                await asyncio.sleep(min(LONGEST_S, monotonic() - begun))


@dataclass(slots=True)
class RightOfWay:
    """The sign of one database; ``path`` is '' when there is none. For all threads."""

    path: str
    _local: threading.local = field(default_factory=threading.local)

    @contextmanager
    def wanted(self) -> Iterator[None]:
        """Ask the others to let us pass while the block runs."""
        file = self._file()
        if file is None:
            yield
            return
        shared = self._shared(file)
        try:
            yield
        finally:
            if shared:
                fcntl.flock(file, fcntl.LOCK_UN)

    def is_wanted(self) -> bool:
        """Tell whether a sender waits."""
        file = self._file()
        if file is None:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # a file system without such locks
            self.path = ""
            return False
        fcntl.flock(file, fcntl.LOCK_UN)
        return False

    def _shared(self, file: "_File") -> bool:
        """Take the lock of those who wait; False when others look just now, again and again."""
        for _ in range(TRIES):
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(ASK_S)
            except OSError:
                self.path = ""
                return False
            else:
                return True
        return False

    def _file(self) -> "_File | None":
        """Return this thread's own opening of the file: locks are between openings."""
        if not self.path:
            return None
        found: _File | None = getattr(self._local, "file", None)
        if found is None:
            try:
                found = self._local.file = _File(self.path)
            except OSError:
                self.path = ""
        return found


class _File:
    """An open file that is closed with its thread."""

    _number = -1

    def __init__(self, path: str) -> None:
        self._number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def fileno(self) -> int:
        """Return the number of the open file."""
        return self._number

    def __del__(self) -> None:
        """Close it."""
        if self._number >= 0:
            os.close(self._number)


def right_of_way(url: str) -> RightOfWay:
    """Return the sign of a database; one that is not a SQLite file has none."""
    parsed = make_url(url)
    named = parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:")
    return RightOfWay(f"{parsed.database}{SUFFIX}" if named else "")
