# SPDX-License-Identifier: Apache-2.0
"""Bounded reading of NIfTI-1 and NIfTI-2 files, plain or gzip (nifti1.h, nifti2.h)."""

import gzip
import hashlib
import io
import mmap
import os
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from healthvision.clinical.volume import Array, FloatArray
from healthvision.formats.nifti.errors import NiftiRefused

MAX_DATA_BYTES = 2 << 30
IN_MEMORY_BYTES = 64 << 20
MAX_OFFSET = 16 << 20
MAX_COORDINATE = 1e7  # in the file's unit; microns allowed
_SIZE: dict[int, tuple[Any, bytes]] = {
    348: (nib.Nifti1Header, b"n+1\0"),
    540: (nib.Nifti2Header, b"n+2\0\r\n\x1a\n"),
}
_UNIT_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}


@dataclass(frozen=True, eq=False, slots=True)
class NiftiVolume:
    """Stored values with axes (i, j, k), their scaling, and the affine from (i, j, k) to LPS mm.

    ``slope``/``intercept``: value = stored * slope + intercept. ``sha256``: of the uncompressed
    file, so that ``.nii`` and ``.nii.gz`` of one volume are the same volume.
    """

    stored: Array
    slope: float
    intercept: float
    affine: FloatArray
    sha256: str


def read_nifti(source: bytes | os.PathLike[str], *, max_bytes: int = MAX_DATA_BYTES) -> NiftiVolume:
    """Read one 3D NIfTI file.

    The affine is the sform when its code is set, else the qform; a file with neither does not
    know left from right and is refused. Raises NiftiRefused: 'not-nifti', 'pair', 'dimensions',
    'four-dimensional', 'datatype', 'too-large', 'truncated', 'no-orientation',
    'contradictory-orientation', 'affine'.
    """
    with _raw(source) as raw:
        stream = _plain(raw)
        try:
            return _read(stream, max_bytes)
        except (zlib.error, gzip.BadGzipFile, EOFError):
            raise NiftiRefused("truncated", "The gzip data are damaged or end early.") from None


def _raw(source: bytes | os.PathLike[str]) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb")


def _plain(raw: BinaryIO) -> BinaryIO:
    magic = raw.read(2)
    raw.seek(0)
    if magic == b"\x1f\x8b":
        return io.BufferedReader(gzip.GzipFile(fileobj=raw, mode="rb"), 1 << 20)
    return raw


def _read(stream: BinaryIO, max_bytes: int) -> NiftiVolume:
    head = stream.read(348)
    header = _header(head, stream)
    shape = _shape(header)
    dtype = _dtype(header)
    needed = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if needed > max_bytes:
        raise NiftiRefused("too-large", f"The volume needs {needed} bytes; {max_bytes} allowed.")
    size = int(header["sizeof_hdr"])
    start = float(header["vox_offset"])
    if not size <= start <= MAX_OFFSET:
        raise NiftiRefused("not-nifti", "vox_offset (offset of the voxels) is not plausible.")
    offset = int(start)
    digest = hashlib.sha256(header.binaryblock)
    digest.update(_exactly(stream, offset - size))
    data = _space_for(needed)
    _read_into(stream, memoryview(data))
    stream.read(1)  # lets gzip check its sum
    digest.update(data)
    stored = np.ndarray(shape, dtype, data, order="F")
    slope, intercept = _scaling(header)
    return NiftiVolume(stored, slope, intercept, _affine(header), digest.hexdigest())


def _header(head: bytes, stream: BinaryIO) -> Any:
    if len(head) < 348:
        raise NiftiRefused("not-nifti", "The file is shorter than a NIfTI header.")
    sizes = {int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big")}
    size = next((s for s in _SIZE if s in sizes), None)
    if size is None:
        raise NiftiRefused("not-nifti", "The file is neither NIfTI-1 nor NIfTI-2.")
    kind, magic = _SIZE[size]
    head += _exactly(stream, size - 348)
    where = 344 if size == 348 else 4
    found = head[where : where + len(magic)]
    if found[:3] in (b"ni1", b"ni2"):
        raise NiftiRefused("pair", "A .hdr/.img pair; give one .nii or .nii.gz file.")
    if found != magic:
        raise NiftiRefused("not-nifti", "The NIfTI magic is missing.")
    order = "<" if int.from_bytes(head[:4], "little") == size else ">"
    return kind(head, endianness=order, check=False)


def _shape(header: Any) -> tuple[int, int, int]:
    dim = [int(d) for d in header["dim"]]
    if not 2 <= dim[0] <= 7 or any(d < 1 for d in dim[1 : min(dim[0], 3) + 1]):
        raise NiftiRefused("dimensions", "The dimensions are not plausible.")
    if any(d > 1 for d in dim[4 : dim[0] + 1]):
        raise NiftiRefused("four-dimensional", "More than three dimensions; give one volume.")
    nz = dim[3] if dim[0] >= 3 else 1
    if max(dim[1], dim[2]) > 65535 or nz > 65535:
        raise NiftiRefused("dimensions", "A side is above 65535 voxels.")
    return dim[1], dim[2], nz


def _dtype(header: Any) -> np.dtype[np.generic]:
    try:
        dtype: np.dtype[np.generic] = np.dtype(header.get_data_dtype())
    except (HeaderDataError, KeyError):
        dtype = np.dtype("V1")
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        code = int(header["datatype"])
        raise NiftiRefused("datatype", f"Data type {code} is no integer or float of <= 64 bits.")
    return dtype


def _scaling(header: Any) -> tuple[float, float]:
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if not np.isfinite(slope) or slope == 0:
        return 1.0, 0.0
    if not np.isfinite(intercept):
        raise NiftiRefused("datatype", "scl_inter is not finite.")
    return _decimal(slope), _decimal(intercept)


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise NiftiRefused("truncated", "The file ends inside its header.")
    return data


def _space_for(size: int) -> bytearray | mmap.mmap:
    """Return room for the voxels: large ones lie in a nameless file, not in memory."""
    if size <= IN_MEMORY_BYTES:
        return bytearray(size)
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        return mmap.mmap(file.fileno(), size)


def _read_into(stream: BinaryIO, data: memoryview) -> None:
    done = 0
    while done < len(data):
        piece = stream.read(min(1 << 22, len(data) - done))
        if not piece:
            raise NiftiRefused(
                "truncated", f"The header asks for {len(data)} bytes of voxels; {done} are there."
            )
        data[done : done + len(piece)] = piece
        done += len(piece)


def _decimal(value: float) -> float:
    """Return the shortest decimal that a float32 field can stand for: 0.7, not 0.69999999."""
    return float(str(np.float32(value)))


def _affine(header: Any) -> FloatArray:
    unit = int(header["xyzt_units"]) & 7
    if unit not in _UNIT_MM:
        raise NiftiRefused("affine", f"Unknown unit code {unit} of the voxel size.")
    _check_plausible(header)
    sform = _sform(header) if int(header["sform_code"]) > 0 else None
    qform = _qform(header) if int(header["qform_code"]) > 0 else None
    if sform is None and qform is None:
        raise NiftiRefused(
            "no-orientation", "Neither sform nor qform is set: left and right are unknown."
        )
    if sform is not None and qform is not None:
        _check_agreement(sform, qform)
    affine = sform if sform is not None else qform
    assert affine is not None
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or sizes.min() <= 0 or abs(_handedness(affine)) < 1e-3:
        raise NiftiRefused("affine", "The affine is not finite or flattens the volume.")
    affine = affine.copy()
    affine[:3] *= _UNIT_MM[unit]
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # RAS+ to LPS+


def _check_plausible(header: Any) -> None:
    """Refuse NaN, infinity and sizes no patient has before anything is computed from them."""
    fields = []
    if int(header["sform_code"]) > 0:
        fields += [float(v) for name in ("srow_x", "srow_y", "srow_z") for v in header[name]]
    if int(header["qform_code"]) > 0:
        fields += [float(v) for v in header["pixdim"][:4]]
        fields += [float(header[f"quatern_{k}"]) for k in "bcd"]
        fields += [float(header[f"qoffset_{k}"]) for k in "xyz"]
    if not all(np.isfinite(v) and abs(v) < MAX_COORDINATE for v in fields):
        raise NiftiRefused("affine", "The affine is not finite or not plausible.")


def _sform(header: Any) -> FloatArray:
    rows = [[float(v) for v in header[name]] for name in ("srow_x", "srow_y", "srow_z")]
    single = header["srow_x"].dtype.itemsize == 4
    rows = [[_decimal(v) for v in row] if single else row for row in rows]
    return np.array([*rows, [0.0, 0.0, 0.0, 1.0]])


def _qform(header: Any) -> FloatArray:
    rotation = _rotation(*(_decimal(float(header[f"quatern_{k}"])) for k in "bcd"))
    pixdim = [_decimal(float(v)) for v in header["pixdim"][:4]]
    sizes = np.abs(pixdim[1:4]) * np.array([1, 1, -1 if pixdim[0] < 0 else 1])
    out = np.eye(4)
    out[:3, :3] = rotation * sizes
    out[:3, 3] = [_decimal(float(header[k])) for k in ("qoffset_x", "qoffset_y", "qoffset_z")]
    return out


def _rotation(b: float, c: float, d: float) -> FloatArray:
    """Rotation matrix of the unit quaternion (a, b, c, d) whose a >= 0 is not stored."""
    squared = 1.0 - (b * b + c * c + d * d)
    if not np.isfinite(squared) or squared < -1e-4:
        raise NiftiRefused("affine", "The qform quaternion is not valid.")
    a = float(np.sqrt(max(squared, 0.0))) if squared > 1e-7 else 0.0
    norm = float(np.sqrt(a * a + b * b + c * c + d * d))
    a, b, c, d = a / norm, b / norm, c / norm, d / norm
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    rotation[np.abs(rotation) < 1e-7] = 0.0
    return rotation


def _handedness(affine: FloatArray) -> float:
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(sizes).all() or sizes.min() <= 0:
        return 0.0
    return float(np.linalg.det(affine[:3, :3] / sizes))


def _check_agreement(sform: FloatArray, qform: FloatArray) -> None:
    """The two may differ by a registration, but not in what is left and what is right."""
    if _handedness(sform) * _handedness(qform) < 0:
        raise NiftiRefused(
            "contradictory-orientation", "sform and qform disagree on left and right."
        )
