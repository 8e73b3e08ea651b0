# SPDX-License-Identifier: Apache-2.0
"""Zips from outside: bounded in size, ratio, number and depth, without path tricks.

All of that is decided from the directory before the first file is opened; a zip that lies
there is found while it is read (sizes and CRC are checked by the reader).
"""

import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from healthvision.domains.archive.errors import UnsafeArchive
from healthvision.domains.archive.records.kinds import HEAD_BYTES, by_bytes
from healthvision.domains.archive.settings import ArchiveSettings

SMALL_FILE = 1 << 20  # below this, a file's own ratio does not matter; the whole zip's does
READ_BYTES = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others are expanded without a bound
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a zip. ``open_file`` is None when it cannot be read, for ``reason``."""

    name: str
    size: int
    file: BinaryIO | None
    reason: str = ""


@dataclass(slots=True)
class _Budget:
    settings: ArchiveSettings
    expanded: int = 0
    files: int = 0


def open_zip(source: BinaryIO) -> zipfile.ZipFile:
    """Open a zip; raises UnsafeArchive when it is none."""
    try:
        return zipfile.ZipFile(source)
    except (*_BROKEN, ValueError):
        raise UnsafeArchive("the zip cannot be read", reason="bad-zip") from None


def check(source: BinaryIO, settings: ArchiveSettings) -> int:
    """Check the directory of a zip and return the number of its files; raises UnsafeArchive."""
    with open_zip(source) as opened:
        return _check(opened, _size(source), _Budget(settings))


def _size(source: BinaryIO) -> int:
    here = source.tell()
    size = source.seek(0, 2)
    source.seek(here)
    return size


def _check(opened: zipfile.ZipFile, size: int, budget: _Budget) -> int:
    entries = [i for i in opened.infolist() if not i.is_dir()]
    settings = budget.settings
    budget.files += len(entries)
    if budget.files > settings.zip_files:
        raise UnsafeArchive(f"more than {settings.zip_files} files in the zip", reason="files")
    for entry in entries:
        _check_entry(entry, settings)
    expanded = sum(e.file_size for e in entries)
    budget.expanded += expanded
    if budget.expanded > settings.zip_expanded_bytes:
        raise UnsafeArchive("the zip expands too far", reason="expanded")
    if expanded > settings.zip_ratio * max(size, 1):
        raise UnsafeArchive(f"the zip expands more than {settings.zip_ratio} times", reason="ratio")
    if sum(e.compress_size for e in entries) > size:
        raise UnsafeArchive("files of the zip lie upon each other", reason="overlap")
    return len(entries)


def _check_entry(entry: zipfile.ZipInfo, settings: ArchiveSettings) -> None:
    name = entry.orig_filename
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
        raise UnsafeArchive("a path in the zip leads outside of it", reason="path")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise UnsafeArchive("the zip holds a symbolic link", reason="link")
    if entry.file_size > SMALL_FILE and entry.file_size > settings.zip_ratio * max(
        entry.compress_size, 1
    ):
        raise UnsafeArchive(
            f"a file of the zip expands more than {settings.zip_ratio} times", reason="ratio"
        )


def members(
    source: BinaryIO, settings: ArchiveSettings, spool: Callable[[], BinaryIO]
) -> Iterator[Member]:
    """Yield the files of a checked zip, zips inside opened to the allowed depth.

    Each file lies in a fresh temporary file made by ``spool``, which the caller closes; files
    above the limit of one image, encrypted and damaged ones come without, with a reason.
    Raises UnsafeArchive when a zip inside breaks the common limits.
    """
    budget = _Budget(settings)
    yield from _members(source, budget, spool, "", settings.zip_depth)


def _members(
    source: BinaryIO, budget: _Budget, spool: Callable[[], BinaryIO], prefix: str, depth: int
) -> Iterator[Member]:
    with open_zip(source) as opened:
        _check(opened, _size(source), budget)
        for entry in opened.infolist():
            if entry.is_dir():
                continue
            member = _extract(opened, entry, budget.settings, spool, prefix)
            if member.file is None or not _is_zip(member.file):
                yield member
                continue
            if depth == 0:
                member.file.close()
                yield Member(member.name, member.size, None, "zip-depth")
                continue
            with member.file as inner:
                yield from _members(inner, budget, spool, f"{member.name}/", depth - 1)


def _is_zip(file: BinaryIO) -> bool:
    head = file.read(HEAD_BYTES)
    file.seek(0)
    return by_bytes(head) == "zip"


def _extract(
    opened: zipfile.ZipFile,
    entry: zipfile.ZipInfo,
    settings: ArchiveSettings,
    spool: Callable[[], BinaryIO],
    prefix: str,
) -> Member:
    name = prefix + entry.filename
    if entry.flag_bits & 1:
        return Member(name, entry.file_size, None, "encrypted")
    if entry.compress_type not in _METHODS:
        return Member(name, entry.file_size, None, "compression")
    limit = settings.max_image_bytes
    if entry.file_size > limit and not entry.filename.lower().endswith(".zip"):
        return Member(name, entry.file_size, None, "file-too-large")
    file = spool()
    try:
        with opened.open(entry) as packed:
            while piece := packed.read(READ_BYTES):
                file.write(piece)
    except _BROKEN:
        file.close()
        return Member(name, entry.file_size, None, "damaged")
    file.seek(0)
    return Member(name, entry.file_size, file)
