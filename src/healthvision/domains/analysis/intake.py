# SPDX-License-Identifier: Apache-2.0
"""Files of a user as DICOM objects: Part 10, zip, NIfTI, JPEG, PNG and TIFF, any mix."""

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from healthvision.domains.analysis.errors import UnreadableInput
from healthvision.domains.analysis.inputs import SourceObject
from healthvision.formats.dicom.header import read_header
from healthvision.formats.images.capture import ImageMeta, to_dicom
from healthvision.formats.nifti.series import SeriesMeta, to_dicom_series
from healthvision.kernel.errors import Problem

MAX_FILES = 100_000
MAX_FILE_BYTES = 500_000_000
MAX_EXPANDED_BYTES = 8_000_000_000
MAX_RATIO = 100
_BROKEN = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError)
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\x00", b"MM\x00*")


@dataclass(slots=True)
class Intake:
    """The objects found, and the files that were left out with the reason."""

    objects: list[SourceObject] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def take_in(paths: Sequence[Path], *, modality: str = "") -> Intake:
    """Read files and folders (recursively).

    ``modality``: for NIfTI and pictures, which do not say theirs (default CT for NIfTI, DX for
    pictures). Raises UnreadableInput when a path does not exist, a single named file is of no
    known kind, or a zip is unsafe.
    """
    intake = Intake()
    for path in paths:
        if not path.exists():
            raise UnreadableInput(f"{path.name}: there is no such file or folder")
    files = list(_files(paths))
    for path in files:
        before = len(intake.objects)
        _take_file(path, intake, modality)
        if len(files) == 1 and len(intake.objects) == before:
            reason = intake.skipped[-1][1] if intake.skipped else "no images in it"
            raise UnreadableInput(f"{path.name}: {reason}", file=path.name)
    return intake


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    count = 0
    for path in paths:
        found = [path] if path.is_file() else (p for p in sorted(path.rglob("*")) if p.is_file())
        for file in found:
            count += 1
            if count > MAX_FILES:
                raise UnreadableInput(f"more than {MAX_FILES} files")
            yield file


def _take_file(path: Path, intake: Intake, modality: str) -> None:
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith(b"PK\x03\x04"):
        _take_zip(path, intake, modality)
        return
    if path.stat().st_size > MAX_FILE_BYTES:
        intake.skipped.append((path.name, f"over the limit of {MAX_FILE_BYTES} bytes"))
        return
    _take(path.name, path.read_bytes, intake, modality)


def _take_zip(path: Path, intake: Intake, modality: str) -> None:
    """Take the files of a zip. It stays open while its readers live: opening it costs its index."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        raise UnreadableInput(f"{path.name}: the zip is damaged", file=path.name) from None
    infos = [info for info in archive.infolist() if not info.is_dir()]
    _check_zip(path, infos)
    for info in infos:
        name = Path(info.filename).name
        if info.file_size > MAX_FILE_BYTES:
            intake.skipped.append((name, f"over the limit of {MAX_FILE_BYTES} bytes"))
            continue
        try:
            data = archive.read(info)
        except _BROKEN as error:
            intake.skipped.append((name, type(error).__name__))
            continue
        _take(name, partial(archive.read, info), intake, modality, data)


def _check_zip(path: Path, infos: Sequence[zipfile.ZipInfo]) -> None:
    expanded = sum(info.file_size for info in infos)
    packed = max(1, sum(info.compress_size for info in infos))
    if len(infos) > MAX_FILES or expanded > MAX_EXPANDED_BYTES or expanded / packed > MAX_RATIO:
        raise UnreadableInput(f"{path.name}: the zip expands too far", file=path.name)


def _take(
    name: str,
    read: Callable[[], bytes],
    intake: Intake,
    modality: str,
    data: bytes | None = None,
) -> None:
    """Add one file; ``read`` gives its bytes again later, so that they are not kept."""
    data = read() if data is None else data
    try:
        for number, item in enumerate(_dicom(name, data, modality)):
            reader = read if item is data else _Kept(item)
            header = read_header(item)
            digest = hashlib.sha256(item).hexdigest()
            intake.objects.append(SourceObject(header, digest, reader))
            if number >= MAX_FILES:
                break
    except Problem as problem:
        intake.skipped.append((name, problem.detail))


@dataclass(frozen=True, slots=True)
class _Kept:
    data: bytes

    def __call__(self) -> bytes:
        return self.data


def _dicom(name: str, data: bytes, modality: str) -> Iterable[bytes]:
    """Return the Part 10 objects of a file; raises Problem when it is of no known kind."""
    patient = f"FILE-{hashlib.sha256(data).hexdigest()[:12].upper()}"
    lower = name.lower()
    if lower.endswith((".nii", ".nii.gz")):
        meta = SeriesMeta(patient_id=patient, modality=modality or "CT")
        return to_dicom_series(data, meta, uid_salt="analyze")
    if data.startswith(_PICTURES) and data[128:132] != b"DICM":
        picture = ImageMeta(patient_id=patient, modality=modality or "DX")
        return to_dicom(data, picture, uid_salt="analyze")
    return [data]
