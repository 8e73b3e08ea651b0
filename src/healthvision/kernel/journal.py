# SPDX-License-Identifier: Apache-2.0
"""An append-only journal of one process: numbered segments in a folder it holds the lock of.

A record is a prefix (magic, lengths of head and body, CRC-32 of the head and of the prefix), head,
body and the CRC-32 of the body. Appending writes to the page cache; ``sync`` makes durable what was
appended so far, one fdatasync for all who wait. A record that was not written in full is cut off,
so that the next one follows the last good one. Errors are OSErrors; nothing here knows what a
record means.
"""

import fcntl
import mmap
import os
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

SEGMENT_BYTES = 64 << 20
MAGIC = b"HVJ\x01"
_PREFIX = struct.Struct("<4sIQI")  # magic, head length, body length, CRC of the head
_CRC = struct.Struct("<I")
PREFIX_BYTES = _PREFIX.size + _CRC.size
LOCK = "lock"
_SUFFIX = ".log"
_MAX_HEAD = 1 << 20
_PIECE = 1 << 20
_PARTS = 512  # below IOV_MAX


class Position(NamedTuple):
    """A place in the order of a journal."""

    segment: int
    offset: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where one record lies; ``offset`` and ``length`` are of its body, in bytes."""

    segment: int
    start: int
    offset: int
    length: int
    ticket: int = 0

    @property
    def position(self) -> Position:
        """Return the place of the record in the journal's order."""
        return Position(self.segment, self.start)

    @property
    def name(self) -> str:
        """Return the file name of the record's segment."""
        return segment_name(self.segment)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a segment; its body lies at ``place`` of ``path``, ``whole`` or damaged."""

    path: Path
    head: bytes
    place: Place
    whole: bool = True

    def body(self) -> bytes:
        """Return the body; only for records of a size that fits into memory."""
        with self.path.open("rb") as file:
            return os.pread(file.fileno(), self.place.length, self.place.offset)

    def pieces(self) -> Iterator[bytes]:
        """Yield the body in pieces of at most 1 MiB."""
        with self.path.open("rb") as file:
            at, end = self.place.offset, self.place.offset + self.place.length
            while at < end and (piece := os.pread(file.fileno(), min(_PIECE, end - at), at)):
                yield piece
                at += len(piece)


class JournalOwned(Exception):
    """Another process holds the lock of the journal's folder: it lives."""


def segment_name(segment: int) -> str:
    """Return the file name of a segment."""
    return f"{segment:08d}{_SUFFIX}"


def segments(folder: Path) -> list[Path]:
    """Return the segments of a journal in order."""
    return sorted(p for p in folder.glob(f"*{_SUFFIX}") if p.stem.isdigit())


class Hold:
    """The lock of a journal's folder, held until ``release`` or the end of the process."""

    def __init__(self, folder: Path) -> None:
        """Take the lock; raises JournalOwned when a living process has it, FileNotFoundError."""
        self._handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._handle)
            raise JournalOwned(folder.name) from None
        if os.fstat(self._handle).st_nlink == 0:  # the folder was removed in between
            os.close(self._handle)
            raise JournalOwned(folder.name)

    def release(self) -> None:
        """Let others take the folder over."""
        os.close(self._handle)


class _File:
    """One open segment that is written to."""

    def __init__(self, folder: Path, number: int) -> None:
        self.number = number
        self.size = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self.handle = os.open(folder / segment_name(number), flags, 0o600)

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        """Append all parts or none."""
        start = at = self.size
        try:
            for first in range(0, len(parts), _PARTS):
                at = self._write_some(parts[first : first + _PARTS], at)
        except OSError:
            os.ftruncate(self.handle, start)
            raise
        self.size = at

    def _write_some(self, parts: Sequence[bytes | memoryview], at: int) -> int:
        end = at + sum(map(len, parts))
        at += os.pwritev(self.handle, parts, at)
        if at < end:  # a full disk says so at the next try
            rest = memoryview(b"".join(parts))[at - end :]
            while rest:
                count = os.pwrite(self.handle, rest, at)
                rest, at = rest[count:], at + count
        return at


class Journal:
    """The journal of this process; safe to use from many threads.

    ``pending`` records are those appended and not ``done``: the checkpoint never passes them.
    """

    def __init__(self, folder: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Make the folder and take its lock; raises JournalOwned, OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        _sync_folder(folder.parent)
        self.folder = folder
        self._hold = Hold(folder)
        self._segment_bytes = segment_bytes
        self._lock = threading.Lock()
        self._synced_all = threading.Condition(self._lock)
        present = segments(folder)
        self._next = int(present[-1].stem) + 1 if present else 1
        self._file: _File | None = None
        self._dirty: list[_File] = []
        self._pending: dict[Position, None] = {}
        self._written = self._synced = 0  # tickets
        self._failed: list[range] = []
        self._syncing = False

    def append(self, head: bytes, body: Sequence[bytes]) -> Place:
        """Write one record and return its place; it is durable only after ``sync``."""
        length, crc = 0, 0
        for part in body:
            length, crc = length + len(part), zlib.crc32(part, crc)
        before = _before(head, length)
        with self._lock:
            file = self._current()
            start = file.size
            file.write([before, *body, _CRC.pack(crc)])
            self._written += 1
            place = Place(file.number, start, start + len(before), length, self._written)
            self._pending[place.position] = None
            if file not in self._dirty:
                self._dirty.append(file)
        return place

    def solo(self, head: bytes, length: int, pieces: Iterable[bytes]) -> Place:
        """Write one large record into a segment of its own, piece by piece; it is durable then.

        ``length``: of all pieces together; ValueError when they are not as long.
        """
        with self._lock:
            self._leave()  # what comes later lies in a later segment
            number, self._next = self._next, self._next + 1
            position = Position(number, 0)
            self._pending[position] = None
        try:
            return self._write_solo(number, head, length, pieces)
        except BaseException:
            (self.folder / segment_name(number)).unlink(missing_ok=True)
            self.done([position])
            raise

    def _write_solo(self, number: int, head: bytes, length: int, pieces: Iterable[bytes]) -> Place:
        before, crc, total = _before(head, length), 0, 0
        file = _File(self.folder, number)
        try:
            file.write([before])
            for piece in pieces:
                file.write([piece])
                crc, total = zlib.crc32(piece, crc), total + len(piece)
            if total != length:
                raise ValueError("the record is not as long as promised")
            file.write([_CRC.pack(crc)])
            os.fdatasync(file.handle)
            _sync_folder(self.folder)
        finally:
            os.close(file.handle)
        return Place(number, 0, len(before), length)

    def sync(self, place: Place) -> None:
        """Return when the record is durable; raises OSError when it cannot be made so."""
        with self._synced_all:
            while self._synced < place.ticket and self._syncing:
                self._synced_all.wait()
            if self._synced >= place.ticket:
                self._check(place.ticket)
                return
            self._syncing = True
            target, files = self._written, self._dirty
            self._dirty = []
        error: OSError | None = None
        for file in files:
            try:
                os.fdatasync(file.handle)
            except OSError as found:
                error = found
        with self._synced_all:
            self._after_sync(target, files, failed=error is not None)
        if error is not None:
            raise error

    def _after_sync(self, target: int, files: list[_File], *, failed: bool) -> None:
        if failed:  # what such pages hold is unknown: never write behind them
            self._failed.append(range(self._synced + 1, target + 1))
            self._file = None
        self._synced, self._syncing = target, False
        for file in files:
            if file is not self._file and file not in self._dirty:
                os.close(file.handle)
        self._synced_all.notify_all()

    def _check(self, ticket: int) -> None:
        if any(ticket in tickets for tickets in self._failed):
            raise OSError("the journal could not be made durable")

    def _current(self) -> _File:
        file = self._file
        if file is not None and file.size < self._segment_bytes:
            return file
        self._leave()
        fresh = _File(self.folder, self._next)
        self._next += 1
        _sync_folder(self.folder)
        self._file = fresh
        return fresh

    def _leave(self) -> None:
        if self._file is not None and self._file not in self._dirty:
            self._dirty.append(self._file)  # closed by the next sync
        self._file = None

    def done(self, positions: Iterable[Position]) -> None:
        """Note that records need no replay any more (committed, refused or given up)."""
        with self._lock:
            for position in positions:
                self._pending.pop(position, None)

    def checkpoint(self, finishing: Iterable[Position] = ()) -> Position:
        """Return the position before which no record needs a replay once ``finishing`` are done."""
        leaving = set(finishing)
        with self._lock:
            waiting = [p for p in self._pending if p not in leaving]
            if waiting:
                return min(waiting)
            if self._file is not None:
                return Position(self._file.number, self._file.size)
            return Position(self._next, 0)

    @property
    def next_segment(self) -> int:
        """Return a number above those of all segments."""
        with self._lock:
            return self._next

    def close(self) -> None:
        """Close the files and give up the lock; nobody may be appending."""
        with self._lock:
            for file in {id(f): f for f in (*self._dirty, *filter(None, [self._file]))}.values():
                os.close(file.handle)
            self._file, self._dirty = None, []
        self._hold.release()


def records(path: Path, start: int = 0, *, damaged: bool = False) -> Iterator[Record]:
    """Yield the whole records of a segment from ``start`` on.

    A torn tail ends the walk; damaged records in between are passed over, with ``damaged`` only
    those whose head cannot be read.
    """
    size = path.stat().st_size
    if size <= start:
        return
    number = int(path.stem)
    with path.open("rb") as file, mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as data:
        at = start
        while 0 <= at < size:
            found = _prefix(data, at)
            if found is None:
                at = data.find(MAGIC, at + 1)
                continue
            head_length, length = found
            body = at + PREFIX_BYTES + head_length
            if body + length + _CRC.size > size:
                at = data.find(MAGIC, at + 1)
                continue
            whole = _crc(data, body, length) == _CRC.unpack_from(data, body + length)[0]
            if whole or damaged:
                head = data[at + PREFIX_BYTES : body]
                yield Record(path, head, Place(number, at, body, length), whole)
            at = body + length + _CRC.size


def _prefix(data: mmap.mmap, at: int) -> tuple[int, int] | None:
    """Return the lengths of head and body of the record at an offset, None when there is none."""
    raw = data[at : at + PREFIX_BYTES]
    if len(raw) < PREFIX_BYTES:
        return None
    magic, head_length, length, head_crc = _PREFIX.unpack_from(raw)
    if magic != MAGIC or zlib.crc32(raw[: _PREFIX.size]) != _CRC.unpack_from(raw, _PREFIX.size)[0]:
        return None
    begin = at + PREFIX_BYTES
    if head_length > _MAX_HEAD or zlib.crc32(data[begin : begin + head_length]) != head_crc:
        return None
    return head_length, length


def _crc(data: mmap.mmap, start: int, length: int) -> int:
    crc = 0
    for at in range(start, start + length, _PIECE):
        crc = zlib.crc32(data[at : min(at + _PIECE, start + length)], crc)
    return crc


def _before(head: bytes, length: int) -> bytes:
    prefix = _PREFIX.pack(MAGIC, len(head), length, zlib.crc32(head))
    return b"".join((prefix, _CRC.pack(zlib.crc32(prefix)), head))


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
