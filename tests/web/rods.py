# SPDX-License-Identifier: Apache-2.0
"""A study with rods of 20.0 mm, blocks of known values, four ways to lie, and a segmentation."""

import io
from functools import cache

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import Segmentation, SegmentDescription
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes

from healthvision.formats.dicom.uids import derive_uid
from healthvision.formats.dicom.writer import to_part10

SHAPE = (24, 60, 96)  # z, y, x
SPACING = (2.5, 0.8, 0.5)  # mm; each rod below is 20.0 mm long
BLOCKS = (-160, -60, 40, 140, 240)  # HU in slice 3, under a window of 400 around 40
AXIAL = (1, 0, 0, 0, 1, 0)
LYING = {
    "sagittal": (0, 1, 0, 0, 0, -1),
    "coronal": (1, 0, 0, 0, 0, -1),
    "flipped": (-1, 0, 0, 0, 1, 0),
}

Voxels = np.ndarray[tuple[int, ...], np.dtype[np.int32]]


def rod_voxels() -> Voxels:
    """Return the values: three rods (along x, y and z) and a row of blocks."""
    hu = np.full(SHAPE, -1000, np.int32)
    hu[6, 18:22, 10:50] = 900  # 40 x 0.5 mm along x
    hu[6, 30:55, 70:78] = 900  # 25 x 0.8 mm along y
    hu[8:16, 27:33, 43:53] = 900  # 8 x 2.5 mm along z, through the middle
    for number, value in enumerate(BLOCKS):
        hu[2, 20:40, 6 + 18 * number : 18 + 18 * number] = value
    return hu


@cache
def rod_study() -> list[bytes]:
    """Return the objects of the study: rods, three other ways to lie, a segmentation.

    The same bytes each time: the clock and chance go into the segmentation, and a server that has
    the study from an earlier test refuses another object under the same UID.
    """
    hu = rod_voxels()
    slices = [_slice("rods", 1, hu[i], i, AXIAL) for i in range(SHAPE[0])]
    files = [to_part10(s) for s in slices]
    for number, (name, lying) in enumerate(LYING.items(), start=2):
        plain = np.full((4, 24, 24), 100, np.int32)
        files += [to_part10(_slice(name, number, plain[i], i, lying)) for i in range(4)]
    return [*files, _segmentation([dcmread(io.BytesIO(f)) for f in files[: SHAPE[0]]])]


def _slice(name: str, number: int, hu: Voxels, index: int, lying: tuple[int, ...]) -> Dataset:
    row, column = np.array(lying[:3]), np.array(lying[3:])
    place = np.cross(row, column) * SPACING[0] * index
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.SOPInstanceUID = derive_uid("rods", name, str(index))
    ds.StudyInstanceUID = derive_uid("rods", "study")
    ds.SeriesInstanceUID = derive_uid("rods", name, "series")
    ds.FrameOfReferenceUID = derive_uid("rods", name, "frame")
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.Modality, ds.PatientName, ds.PatientID = "CT", "尺^量", "P-rods"
    ds.PatientSex, ds.PatientBirthDate, ds.StudyDate = "F", "19700615", "20260304"
    ds.StudyTime, ds.AccessionNumber, ds.StudyID = "050607", "R1", "S1"
    ds.StudyDescription, ds.SeriesDescription = "测量体模", name
    ds.SeriesNumber, ds.InstanceNumber = number, index + 1
    ds.ReferringPhysicianName, ds.Manufacturer, ds.PositionReferenceIndicator = (
        "",
        "HealthVision",
        "",
    )
    ds.ImagePositionPatient = [float(v) for v in place]
    ds.ImageOrientationPatient = [float(v) for v in lying]
    ds.PixelSpacing, ds.SliceThickness = [SPACING[1], SPACING[2]], SPACING[0]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = hu.shape
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "HU"
    ds.WindowCenter, ds.WindowWidth = "40", "400"
    ds.PixelData = hu.astype("<i2").tobytes()
    return ds


def _segmentation(sources: list[Dataset]) -> bytes:
    mask = np.zeros(SHAPE, np.uint8)
    mask[8:16, 27:33, 43:53] = 1
    segment = SegmentDescription(
        segment_number=1,
        segment_label="Rod",
        segmented_property_category=codes.SCT.PhysicalObject,
        segmented_property_type=codes.SCT.PhysicalObject,
        algorithm_type="AUTOMATIC",
        algorithm_identification=AlgorithmIdentificationSequence(
            name="rods", version="1", family=codes.DCM.ArtificialIntelligence
        ),
    )
    made = Segmentation(
        source_images=sources,
        pixel_array=mask,
        segmentation_type="BINARY",
        segment_descriptions=[segment],
        series_instance_uid=derive_uid("rods", "seg", "series"),
        series_number=20,
        sop_instance_uid=derive_uid("rods", "seg"),
        instance_number=1,
        manufacturer="HealthVision",
        manufacturer_model_name="test",
        software_versions="1",
        device_serial_number="1",
        series_description="Rod",
    )
    out = io.BytesIO()
    made.save_as(out)
    return out.getvalue()
