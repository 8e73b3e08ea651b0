# SPDX-License-Identifier: Apache-2.0
"""Studies out of the house: zip of DICOM files, of NIfTI volumes, or of PNG pictures.

The zip is written while it is sent; only one object (NIfTI: one series) is held at a time. Pixels
are decoded in a child process with limits: what ends it costs one picture, not the server.
"""

import zipfile
from collections.abc import AsyncIterator, Callable
from typing import Literal
from uuid import UUID

from healthvision.domains.archive.errors import NotExportable
from healthvision.domains.archive.retrieving.opening import corrected, open_bytes, read_bytes
from healthvision.domains.archive.retrieving.reading import study_instances
from healthvision.domains.archive.schemas import InstanceRef
from healthvision.domains.audit import service as audit
from healthvision.formats.dicom.errors import DicomRefused, NotAVolume
from healthvision.formats.dicom.header import read_header
from healthvision.formats.dicom.series import assemble
from healthvision.formats.images.png import to_png
from healthvision.formats.nifti.export import from_volume
from healthvision.kernel.apart import ChildLost, ChildProcesses
from healthvision.kernel.db import Database
from healthvision.kernel.outbox import Outbox, plain_entry
from healthvision.kernel.security import Actor

Format = Literal["zip", "nifti", "png"]
CHILD_MB = 6144  # a whole series at once, as numbers
CHILD_S = 300


async def export_study(
    db: Database, actor: Actor, study_id: UUID, wanted: Format
) -> AsyncIterator[bytes]:
    """Record the export, then yield a zip of a study.

    Names inside are numbers and UIDs, nothing personal. Raises StudyNotFound, NotExportable
    (before the first byte) and StorageDamaged.
    """
    async with db.reading() as session:
        refs = await study_instances(session, actor, study_id)
    refs = await corrected(db, refs)
    images = [r for r in refs if r.rows and r.columns and r.origin != "healthvision"]
    if wanted != "zip" and not images:
        raise NotExportable("the study has no images")
    await _record(db, actor, study_id, refs, wanted)
    if wanted == "zip":
        return _dicom_zip(db, refs)
    return _png_zip(db, images) if wanted == "png" else await _nifti(db, images)


async def _record(
    db: Database, actor: Actor, study_id: UUID, refs: list[InstanceRef], wanted: Format
) -> None:
    """Write the row of this export; each has one of its own, however soon it follows."""
    size = sum(r.size for r in refs)
    await audit.record_read(
        db,
        actor,
        "archive.study_exported",
        study_id,
        kind="study",
        patient_id=refs[0].patient_ref if refs else None,
        detail={"format": wanted, "instances": len(refs), "bytes": size},
    )


async def _dicom_zip(db: Database, refs: list[InstanceRef]) -> AsyncIterator[bytes]:
    outbox = Outbox()
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_STORED) as packed:
        for ref in refs:
            name = f"{ref.series_uid}/{ref.sop_uid}.dcm"
            with packed.open(plain_entry(name), "w", force_zip64=True) as file:
                async for piece in open_bytes(db, ref):
                    file.write(piece)
                    yield outbox.take()
    yield outbox.take()


async def _png_zip(db: Database, refs: list[InstanceRef]) -> AsyncIterator[bytes]:
    outbox = Outbox()
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_STORED) as packed:
        for ref in refs:
            data = await read_bytes(db, ref)
            for frame in range(ref.number_of_frames):
                picture = await _apart(db, png_of, data, frame)
                suffix = f"-{frame + 1:05d}" if ref.number_of_frames > 1 else ""
                name = f"{ref.series_uid}/{ref.sop_uid}{suffix}"
                if picture is None:
                    packed.writestr(plain_entry(f"{name}.txt"), b"this frame cannot be decoded\n")
                else:
                    packed.writestr(plain_entry(f"{name}.png"), picture)
                yield outbox.take()
    yield outbox.take()


class _Children:
    """The child processes of exports; started with the first one."""

    def __init__(self) -> None:
        self.processes = ChildProcesses(1, memory_mb=CHILD_MB, seconds=CHILD_S)


async def _apart(
    db: Database, function: Callable[..., bytes | None], *arguments: object
) -> bytes | None:
    """Run a decoder in a child; None when it failed there."""
    if not db.resources.has(_Children):
        db.resources.put(_Children, _Children())
    try:
        return await db.resources.get(_Children).processes.run(function, *arguments)
    except ChildLost:
        return None


def png_of(data: bytes, frame: int) -> bytes | None:
    """Return a frame (from 0) as PNG, None when it cannot be decoded. Runs in a child."""
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
        volume = await _apart(db, volume_of, objects)
        if volume is not None:
            yield f"{uid}.nii.gz", volume


def volume_of(objects: list[bytes]) -> bytes | None:
    """Return a series as NIfTI, None when it is no volume. Runs in a child."""
    try:
        return from_volume(assemble(objects).volume)
    except (NotAVolume, DicomRefused):
        return None


async def _nifti_zip(
    first: tuple[str, bytes], rest: AsyncIterator[tuple[str, bytes]]
) -> AsyncIterator[bytes]:
    outbox = Outbox()
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_STORED) as packed:
        packed.writestr(plain_entry(first[0]), first[1])
        yield outbox.take()
        async for name, data in rest:
            packed.writestr(plain_entry(name), data)
            yield outbox.take()
    yield outbox.take()
