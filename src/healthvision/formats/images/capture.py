# SPDX-License-Identifier: Apache-2.0
"""Pictures as DICOM Secondary Capture (PS3.3 A.8), with the metadata the caller gives."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.uid import (
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from healthvision.formats.dicom.uids import derive_uid
from healthvision.formats.dicom.writer import MANUFACTURER, ds_text, to_part10
from healthvision.formats.images.reading import MAX_PIXELS, Page, read_pages


@dataclass(frozen=True, slots=True)
class ImageMeta:
    """What a picture file does not say. Dates YYYYMMDD, times HHMMSS, names DICOM PN.

    ``pixel_spacing_mm``: (rows, columns) when the picture is calibrated. ``patient_orientation``
    e.g. ('L', 'F'). ``view``: 'PA', 'AP', 'LL'...
    """

    patient_id: str
    modality: str = "OT"
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
    view: str = ""
    laterality: str = ""
    patient_orientation: tuple[str, str] | None = None
    pixel_spacing_mm: tuple[float, float] | None = None
    priority: str = ""


def to_dicom(
    source: bytes | os.PathLike[str],
    meta: ImageMeta,
    *,
    uid_salt: str,
    max_pixels: int = MAX_PIXELS,
) -> list[bytes]:
    """Return a JPEG, PNG or TIFF file as Part 10 Secondary Capture objects of one series.

    Pages of one size and kind become one (multi-frame) object, otherwise one object per page.
    Pixels are stored uncompressed: a JPEG is decoded and marked lossy (0028,2110 = 01); the
    archive keeps the original file beside it. 16-bit and signed grey values are exact, MinIsWhite
    becomes MONOCHROME1 with unchanged values. The same bytes, salt and patient give the same
    UIDs. Raises ImageRefused (see ``read_pages``).
    """
    raw = source if isinstance(source, bytes) else Path(source).read_bytes()
    pages = read_pages(raw, max_pixels=max_pixels)
    key = (uid_salt, hashlib.sha256(raw).hexdigest(), meta.patient_id)
    groups = [pages] if len({_kind(p) for p in pages}) == 1 else [[page] for page in pages]
    return [to_part10(_object(group, meta, key, i)) for i, group in enumerate(groups)]


def _kind(page: Page) -> tuple[object, ...]:
    return page.pixels.shape, page.pixels.dtype.str, page.min_is_white


def _object(
    pages: Sequence[Page], meta: ImageMeta, key: tuple[str, str, str], index: int
) -> Dataset:
    ds = _described(meta, key)
    ds.SOPInstanceUID = derive_uid(*key, "image", str(index))
    ds.InstanceNumber = index + 1
    _pixels(ds, pages)
    if pages[0].lossy:
        ds.LossyImageCompression = "01"
    _spacing(ds, meta)
    return ds


def _described(meta: ImageMeta, key: tuple[str, str, str]) -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = ["DERIVED", "SECONDARY"]
    ds.Modality, ds.Manufacturer = meta.modality, MANUFACTURER
    ds.ConversionType = "WSD"
    ds.PatientName, ds.PatientID = meta.patient_name, meta.patient_id
    ds.PatientSex, ds.PatientBirthDate = meta.patient_sex, meta.patient_birth_date
    ds.StudyInstanceUID = meta.study_uid or derive_uid(*key, "study")
    ds.SeriesInstanceUID = derive_uid(*key, "series")
    ds.StudyID, ds.StudyDate, ds.StudyTime = meta.study_id, meta.study_date, meta.study_time
    ds.StudyDescription, ds.AccessionNumber = meta.study_description, meta.accession_number
    ds.ReferringPhysicianName = meta.referring_physician
    ds.SeriesNumber, ds.SeriesDescription = meta.series_number, meta.series_description
    ds.PatientOrientation = list(meta.patient_orientation) if meta.patient_orientation else None
    for keyword, value in (
        ("IssuerOfPatientID", meta.issuer_of_patient_id),
        ("PatientAge", meta.patient_age),
        ("BodyPartExamined", meta.body_part),
        ("ViewPosition", meta.view),
        ("Laterality", meta.laterality),
        ("RequestedProcedurePriority", meta.priority),
    ):
        if value:
            setattr(ds, keyword, value)
    return ds


def _pixels(ds: Dataset, pages: Sequence[Page]) -> None:
    first = pages[0]
    pixels = first.pixels
    colour = pixels.ndim == 3
    bits = pixels.dtype.itemsize * 8
    ds.SamplesPerPixel = 3 if colour else 1
    if colour:
        ds.PhotometricInterpretation, ds.PlanarConfiguration = "RGB", 0
    else:
        ds.PhotometricInterpretation = "MONOCHROME1" if first.min_is_white else "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.BitsAllocated = ds.BitsStored = bits
    ds.HighBit = bits - 1
    ds.PixelRepresentation = 1 if pixels.dtype == np.int16 else 0
    ds.SOPClassUID = SecondaryCaptureImageStorage
    if len(pages) > 1:
        _frames(ds, len(pages), colour, bits)
    order = pixels.dtype.newbyteorder("<")
    data = b"".join(np.ascontiguousarray(page.pixels, order).tobytes() for page in pages)
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OW" if bits > 8 else "OB"


def _frames(ds: Dataset, count: int, colour: bool, bits: int) -> None:
    """Multi-frame SC (PS3.3 A.8.3-A.8.5): frames are pages, numbered by a page vector."""
    if colour:
        ds.SOPClassUID = MultiFrameTrueColorSecondaryCaptureImageStorage
    elif bits == 8:
        ds.SOPClassUID = MultiFrameGrayscaleByteSecondaryCaptureImageStorage
    else:
        ds.SOPClassUID = MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    ds.NumberOfFrames = count
    ds.FrameIncrementPointer = 0x00182001  # Page Number Vector
    ds.PageNumberVector = list(range(1, count + 1))
    ds.BurnedInAnnotation = "YES"  # not known, so the careful answer
    if not colour:
        ds.PresentationLUTShape = (
            "INVERSE" if ds.PhotometricInterpretation == "MONOCHROME1" else "IDENTITY"
        )
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"


def _spacing(ds: Dataset, meta: ImageMeta) -> None:
    """Only the caller's spacing counts: dots per inch describe a printer, not a patient."""
    if meta.pixel_spacing_mm is None:
        return
    values = [ds_text(v) for v in meta.pixel_spacing_mm]
    ds.PixelSpacing = values
    ds.NominalScannedPixelSpacing = values
