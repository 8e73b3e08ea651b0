# SPDX-License-Identifier: Apache-2.0
"""Reading one object on its way in: its digest and header, or the reason why there is none."""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from healthvision.domains.archive.schemas import Incoming
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.header import InstanceHeader, read_header
from healthvision.kernel.telemetry import logger

READ_BYTES = 1 << 20
_UNREADABLE = (ValueError, ArithmeticError, LookupError, struct.error, MemoryError, RecursionError)
_log = logger("archive.scanning")


@dataclass(frozen=True, slots=True)
class Scanned:
    """One item after its header was read: a header or the reason why there is none."""

    item: Incoming
    sha256: str
    header: InstanceHeader | None
    refusal: DicomRefused | None


def scan(item: Incoming) -> Scanned:
    """Read an object's digest and header; never raises for what is in it."""
    source = item.source
    if isinstance(source, bytes):
        digest = hashlib.sha256(source).hexdigest()
    else:
        digest = _digest(source)
        source.seek(0)
    try:
        return Scanned(item, digest, item.header or read_header(source, with_text=True), None)
    except DicomRefused as refusal:
        return Scanned(item, digest, None, refusal)
    except _UNREADABLE as error:
        _log.error("header reader failed", error=type(error).__name__, sha256=digest)
        return Scanned(item, digest, None, DicomRefused("unreadable", "The object cannot be read."))


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    for piece in pieces_of(file):
        digest.update(piece)
    return digest.hexdigest()


def pieces_of(source: bytes | BinaryIO) -> Iterator[bytes]:
    """Yield an object's bytes from the start, an open file's in pieces of 1 MiB."""
    if isinstance(source, bytes):
        yield source
        return
    source.seek(0)
    while piece := source.read(READ_BYTES):
        yield piece


def size_of(source: bytes | BinaryIO) -> int:
    """Return the length of an object in bytes."""
    return len(source) if isinstance(source, bytes) else source.seek(0, 2)
