# SPDX-License-Identifier: Apache-2.0
"""The zip in which a model comes, unpacked into a fresh folder, or refused with a stable word.

Reasons: bad-zip, files, path, link, encrypted, compression, duplicate, expanded, ratio, overlap,
damaged. The directory is looked at before the zip is opened, all entries before the first one is
written, and no entry gives more bytes than it said.
"""

import errno
import re
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from healthvision.domains.modelhub.errors import PackageRefused

MAX_FILES, MAX_DIRECTORY, MAX_DEPTH = 500, 1 << 20, 8
RATIO, SMALL = 250, 1 << 20  # smaller files may be packed as well as they like
_END, _END64, _LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_BEFORE = 56 + 20  # bytes of a ZIP64 record and its locator, right before the end
_PART = re.compile(r"[^\x00-\x1f\x7f/\\:*?\"<>|]{1,128}")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others are expanded without a bound
_BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError,
    ValueError, OverflowError,
)  # fmt: skip
_NOT_WANTED = ("__MACOSX", ".DS_Store")


def unpack(package: Path, folder: Path, limit: int) -> Path:
    """Write the files of a zip into an empty folder and return the folder of the model.

    ``limit``: most bytes of all files together. The folder of the model is the one folder at the
    top of the zip, if there is nothing else. Raises PackageRefused.
    """
    with package.open("rb") as source:
        count = _check_directory(source)
        try:
            with zipfile.ZipFile(source) as opened:
                if len(opened.infolist()) != count:
                    raise _refused("bad-zip", "the zip has other files than it says")
                entries = _checked(opened.infolist(), package.stat().st_size, limit)
                for entry in entries:
                    _write(opened, entry, folder)
        except _BROKEN:
            raise _refused("bad-zip", "the zip cannot be read") from None
    return _top(folder)


def _refused(reason: str, detail: str) -> PackageRefused:
    return PackageRefused(detail, reason=reason)


def _check_directory(source: BinaryIO) -> int:
    """Refuse a directory that is too large to be read into memory; return its entries.

    ``zipfile`` takes the ZIP64 record from right before its locator, wherever the locator points
    to; a zip in which these are two places is refused, so that all readers see one directory.
    """
    size = source.seek(0, 2)
    start = max(0, size - (1 << 16) - 22 - _BEFORE)  # the longest comment, and what is before
    source.seek(start)
    tail = source.read()
    at = len(tail) - 22
    if tail[-22:-18] != _END or tail[-2:] != b"\0\0":
        at = tail.rfind(_END)
    if at < 0 or len(tail) - at < 22:
        raise _refused("bad-zip", "the file is no zip")
    found: tuple[int, int] = struct.unpack_from("<HI", tail, at + 10)
    locator = tail[max(0, at - 20) : at]
    if locator[:4] == _LOCATOR and len(locator) == 20:
        large = tail[max(0, at - _BEFORE) : at - 20]
        place = struct.unpack_from("<Q", locator, 8)[0]
        if large[:4] != _END64 or len(large) < 56 or place != start + at - _BEFORE:
            raise _refused("bad-zip", "the directory of the zip cannot be read")
        found = struct.unpack_from("<QQ", large, 32)
    count, length = found
    if count > MAX_FILES or length > MAX_DIRECTORY:
        raise _refused("files", f"more than {MAX_FILES} files in the zip")
    source.seek(0)
    return count


def _checked(infos: list[zipfile.ZipInfo], packed: int, limit: int) -> list[zipfile.ZipInfo]:
    """Return the entries to be written, in order; raises PackageRefused."""
    if len(infos) > MAX_FILES:
        raise _refused("files", f"more than {MAX_FILES} files in the zip")
    for info in infos:
        _check_entry(info)
    files = [i for i in infos if not i.is_dir()]
    names = [i.filename.casefold() for i in files]
    if len(set(names)) != len(names):
        raise _refused("duplicate", "two files of the zip have one name")
    if sum(i.file_size for i in files) > limit:
        raise _refused("expanded", f"the zip expands to more than {limit} bytes")
    if sum(i.compress_size for i in files) > packed:
        raise _refused("overlap", "files of the zip lie upon each other")
    return [i for i in files if not set(i.filename.split("/")) & set(_NOT_WANTED)]


def _check_entry(info: zipfile.ZipInfo) -> None:
    name = info.orig_filename
    parts = name.rstrip("/").split("/")
    bad = [p for p in parts if p in (".", "..") or not _PART.fullmatch(p) or len(p.encode()) > 240]
    if bad or len(parts) > MAX_DEPTH or name != info.filename:
        raise _refused("path", "a path in the zip is not plain or leads outside of it")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refused("link", "the zip holds a link or a special file")
    if info.flag_bits & 1:
        raise _refused("encrypted", "a file of the zip is encrypted")
    if info.compress_type not in _METHODS:
        raise _refused("compression", "a file of the zip is not packed by deflate")
    if info.file_size > SMALL and info.file_size > RATIO * max(info.compress_size, 1):
        raise _refused("ratio", f"a file of the zip expands more than {RATIO} times")


def _write(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    path = folder.joinpath(*entry.filename.split("/"))
    left = entry.file_size
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(entry) as packed, path.open("xb") as file:
            while piece := packed.read(1 << 20):
                left -= len(piece)
                if left < 0:
                    raise _refused("damaged", "a file of the zip is longer than it says")
                file.write(piece)
    except (zipfile.BadZipFile, zlib.error, EOFError):
        raise _refused("damaged", "a file of the zip is damaged") from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise _refused("duplicate", "a file of the zip is also a folder of it") from None
    except OSError as error:
        if error.errno == errno.EINVAL:  # it is said to begin before the zip does
            raise _refused("damaged", "a file of the zip lies outside of it") from None
        raise
    if left:
        raise _refused("damaged", "a file of the zip is shorter than it says")


def _top(folder: Path) -> Path:
    inside = list(folder.iterdir())
    only = inside[0] if len(inside) == 1 else folder
    return only if only.is_dir() else folder
