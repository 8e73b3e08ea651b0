# SPDX-License-Identifier: Apache-2.0
"""DICOM objects for tests, written by pydicom."""

import io
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid


def ct_bytes(
    *,
    study_uid: str | None = None,
    series_uid: str | None = None,
    sop_uid: str | None = None,
    number: int = 1,
    fill: int = 0,
    size: int = 16,
    **attributes: Any,
) -> bytes:
    """Return a small CT object as a Part 10 file; ``attributes`` by DICOM keyword."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = UID(sop_uid or generate_uid())
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    values: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 192",
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "StudyInstanceUID": study_uid or generate_uid(),
        "SeriesInstanceUID": series_uid or generate_uid(),
        "PatientID": "P1",
        "PatientName": "Wang^XiaoDong=王^小东",
        "PatientSex": "M",
        "PatientBirthDate": "19600102",
        "StudyDate": "20260301",
        "StudyTime": "101112",
        "AccessionNumber": "A1",
        "StudyDescription": "Chest CT",
        "Modality": "CT",
        "SeriesNumber": 1,
        "InstanceNumber": number,
        "ImagePositionPatient": [0.0, 0.0, float(number)],
        "ImageOrientationPatient": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        "PixelSpacing": [0.7, 0.7],
        "SliceThickness": 1.0,
        "Rows": size,
        "Columns": size,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "RescaleIntercept": -1024,
        "RescaleSlope": 1,
        **attributes,
    }
    _fill(dataset, values)
    pixels = np.full((size, size), fill, dtype="<i2") + np.arange(size, dtype="<i2")
    dataset.PixelData = pixels.astype("<i2").tobytes()
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _fill(dataset: Dataset, values: dict[str, Any]) -> None:
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)


def ct_series(count: int, *, study_uid: str | None = None, **attributes: Any) -> list[bytes]:
    """Return the objects of one CT series."""
    study, series = study_uid or generate_uid(), generate_uid()
    return [
        ct_bytes(study_uid=study, series_uid=series, number=n + 1, fill=n, **attributes)
        for n in range(count)
    ]
