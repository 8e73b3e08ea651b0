# SPDX-License-Identifier: Apache-2.0
"""What kind of file something is: as its name and type promise, and as its bytes say."""

from pathlib import PurePosixPath
from typing import Literal

Kind = Literal["dicom", "zip", "nifti", "image"]
HEAD_BYTES = 400
_TYPES: dict[str, Kind] = {
    "application/dicom": "dicom",
    "application/zip": "zip",
    "application/x-zip-compressed": "zip",
    "image/jpeg": "image",
    "image/png": "image",
    "image/tiff": "image",
}
_NAMES: dict[str, Kind] = {
    ".zip": "zip",
    ".nii": "nifti",
    ".jpg": "image",
    ".jpeg": "image",
    ".png": "image",
    ".tif": "image",
    ".tiff": "image",
    ".dcm": "dicom",
}
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def by_name(filename: str, content_type: str = "") -> Kind:
    """Return the kind that name and media type promise; without a hint it is DICOM."""
    name = filename.lower()
    if name.endswith(".nii.gz"):
        return "nifti"
    suffix = PurePosixPath(name).suffix
    return _NAMES.get(suffix) or _TYPES.get(content_type.lower().split(";")[0].strip(), "dicom")


def by_bytes(head: bytes, name: str = "") -> Kind | None:
    """Return the kind that the first ``HEAD_BYTES`` bytes show, None when they show none.

    A gzip file is taken for NIfTI when its name says so; its inside is checked when it is read.
    """
    if head[128:132] == b"DICM":
        return "dicom"
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    if head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0"):
        return "nifti"
    if head[:2] == b"\x1f\x8b" and name.lower().endswith(".nii.gz"):
        return "nifti"
    if head.startswith(_PICTURES):
        return "image"
    return None
