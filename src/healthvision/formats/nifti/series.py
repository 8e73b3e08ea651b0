# SPDX-License-Identifier: Apache-2.0
"""A NIfTI volume as a classic single-frame DICOM series."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset
from pydicom.uid import (
    CTImageStorage,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
)

from healthvision.clinical.volume import Array, FloatArray
from healthvision.formats.dicom.uids import derive_uid
from healthvision.formats.dicom.writer import MANUFACTURER, ds_text, to_part10
from healthvision.formats.nifti.errors import NiftiRefused
from healthvision.formats.nifti.reading import MAX_DATA_BYTES, NiftiVolume, read_nifti

MAX_VALUE = 1e12
_CLASSES = {
    "CT": CTImageStorage,
    "MR": MRImageStorage,
    "PT": PositronEmissionTomographyImageStorage,
}
# LPS targets of the picture's (column, row) index per dominant axis of the slice normal
_VIEWS = {
    2: (np.array([1.0, 0, 0]), np.array([0, 1.0, 0])),  # axial: to the left, to the back
    1: (np.array([1.0, 0, 0]), np.array([0, 0, -1.0])),  # coronal: to the left, to the feet
    0: (np.array([0, 1.0, 0]), np.array([0, 0, -1.0])),  # sagittal: to the back, to the feet
}


@dataclass(frozen=True, slots=True)
class SeriesMeta:
    """What a NIfTI file does not say. Dates are YYYYMMDD, times HHMMSS, names DICOM PN.

    ``modality``: 'CT', 'MR', 'PT' or another code (then Secondary Capture objects).
    ``study_uid``: joins an existing study; None derives one from the content.
    """

    patient_id: str
    modality: str = "CT"
    patient_name: str = ""
    issuer_of_patient_id: str = ""
    patient_sex: str = ""
    patient_birth_date: str = ""
    patient_age: str = ""
    study_uid: str | None = None
    study_id: str = ""
    study_date: str = ""
    study_time: str = ""
    study_description: str = ""
    accession_number: str = ""
    referring_physician: str = ""
    series_number: int = 1
    series_description: str = ""
    body_part: str = ""
    priority: str = ""


@dataclass(frozen=True, slots=True)
class _Coding:
    """How values become stored 16-bit pixels: value = pixel * slope + intercept."""

    signed: bool
    slope: float
    intercept: float
    raw: bool  # the stored values of the file are the pixels


@dataclass(frozen=True, eq=False, slots=True)
class _Planes:
    """The volume turned so that ``stored[s, r, c]`` is a picture in standard view.

    ``origin``: LPS of [0, 0, 0]; ``step``/``down``/``across``: LPS mm per s, r, c.
    """

    stored: Array
    origin: FloatArray
    step: FloatArray
    down: FloatArray
    across: FloatArray


def to_dicom_series(
    source: bytes | os.PathLike[str],
    meta: SeriesMeta,
    *,
    uid_salt: str,
    max_bytes: int = MAX_DATA_BYTES,
) -> Iterator[bytes]:
    """Yield the slices of one NIfTI volume as Part 10 objects, first to last along the normal.

    Values are kept exactly when they are whole numbers in 16 bits (CT: Hounsfield units, int16)
    or when the file's own 16-bit values carry a slope; otherwise they are scaled to 16 bits over
    their range. The same content, salt and patient give the same UIDs. Raises NiftiRefused
    before the first slice (see ``read_nifti``; also 'sheared', 'not-finite').
    """
    volume = read_nifti(source, max_bytes=max_bytes)
    planes = _planes(volume)
    coding = _coding(volume)
    base = _base(meta, volume, uid_salt, planes)
    return _slices(volume, planes, coding, base, (uid_salt, volume.sha256, meta.patient_id))


def _planes(volume: NiftiVolume) -> _Planes:
    matrix = volume.affine[:3, :3]
    sizes = np.linalg.norm(matrix, axis=0)
    units = matrix / sizes
    slice_axis = _slice_axis(sizes)
    across, down = _in_plane(units, slice_axis)
    if abs(float(units[:, across] @ units[:, down])) > 1e-3:
        raise NiftiRefused("sheared", "The in-plane axes are not at right angles.")
    normal_to = int(np.argmax(np.abs(np.cross(units[:, across], units[:, down]))))
    view = _VIEWS[normal_to]
    stored = volume.stored.transpose(slice_axis, down, across)
    steps = [matrix[:, slice_axis], matrix[:, down], matrix[:, across]]
    origin = volume.affine[:3, 3].copy()
    flips = [False, bool(steps[1] @ view[1] < 0), bool(steps[2] @ view[0] < 0)]
    signs = [-1.0 if flip else 1.0 for flip in flips]
    normal = np.cross(steps[2] * signs[2], steps[1] * signs[1])
    flips[0] = bool(steps[0] @ normal < 0)
    for axis, flip in enumerate(flips):
        if flip:
            origin = origin + steps[axis] * (stored.shape[axis] - 1)
            stored = np.flip(stored, axis)
            steps[axis] = -steps[axis]
    return _Planes(stored, origin, *(step + 0.0 for step in steps))


def _slice_axis(sizes: FloatArray) -> int:
    """The axis with clearly the largest step, else the last one."""
    longest = int(np.argmax(sizes))
    others = np.delete(sizes, longest)
    return longest if sizes[longest] >= 1.5 * others.max() else 2


def _in_plane(units: FloatArray, slice_axis: int) -> tuple[int, int]:
    """Return (axis across, axis down) of the standard view the plane is closest to."""
    first, second = (axis for axis in range(3) if axis != slice_axis)
    normal = int(np.argmax(np.abs(np.cross(units[:, first], units[:, second]))))
    to_right, to_bottom = _VIEWS[normal]
    straight = abs(units[:, first] @ to_right) + abs(units[:, second] @ to_bottom)
    crossed = abs(units[:, second] @ to_right) + abs(units[:, first] @ to_bottom)
    return (first, second) if straight >= crossed else (second, first)


def _coding(volume: NiftiVolume) -> _Coding:
    stored = volume.stored
    low, high, whole = _survey(volume)
    if whole and low >= -32768 and high <= 32767:
        return _Coding(True, 1.0, 0.0, raw=False)
    if whole and low >= 0 and high <= 65535:
        return _Coding(False, 1.0, 0.0, raw=False)
    if stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2:
        return _Coding(stored.dtype.kind == "i", volume.slope, volume.intercept, raw=True)
    slope = float(ds_text((high - low) / 65534.0)) if high > low else 1.0
    return _Coding(False, slope, float(ds_text(low)), raw=False)


def _survey(volume: NiftiVolume) -> tuple[float, float, bool]:
    """Return smallest and largest value and whether all are whole, slice by slice."""
    low, high, whole = np.inf, -np.inf, True
    for k in range(volume.stored.shape[2]):
        values = _values(volume, volume.stored[:, :, k])
        finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
        if finite.size == 0:
            continue
        low, high = min(low, float(finite.min())), max(high, float(finite.max()))
        whole = whole and (values.dtype.kind in "iu" or bool((finite == np.rint(finite)).all()))
    if not np.isfinite(low) or max(abs(low), abs(high)) > MAX_VALUE:
        raise NiftiRefused("not-finite", "The voxels have no finite values of usable size.")
    return low, high, whole


def _values(volume: NiftiVolume, stored: Array) -> Array:
    if volume.slope == 1.0 and volume.intercept == 0.0:
        return stored
    whole = volume.slope.is_integer() and volume.intercept.is_integer()
    small = max(abs(volume.slope), abs(volume.intercept)) < 1 << 30
    if whole and small and stored.dtype.kind in "iu" and stored.dtype.itemsize < 8:
        return stored.astype(np.int64) * int(volume.slope) + int(volume.intercept)
    with np.errstate(over="ignore", invalid="ignore"):  # infinity is looked at by the caller
        return stored.astype(np.float64) * volume.slope + volume.intercept


def _pixels(volume: NiftiVolume, coding: _Coding, stored: Array) -> Array:
    kind = np.dtype("<i2") if coding.signed else np.dtype("<u2")
    if coding.raw:
        return np.ascontiguousarray(stored, kind)
    values = _values(volume, stored)
    if values.dtype.kind == "f":  # holes outside the field of view become the lowest value
        lowest = coding.intercept if not coding.signed else -1024.0
        values = np.nan_to_num(values, nan=lowest, posinf=lowest, neginf=lowest)
    if coding.slope != 1.0 or coding.intercept != 0.0:
        values = np.clip(np.rint((values - coding.intercept) / coding.slope), 0, 65535)
    return np.ascontiguousarray(values, kind)


def _base(meta: SeriesMeta, volume: NiftiVolume, salt: str, planes: _Planes) -> Dataset:
    """Everything that is the same in all slices."""
    key = (salt, volume.sha256, meta.patient_id)
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = _CLASSES.get(meta.modality, SecondaryCaptureImageStorage)
    ds.ImageType = ["DERIVED", "SECONDARY", "AXIAL" if meta.modality == "CT" else "OTHER"]
    ds.Modality = meta.modality
    ds.Manufacturer = MANUFACTURER
    ds.ConversionType = "WSD"
    ds.DerivationDescription = "Converted from NIfTI"
    ds.PatientName = meta.patient_name
    ds.PatientID = meta.patient_id
    if meta.issuer_of_patient_id:
        ds.IssuerOfPatientID = meta.issuer_of_patient_id
    ds.PatientSex = meta.patient_sex
    ds.PatientBirthDate = meta.patient_birth_date
    if meta.patient_age:
        ds.PatientAge = meta.patient_age
    ds.StudyInstanceUID = meta.study_uid or derive_uid(*key, "study")
    ds.SeriesInstanceUID = derive_uid(*key, "series")
    ds.FrameOfReferenceUID = derive_uid(*key, "frame-of-reference")
    ds.StudyID, ds.StudyDate, ds.StudyTime = meta.study_id, meta.study_date, meta.study_time
    ds.StudyDescription = meta.study_description
    ds.AccessionNumber = meta.accession_number
    ds.ReferringPhysicianName = meta.referring_physician
    ds.SeriesNumber = meta.series_number
    ds.SeriesDescription = meta.series_description
    if meta.body_part:
        ds.BodyPartExamined = meta.body_part
    if meta.priority:
        ds.RequestedProcedurePriority = meta.priority
    ds.PositionReferenceIndicator = ""
    ds.PatientPosition = ""
    _describe_plane(ds, planes)
    return ds


def _describe_plane(ds: Dataset, planes: _Planes) -> None:
    across, down = np.linalg.norm(planes.across), np.linalg.norm(planes.down)
    row, column = planes.across / across, planes.down / down
    normal = np.cross(row, column)
    thickness = abs(float(planes.step @ normal))
    ds.ImageOrientationPatient = [ds_text(float(v) + 0.0) for v in (*row, *column)]
    ds.PixelSpacing = [ds_text(float(down)), ds_text(float(across))]
    ds.SliceThickness = ds_text(round(thickness, 9))
    ds.SpacingBetweenSlices = ds_text(round(thickness, 9))


def _slices(
    volume: NiftiVolume, planes: _Planes, coding: _Coding, base: Dataset, key: tuple[str, str, str]
) -> Iterator[bytes]:
    _describe_pixels(base, planes, coding)
    normal = np.cross(planes.across, planes.down)
    normal = normal / np.linalg.norm(normal)
    for index in range(planes.stored.shape[0]):
        position = planes.origin + planes.step * index
        base.SOPInstanceUID = derive_uid(*key, "slice", str(index))
        base.InstanceNumber = index + 1
        base.ImagePositionPatient = [ds_text(round(float(v), 9)) for v in position]
        base.SliceLocation = ds_text(round(float(position @ normal), 6))
        base.PixelData = _pixels(volume, coding, planes.stored[index]).tobytes()
        yield to_part10(base)


def _describe_pixels(ds: Dataset, planes: _Planes, coding: _Coding) -> None:
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = planes.stored.shape[1:]
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit = 15
    ds.PixelRepresentation = 1 if coding.signed else 0
    ds.RescaleIntercept = ds_text(coding.intercept)
    ds.RescaleSlope = ds_text(coding.slope)
    ds.RescaleType = "HU" if ds.Modality == "CT" else "US"
    if ds.Modality == "CT":
        ds.KVP = None
        ds.AcquisitionNumber = None
