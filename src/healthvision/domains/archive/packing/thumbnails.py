# SPDX-License-Identifier: Apache-2.0
"""The small picture of a series: its middle image, decoded where a bad one does no harm."""

import asyncio
import struct
from collections.abc import Sequence
from typing import Any

from healthvision.domains.archive.packing.pack_writing import blob_of
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.domains.storage import service as storage
from healthvision.formats.dicom.header import read_header
from healthvision.formats.dicom.render import thumbnail
from healthvision.kernel.apart import ChildProcesses
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Problem
from healthvision.kernel.telemetry import logger

MAX_BYTES = 128_000_000  # larger objects get no picture
CHILD_MB = 2048
CHILD_S = 15
_FAILS = (
    Problem,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    TypeError,
    OSError,
    RuntimeError,
    MemoryError,
    struct.error,
)
_log = logger("archive.thumbnails")


class PictureMaker:
    """Makes thumbnails; its child process starts with the first compressed image."""

    def __init__(self) -> None:
        self._children: ChildProcesses | None = None

    async def of_series(self, db: Database, org_id: Any, rows: Sequence[Any]) -> bytes:
        """Return a JPEG of the middle one of these instance rows, b'' when there is none."""
        shown = [r for r in rows if r.current and r.rows and r.pixel_offset is not None]
        if not shown:
            return b""
        row = shown[len(shown) // 2]
        if row.length > MAX_BYTES:
            return b""
        size = ArchiveSettings.current().thumbnail_px
        try:
            data = await storage.read_blob(db, org_id, blob_of(org_id, row))
            if row.encapsulated:
                return await self._apart().run(make, data, size)
            return await asyncio.to_thread(make, data, size)
        except _FAILS as error:
            _log.info("no thumbnail", instance=str(row.id), reason=type(error).__name__)
            return b""

    def _apart(self) -> ChildProcesses:
        if self._children is None:
            self._children = ChildProcesses(1, memory_mb=CHILD_MB, seconds=CHILD_S)
        return self._children

    def close(self) -> None:
        """End the child process."""
        if self._children is not None:
            self._children.close()


def make(data: bytes, size: int) -> bytes:
    """Return a JPEG of at most ``size`` x ``size`` of a Part 10 object's middle frame."""
    return thumbnail(data, read_header(data), size=size)
