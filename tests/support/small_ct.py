# SPDX-License-Identifier: Apache-2.0
"""A small CT with a bright block, as Part 10 objects."""

import numpy as np
from pydicom import Dataset

from healthvision.formats.dicom.uids import derive_uid
from healthvision.formats.dicom.writer import to_part10

SHAPE = (6, 32, 32)


def small_ct(name: str = "one", *, slices: int = SHAPE[0], modality: str = "CT") -> list[bytes]:
    """Return the slices of one series; another name is another patient's study."""
    voxels = np.full((slices, *SHAPE[1:]), -800, np.int32)
    voxels[slices // 3 : slices // 3 + 2, 10:14, 10:14] = 900
    return [_slice(name, voxels[i], i, modality) for i in range(slices)]


def _slice(
    name: str, pixels: "np.ndarray[tuple[int, ...], np.dtype[np.int32]]", index: int, modality: str
) -> bytes:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.SOPInstanceUID = derive_uid("small", name, modality, str(index))
    ds.StudyInstanceUID = derive_uid("small", name, "study")
    ds.SeriesInstanceUID = derive_uid("small", name, modality, "series")
    ds.FrameOfReferenceUID = derive_uid("small", name, "frame")
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.Modality, ds.PatientName, ds.PatientID = modality, f"Test^{name}", f"P-{name}"
    ds.PatientSex, ds.PatientBirthDate, ds.StudyDate = "F", "19700615", "20260304"
    ds.StudyTime, ds.AccessionNumber, ds.StudyID = "050607", "A1", "S1"
    ds.InstanceNumber = index + 1
    ds.ImagePositionPatient = ["0", "0", str(2 * index)]
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    ds.PixelSpacing, ds.SliceThickness = ["1", "1"], "2"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 0
    ds.RescaleIntercept, ds.RescaleSlope = "-1024", "1"
    ds.PixelData = (pixels + 1024).astype("<u2").tobytes()
    return to_part10(ds)
