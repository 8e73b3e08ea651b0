# SPDX-License-Identifier: Apache-2.0
"""Packages as somebody would send them, good and hostile."""

import io
import stat
import struct
import zipfile
from pathlib import Path


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip of files by name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def of_folder(folder: Path, prefix: str = "") -> bytes:
    """Return a zip of the files of a folder."""
    return zipped({f"{prefix}{p.name}": p.read_bytes() for p in sorted(folder.iterdir())})


def link(name: str, target: str) -> bytes:
    """Return a zip with a symbolic link."""
    out = io.BytesIO()
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(info, target)
    return out.getvalue()


def renamed(before: str, after: str) -> bytes:
    """Return a zip with a name that no zip writer would write; both have one length."""
    return zipped({before: b"x"}).replace(before.encode(), after.encode())


def flagged(bit: int) -> bytes:
    """Return a zip whose one entry has a flag bit set in both headers."""
    data = bytearray(zipped({"model.yaml": b"x"}))
    local, central = data.index(b"PK\x03\x04"), data.index(b"PK\x01\x02")
    data[local + 6] |= bit
    data[central + 8] |= bit
    return bytes(data)


def lying(size: int) -> bytes:
    """Return a zip whose directory says another size of its one file."""
    data = bytearray(zipped({"model.yaml": b"x" * 100}, zipfile.ZIP_STORED))
    central = data.index(b"PK\x01\x02")
    data[central + 24 : central + 28] = size.to_bytes(4, "little")
    return bytes(data)


def upon_each_other() -> bytes:
    """Return a zip in which two entries are the same bytes."""
    one = zipped({"aa": b"x" * 1000}, zipfile.ZIP_STORED)
    start, end = one.index(b"PK\x01\x02"), one.index(b"PK\x05\x06")
    entry = one[start:end]
    again = entry.replace(b"aa", b"bb")
    tail = bytearray(one[end:])
    tail[8:12] = (2).to_bytes(2, "little") * 2
    tail[12:16] = (2 * len(entry)).to_bytes(4, "little")
    return one[:start] + entry + again + bytes(tail)


def zip64(place: int | None = None, count: int = 1, length: int = 0, comment: int = 0) -> bytes:
    """Return a zip whose directory is told by a ZIP64 record right before its locator.

    ``place``: where the locator says the record is (None: where it is); a record that promises one
    entry lies at 0. ``count``, ``length``: what the true record says (length 0: the true one).
    ``comment``: bytes at the end of the file.
    """
    decoy = _record64(1, 100, 0)
    out = io.BytesIO(decoy)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("model.yaml", "x")
    data = out.getvalue()
    start, end = data.index(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end if place is None else place, 1)
    tail = data[end:-2] + struct.pack("<H", comment) + b"c" * comment
    return data[:end] + _record64(count, length or end - start, start) + locator + tail


def _record64(count: int, length: int, start: int) -> bytes:
    size = (b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, length, start)
    return struct.pack("<4sQ2H2L4Q", *size)


def many_promised(count: int, length: int) -> bytes:
    """Return a zip whose end says that the directory has so many entries and bytes."""
    data = bytearray(zipped({"model.yaml": b"x"}))
    end = data.index(b"PK\x05\x06")
    data[end + 8 : end + 12] = count.to_bytes(2, "little") * 2
    data[end + 12 : end + 16] = length.to_bytes(4, "little")
    return bytes(data)
