# SPDX-License-Identifier: Apache-2.0
"""What the demo brings in: phantoms made from the seed, or the user's own files."""

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from healthvision.clinical.phantoms.chest import ChestConfig, ChestPhantom, phantom
from healthvision.clinical.volume import Array, Volume
from healthvision.formats.nifti.export import from_volume
from healthvision.formats.nifti.series import SeriesMeta, to_dicom_series

Door = Literal["STOW-RS", "upload zip", "upload NIfTI", "upload PNG", "upload TIFF", "upload"]
ISSUER = "HV-DEMO"
PHANTOMS: tuple[tuple[str, Door, ChestConfig], ...] = (
    ("nodules", "STOW-RS", ChestConfig(nodules=5, noise_sd=15)),
    ("emphysema", "upload zip", ChestConfig(nodules=2, emphysema=0.12, noise_sd=15)),
    ("noise", "upload NIfTI", ChestConfig(nodules=3, noise_sd=35)),
)


@dataclass(frozen=True, eq=False, slots=True)
class Case:
    """One thing to bring in; ``truth`` is set for phantoms."""

    label: str
    door: Door
    patient_id: str
    filename: str
    content_type: str
    files: tuple[bytes, ...] | Path  # the bytes to send (several only for STOW-RS)
    meta: dict[str, str]
    truth: ChestPhantom | None = None


def phantom_cases(seed: int, tell: Callable[[str], None]) -> Iterator[Case]:
    """Yield three phantom chest CTs and two chest pictures, each for a door of its own."""
    first: ChestPhantom | None = None
    for number, (label, door, config) in enumerate(PHANTOMS):
        made = phantom(seed * 10 + number, config)
        first = first or made
        tell(label)
        yield _ct(label, door, f"DEMO-{seed}-{number + 1}", made)
    assert first is not None
    yield from _pictures(seed, first.volume)


def _ct(label: str, door: Door, patient_id: str, made: ChestPhantom) -> Case:
    packed = from_volume(made.volume)
    description = f"Phantom chest CT: {label}"
    if door == "upload NIfTI":
        meta = {
            "patient_id": patient_id,
            "issuer_of_patient_id": ISSUER,
            "patient_name": "Phantom^Chest",
            "modality": "CT",
            "study_date": _today(),
            "study_description": description,
            "body_part": "CHEST",
        }
        name = f"{patient_id}.nii.gz"
        return Case(label, door, patient_id, name, "application/gzip", (packed,), meta, made)
    slices = tuple(_dicom(packed, patient_id, description))
    if door == "upload zip":
        name = f"{patient_id}.zip"
        return Case(label, door, patient_id, name, "application/zip", (_zip(slices),), {}, made)
    return Case(label, door, patient_id, patient_id, "application/dicom", slices, {}, made)


def _dicom(packed: bytes, patient_id: str, description: str) -> Iterator[bytes]:
    meta = SeriesMeta(
        patient_id=patient_id,
        issuer_of_patient_id=ISSUER,
        patient_name="Phantom^Chest",
        modality="CT",
        study_date=_today(),
        study_description=description,
        series_description="Phantom 1.25 mm",
        body_part="CHEST",
    )
    return to_dicom_series(packed, meta, uid_salt="demo")


def _zip(files: tuple[bytes, ...]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number, file in enumerate(files):
            archive.writestr(f"series/IM{number:04d}.dcm", file)
    return out.getvalue()


def _pictures(seed: int, volume: Volume) -> Iterator[Case]:
    """Yield a frontal projection of the chest as an 8-bit PNG and as a 16-bit TIFF."""
    film = projection(volume)
    for number, (label, door, form, kind) in enumerate(
        (
            ("chest PNG", "upload PNG", "PNG", np.uint8),
            ("chest TIFF", "upload TIFF", "TIFF", np.uint16),
        )
    ):
        top = 255 if kind is np.uint8 else 65535
        out = io.BytesIO()
        Image.fromarray((film * top).round().astype(kind)).save(out, form)
        patient_id = f"DEMO-{seed}-{number + 4}"
        meta = {
            "patient_id": patient_id,
            "issuer_of_patient_id": ISSUER,
            "patient_name": "Phantom^Chest",
            "modality": "DX",
            "study_date": _today(),
            "study_description": "Projected chest picture",
            "body_part": "CHEST",
            "view_position": "AP",
        }
        yield Case(
            label,
            door,  # type: ignore[arg-type]
            patient_id,
            f"{patient_id}.{form.lower()}",
            f"image/{form.lower()}",
            (out.getvalue(),),
            meta,
        )


def projection(volume: Volume) -> Array:
    """Return a frontal projection of an axial chest CT: grey 0..1, head up, (rows, columns).

    Water-like attenuation (bone counts double) summed from front to back, as on a film.
    """
    density = np.clip(volume.voxels.astype(np.float32) / 1000.0 + 1.0, 0, 3)
    density += np.clip(density - 1.15, 0, None)
    path_cm = density.sum(axis=1) * volume.spacing[1] / 10.0
    low, high = np.percentile(path_cm[path_cm > 4.0], (2, 98))
    film = np.clip((path_cm - low * 0.8) / (high - low * 0.8), 0, 1)[::-1] ** 1.4
    rows = round(film.shape[0] * volume.spacing[0] / volume.spacing[2])
    picture = Image.fromarray(film.astype(np.float32)).resize((film.shape[1], rows))
    return np.clip(np.asarray(picture, np.float32), 0, 1)


def not_images(path: Path) -> list[Path]:
    """Return the user's files that ``own_cases`` leaves out: by name and content no images."""
    return [p for p in _files(path) if _content_type(p) is None and not _is_dicom(p)]


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())


def own_cases(path: Path) -> Iterator[Case]:
    """Yield the user's files, each by upload: loose DICOM files together as one zip.

    Raises FileNotFoundError when the path is not there.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    files = _files(path)
    loose = [p for p in files if _is_dicom(p)]
    for number, file in enumerate(p for p in files if _content_type(p) is not None):
        patient_id = f"OWN-{number + 1}"
        kind = _content_type(file)
        assert kind is not None
        meta = (
            {}
            if kind == "application/zip"
            else {"patient_id": patient_id, "modality": _modality(kind)}
        )
        yield Case(file.name, "upload", patient_id, file.name, kind, file, meta)
    if loose:
        packed = _zip_files(loose)
        label = f"{len(loose)} DICOM files"
        yield Case(label, "upload zip", "", "files.zip", "application/zip", (packed,), {})


def _zip_files(files: list[Path]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for number, file in enumerate(files):
            archive.write(file, f"{number:06d}.dcm")
    return out.getvalue()


def _content_type(path: Path) -> str | None:
    name = path.name.lower()
    for ending, kind in (
        (".zip", "application/zip"),
        (".nii.gz", "application/gzip"),
        (".nii", "application/octet-stream"),
        (".jpg", "image/jpeg"),
        (".jpeg", "image/jpeg"),
        (".png", "image/png"),
        (".tif", "image/tiff"),
        (".tiff", "image/tiff"),
    ):
        if name.endswith(ending):
            return kind
    return None


def _modality(kind: str) -> str:
    return "OT" if kind.startswith("image/") else "CT"


def _is_dicom(path: Path) -> bool:
    if _content_type(path) is not None:
        return False
    with path.open("rb") as file:
        head = file.read(132)
    return head[128:] == b"DICM" or path.suffix.lower() in (".dcm", ".dicom", ".ima")


def _today() -> str:
    return date.today().strftime("%Y%m%d")  # noqa: DTZ011 (a study has a local date)
