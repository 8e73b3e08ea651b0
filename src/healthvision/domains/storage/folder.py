# SPDX-License-Identifier: Apache-2.0
"""Objects as files of a local folder: written beside, synced, renamed, folder synced."""

import asyncio
import contextlib
import errno
import os
import re
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from healthvision.domains.storage.errors import ObjectExists, ObjectMissing, StoreUnavailable
from healthvision.domains.storage.ports import Chunks, ObjectInfo
from healthvision.kernel.errors import Invalid, OutOfSpace, Problem

READ_BYTES = 4 << 20
_KEY = re.compile(r"[a-z0-9][a-z0-9_.-]*(/[a-z0-9][a-z0-9_.-]*)*\Z")
_NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def check_key(key: str) -> str:
    """Return the key when it is harmless as a path; raises Invalid."""
    if len(key) > 500 or not _KEY.match(key):
        raise Invalid("object keys are lower-case words joined by '/'")
    return key


def problem_of(error: OSError) -> Problem:
    """Return the Problem that an error of the file system means."""
    if error.errno in _NO_SPACE:
        return OutOfSpace("the disk of the object store is full")
    if isinstance(error, FileNotFoundError):
        return ObjectMissing("there is no such object")
    return StoreUnavailable(f"the object store cannot be used: {error.strerror}")


def sync_folder(folder: Path) -> None:
    """Make a folder's names durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class FolderStore:
    """Objects under one folder. A crash leaves at most files in ``.tmp``, which nobody reads."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.signs_urls = False
        self._root = root
        self._temporary = root / ".tmp"
        try:
            self._temporary.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise problem_of(error) from error

    async def put(self, key: str, chunks: Chunks, *, replace: bool = True) -> int:
        """Store an object at once or not at all; return its size when it is durable."""
        target = self._root / check_key(key)
        if isinstance(chunks, AsyncIterable):
            return await self._put_stream(target, chunks, replace)
        return await asyncio.to_thread(self._put_whole, target, chunks, replace)

    def _put_whole(self, target: Path, chunks: Sequence[bytes], replace: bool) -> int:
        beside = self._temporary / uuid4().hex
        try:
            with beside.open("xb", buffering=0) as file:
                for chunk in chunks:
                    _write(file.fileno(), chunk)
                os.fdatasync(file.fileno())
            self._publish(beside, target, replace)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise problem_of(error) from error
        return sum(len(c) for c in chunks)

    async def _put_stream(self, target: Path, chunks: AsyncIterable[bytes], replace: bool) -> int:
        beside = self._temporary / uuid4().hex
        size, file = 0, beside.open("xb", buffering=0)
        try:
            with file:
                async for chunk in chunks:
                    await asyncio.to_thread(_write, file.fileno(), chunk)
                    size += len(chunk)
                await asyncio.to_thread(os.fdatasync, file.fileno())
            await asyncio.to_thread(self._publish, beside, target, replace)
        except OSError as error:
            raise problem_of(error) from error
        finally:
            beside.unlink(missing_ok=True)
        return size

    def _publish(self, beside: Path, target: Path, replace: bool) -> None:
        self._make_folder(target.parent)
        if replace:
            beside.replace(target)
        else:
            try:
                os.link(beside, target)
            except FileExistsError:
                raise ObjectExists("this was uploaded before") from None
            beside.unlink()
        sync_folder(target.parent)

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
        sync_folder(folder.parent)

    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes of an object, in pieces of at most 4 MiB."""
        path = self._root / check_key(key)
        try:
            handle = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise problem_of(error) from error
        try:
            size = os.fstat(handle).st_size
            stop = size if end is None else min(end, size)
            while start < stop:
                piece = await asyncio.to_thread(
                    os.pread, handle, min(READ_BYTES, stop - start), start
                )
                if not piece:
                    return
                start += len(piece)
                yield piece
        except OSError as error:
            raise problem_of(error) from error
        finally:
            os.close(handle)

    def read_at(self, key: str, start: int, length: int) -> bytes:
        """Return bytes of an object, fewer at its end; for threads."""
        try:
            handle = os.open(self._root / check_key(key), os.O_RDONLY)
            try:
                return _pread(handle, start, length)
            finally:
                os.close(handle)
        except OSError as error:
            raise problem_of(error) from error

    def read_cached(self, key: str, start: int, length: int) -> bytes | None:
        """Return bytes of an object when the page cache has all of them, else None."""
        if _NOWAIT is None:
            return None
        try:
            handle = os.open(self._root / check_key(key), os.O_RDONLY)
        except OSError as error:
            raise problem_of(error) from error
        data = bytearray(length)
        try:
            if os.preadv(handle, [data], start, _NOWAIT) == length:
                return bytes(data)
        except OSError:
            return None
        finally:
            os.close(handle)
        return None

    async def head(self, key: str) -> ObjectInfo:
        """Return size and time of an object."""
        try:
            found = (self._root / check_key(key)).stat()
        except OSError as error:
            raise problem_of(error) from error
        return ObjectInfo(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    async def delete(self, key: str) -> None:
        """Remove an object; unknown keys are no error."""
        try:
            (self._root / check_key(key)).unlink(missing_ok=True)
        except OSError as error:
            raise problem_of(error) from error

    async def list(self, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        """Yield the objects below a prefix, in no order."""
        start = self._root / check_key(prefix.rstrip("/")) if prefix else self._root
        for folder, folders, files in os.walk(start):
            folders[:] = [f for f in folders if not f.startswith(".")]
            for name in files:
                path = Path(folder) / name
                with contextlib.suppress(FileNotFoundError):
                    found = path.stat()
                    at = datetime.fromtimestamp(found.st_mtime, UTC)
                    yield ObjectInfo(path.relative_to(self._root).as_posix(), found.st_size, at)

    async def presign(self, method: str, key: str, *, expires_s: int) -> str | None:
        """Return None: a folder has no URLs of its own; the room signs some."""
        return None


def _pread(handle: int, start: int, length: int) -> bytes:
    first = os.pread(handle, length, start)
    if len(first) in (0, length):
        return first
    parts, got = [first], len(first)
    while got < length and (more := os.pread(handle, length - got, start + got)):
        parts.append(more)
        got += len(more)
    return b"".join(parts)


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
