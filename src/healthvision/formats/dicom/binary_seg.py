# SPDX-License-Identifier: Apache-2.0
"""A stored label map segmentation as a BINARY one, and the report that points to it.

Many viewers and PACS know only BINARY segmentations (PS3.3 A.51). Both have the same segments
with the same numbers; a BINARY frame holds one segment of one plane. The new objects have UIDs
that follow from the old ones, so each run makes the same bytes. Runs decoders: call it in a child
process (kernel.apart).
"""

import io
import warnings
from copy import deepcopy

import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from healthvision.clinical.volume import Array
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.uids import derive_uid
from healthvision.formats.dicom.writer import to_part10

LABELMAP_CLASS = "1.2.840.10008.5.1.4.1.1.66.7"
BINARY_CLASS = "1.2.840.10008.5.1.4.1.1.66.4"
_IDENTIFICATION, _NUMBER = Tag("SegmentIdentificationSequence"), Tag("ReferencedSegmentNumber")
_LABELMAP_ONLY = (
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "PaletteColorLookupTableUID",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
    "ICCProfile",
    "ColorSpace",
)


def binary_uid(sop_uid: str) -> str:
    """Return the SOP Instance UID of the turned form of an object."""
    return derive_uid(sop_uid, "binary")


def as_binary(data: bytes) -> bytes:
    """Return a label map SEG, or a report that points to one, for BINARY readers (Part 10).

    Raises DicomRefused when the object is neither or cannot be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ds = pydicom.dcmread(io.BytesIO(data))
            turned = _segmentation(ds) if ds.SOPClassUID == LABELMAP_CLASS else _report(ds)
            return to_part10(turned)
        except (AttributeError, KeyError, ValueError, RuntimeError) as error:
            raise DicomRefused("seg", "The segmentation cannot be turned.") from error


def _report(ds: Dataset) -> Dataset:
    """Point a report to the turned segmentations."""
    if "ContentSequence" not in ds:
        raise ValueError("no report")
    for item in _items(ds):
        if item.get("ReferencedSOPClassUID") == LABELMAP_CLASS:
            item.ReferencedSOPClassUID = BINARY_CLASS
            item.ReferencedSOPInstanceUID = binary_uid(item.ReferencedSOPInstanceUID)
    ds.SOPInstanceUID = binary_uid(ds.SOPInstanceUID)
    return ds


def _items(ds: Dataset) -> list[Dataset]:
    found = []
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                found += [item, *_items(item)]
    return found


def _segmentation(ds: Dataset) -> Dataset:
    labels = ds.pixel_array.reshape(-1, ds.Rows, ds.Columns)
    numbers = sorted(int(s.SegmentNumber) for s in ds.SegmentSequence if s.SegmentNumber)
    planes = [(n, at) for n in numbers for at in range(len(labels)) if (labels[at] == n).any()]
    frames = ds.PerFrameFunctionalGroupsSequence
    ds.PerFrameFunctionalGroupsSequence = Sequence(
        _frame_groups(frames[at], number, leading=not _names_segment(ds)) for number, at in planes
    )
    _index_by_segment(ds)
    ds.SegmentSequence = Sequence(s for s in ds.SegmentSequence if s.SegmentNumber)
    for keyword in _LABELMAP_ONLY:
        if keyword in ds:
            delattr(ds, keyword)
    ds.SOPClassUID, ds.SegmentationType = BINARY_CLASS, "BINARY"
    ds.SOPInstanceUID = binary_uid(ds.SOPInstanceUID)
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 1
    ds.HighBit = ds.PixelRepresentation = 0
    ds.NumberOfFrames = len(planes)
    ds.LossyImageCompression = "00"
    _put_pixels(ds, labels, planes)
    return ds


def _put_pixels(ds: Dataset, labels: Array, planes: list[tuple[int, int]]) -> None:
    """Pack one bit per pixel over all frames, the first pixel in the lowest bit (PS3.5 8.1.1)."""
    size = labels[0].size
    bits = np.empty(size * len(planes), np.uint8)
    for position, (number, at) in enumerate(planes):
        bits[position * size : (position + 1) * size] = (labels[at] == number).ravel()
    packed = np.packbits(bits, bitorder="little").tobytes()
    ds.PixelData = packed + b"\0" * (len(packed) % 2)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = False


def _frame_groups(groups: Dataset, number: int, *, leading: bool) -> Dataset:
    copied = deepcopy(groups)
    item = Dataset()
    item.ReferencedSegmentNumber = number
    copied.SegmentIdentificationSequence = Sequence([item])
    for content in copied.get("FrameContentSequence") or []:
        found = content.get("DimensionIndexValues")
        if found is not None and leading:
            held = list(found) if not isinstance(found, int) else [found]
            content.DimensionIndexValues = [number, *held]
    return copied


def _names_segment(ds: Dataset) -> bool:
    return any(
        item.get("DimensionIndexPointer") == _NUMBER
        for item in ds.get("DimensionIndexSequence", [])
    )


def _index_by_segment(ds: Dataset) -> None:
    """Make the segment the first dimension, as readers of BINARY expect (PS3.3 C.8.20.4)."""
    if _names_segment(ds) or "DimensionIndexSequence" not in ds:
        return
    item = Dataset()
    item.DimensionIndexPointer = _NUMBER
    item.FunctionalGroupPointer = _IDENTIFICATION
    item.DimensionOrganizationUID = ds.DimensionIndexSequence[0].DimensionOrganizationUID
    item.DimensionDescriptionLabel = "ReferencedSegmentNumber"
    ds.DimensionIndexSequence = Sequence([item, *ds.DimensionIndexSequence])
