# SPDX-License-Identifier: Apache-2.0
"""Studies out of the house: zip of DICOM files, of NIfTI volumes, or of PNG pictures.

The zip is written while it is sent; only one object (NIfTI: one series) is held at a time.
"""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from typing import Literal
from uuid import UUID

from healthvision.domains.archive.errors import NotExportable
from healthvision.domains.archive.reading import (
    open_bytes,
    read_bytes,
    record_access,
    study_instances,
)
from healthvision.domains.archive.schemas import InstanceRef
from healthvision.formats.dicom.errors import DicomRefused, NotAVolume
from healthvision.formats.dicom.header import read_header
from healthvision.formats.dicom.series import assemble
from healthvision.formats.images.png import to_png
from healthvision.formats.nifti.export import from_volume
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor

Format = Literal["zip", "nifti", "png"]
_MONTH = (1980, 1, 1, 0, 0, 0)


class _Outbox(io.RawIOBase):
    """Where the zip writer writes; ``take`` hands the bytes on."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        """Tell the zip writer that it may write."""
        return True

    def write(self, data: object) -> int:
        """Keep the bytes until they are taken."""
        part = bytes(data)  # type: ignore[call-overload]
        self._parts.append(part)
        self._at += len(part)
        return len(part)

    def take(self) -> bytes:
        """Return what was written since the last call."""
        out = b"".join(self._parts)
        self._parts.clear()
        return out


async def export_study(
    db: Database, actor: Actor, study_id: UUID, wanted: Format
) -> AsyncIterator[bytes]:
    """Record the export, then yield a zip of a study.

    Names inside are numbers and UIDs, nothing personal. Raises StudyNotFound, NotExportable
    (before the first byte) and StorageDamaged.
    """
    async with db.reading() as session:
        refs = await study_instances(session, actor, study_id)
    images = [r for r in refs if r.rows and r.columns and r.origin != "healthvision"]
    if wanted != "zip" and not images:
        raise NotExportable("the study has no images")
    await record_access(db, actor, refs, action="archive.study_exported")
    if wanted == "zip":
        return _dicom_zip(db, refs)
    return _png_zip(db, images) if wanted == "png" else await _nifti(db, images)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _MONTH)
    entry.external_attr = 0o600 << 16
    return entry


async def _dicom_zip(db: Database, refs: list[InstanceRef]) -> AsyncIterator[bytes]:
    outbox = _Outbox()
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_STORED) as packed:
        for ref in refs:
            name = f"{ref.series_uid}/{ref.sop_uid}.dcm"
            with packed.open(_entry(name), "w", force_zip64=True) as file:
                async for piece in open_bytes(db, ref):
                    file.write(piece)
                    yield outbox.take()
    yield outbox.take()


async def _png_zip(db: Database, refs: list[InstanceRef]) -> AsyncIterator[bytes]:
    outbox = _Outbox()
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_STORED) as packed:
        for ref in refs:
            data = await read_bytes(db, ref)
            for frame in range(ref.number_of_frames):
                picture = await asyncio.to_thread(_png, data, frame)
                suffix = f"-{frame + 1:05d}" if ref.number_of_frames > 1 else ""
                name = f"{ref.series_uid}/{ref.sop_uid}{suffix}"
                if picture is None:
                    packed.writestr(_entry(f"{name}.txt"), b"this frame cannot be decoded\n")
                else:
                    packed.writestr(_entry(f"{name}.png"), picture)
                yield outbox.take()
    yield outbox.take()


def _png(data: bytes, frame: int) -> bytes | None:
    try:
        return to_png(data, read_header(data), frame=frame)
    except DicomRefused:
        return None


async def _nifti(db: Database, refs: list[InstanceRef]) -> AsyncIterator[bytes]:
    by_series: dict[str, list[InstanceRef]] = {}
    for ref in refs:
        by_series.setdefault(ref.series_uid, []).append(ref)
    source = _volumes(db, by_series)
    first = await anext(source, None)
    if first is None:
        raise NotExportable("no series of the study is a volume")
    return _nifti_zip(first, source)


async def _volumes(
    db: Database, by_series: dict[str, list[InstanceRef]]
) -> AsyncIterator[tuple[str, bytes]]:
    for uid, refs in by_series.items():
        objects = [await read_bytes(db, ref) for ref in refs]
        volume = await asyncio.to_thread(_volume, objects)
        if volume is not None:
            yield f"{uid}.nii.gz", volume


def _volume(objects: list[bytes]) -> bytes | None:
    try:
        return from_volume(assemble(objects).volume)
    except (NotAVolume, DicomRefused):
        return None


async def _nifti_zip(
    first: tuple[str, bytes], rest: AsyncIterator[tuple[str, bytes]]
) -> AsyncIterator[bytes]:
    outbox = _Outbox()
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_STORED) as packed:
        packed.writestr(_entry(first[0]), first[1])
        yield outbox.take()
        async for name, data in rest:
            packed.writestr(_entry(name), data)
            yield outbox.take()
    yield outbox.take()
