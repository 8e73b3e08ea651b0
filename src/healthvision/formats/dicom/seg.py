# SPDX-License-Identifier: Apache-2.0
"""Segmentation objects: LABELMAP to keep (small), BINARY for destinations (PS3.3 A.51)."""

import warnings
from collections.abc import Sequence

import highdicom as hd
import numpy as np
from highdicom.color import CIELabColor
from highdicom.sr import CodedConcept
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from healthvision.clinical.result import Code, Laterality
from healthvision.clinical.study import Segment, Segmentation
from healthvision.clinical.volume import Array
from healthvision.formats.dicom.header import InstanceHeader
from healthvision.formats.dicom.source import (
    DISCLAIMER_EN,
    SOFTWARE,
    Encoding,
    Identity,
    clean_source,
    describe_object,
)
from healthvision.formats.dicom.writer import MANUFACTURER, ds_text, to_part10

_RELATION = Code(scheme="SCT", value="309825002", meaning="Spatial and Relational Concept")
_SIDES = {
    Laterality.LEFT: Code(scheme="SCT", value="7771000", meaning="Left"),
    Laterality.RIGHT: Code(scheme="SCT", value="24028007", meaning="Right"),
    Laterality.BOTH: Code(scheme="SCT", value="51440002", meaning="Right and left"),
    Laterality.MIDLINE: Code(scheme="SCT", value="260528009", meaning="Median"),
}


def write_seg(
    segmentation: Segmentation,
    sources: Sequence[InstanceHeader],
    identity: Identity,
    *,
    encoding: Encoding = "LABELMAP",
) -> bytes:
    """Return a SEG object as Part 10 bytes.

    ``sources``: headers of the images that made the analysed volume; LABELMAP is RLE compressed,
    BINARY is uncompressed. Empty frames are left out. Segments without a voxel are left out of
    the object too. Raises ValueError when no voxel is labelled or there is no source.
    """
    if not sources:
        raise ValueError("a segmentation needs its source images")
    labels = _labels(segmentation)
    present = set(np.unique(labels).tolist()) - {0}
    kept = [s for s in segmentation.segments if s.number in present]
    if not kept or len(kept) != len(present):
        raise ValueError("the labels are empty or use numbers without a segment")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = _object(segmentation, labels, kept, sources, identity, encoding)
    describe_object(ds, identity)
    _complete(ds, segmentation)
    ds.ContentLabel = "AI_UNVERIFIED"
    ds.ContentDescription = f"{DISCLAIMER_EN}: {identity.application.title.en}"[:64]
    return to_part10(ds, ds.file_meta.TransferSyntaxUID)


def _complete(ds: Dataset, segmentation: Segmentation) -> None:
    """Add what highdicom copies from sources and sources may lack (type 1C and 2C)."""
    shared = ds.SharedFunctionalGroupsSequence[0]
    for measures in shared.get("PixelMeasuresSequence") or []:
        if "SliceThickness" not in measures:
            measures.SliceThickness = ds_text(segmentation.labels.spacing[0])
    if "PlaneOrientationSequence" not in shared:
        ds.PatientOrientation = None
    if ds.SegmentSequence[0].SegmentNumber == 0:
        _describe_background(ds.SegmentSequence[0])


def _describe_background(item: Dataset) -> None:
    """Give the background of a label map a category of CID 7150 (PS3.16).

    It has number 0, the Pixel Padding Value, and must have an item (PS3.3 C.8.20.2.4); highdicom
    repeats its type as the category, which is none of that list.
    """
    item.SegmentedPropertyCategoryCodeSequence = [concept(_RELATION)]


def segment_numbers(segmentation: Segmentation) -> dict[int, int]:
    """Return, for each segment present in the labels, its number in the written object.

    LABELMAP keeps numbers. BINARY numbers must run from 1 without holes (PS3.3 C.8.20.2), so
    they are counted anew in both encodings and one SR fits both.
    """
    present = set(np.unique(segmentation.labels.voxels).tolist()) - {0}
    kept = [s.number for s in segmentation.segments if s.number in present]
    return {number: i + 1 for i, number in enumerate(kept)}


def _labels(segmentation: Segmentation) -> Array:
    labels = segmentation.labels.voxels
    return labels.astype(np.uint8) if labels.max(initial=0) < 256 else labels.astype(np.uint16)


def _object(
    segmentation: Segmentation,
    labels: Array,
    kept: list[Segment],
    sources: Sequence[InstanceHeader],
    identity: Identity,
    encoding: Encoding,
) -> Dataset:
    numbers = segment_numbers(segmentation)
    table = np.zeros(int(labels.max()) + 1, labels.dtype)
    for old, new in numbers.items():
        table[old] = new
    datasets = [clean_source(h) for h in sources]
    for dataset in datasets:
        if "SliceThickness" not in dataset:
            dataset.SliceThickness = ds_text(segmentation.labels.spacing[0])
    frame_of_reference = sources[0].frame_of_reference_uid
    pixels: Array | hd.Volume = table[labels]
    if frame_of_reference and _has_planes(datasets[0]):
        pixels = hd.Volume(
            table[labels],
            affine=segmentation.labels.affine,
            coordinate_system="PATIENT",
            frame_of_reference_uid=frame_of_reference,
        )
    return hd.seg.Segmentation(
        source_images=datasets,
        pixel_array=pixels,
        segmentation_type=encoding,
        segment_descriptions=[_describe(s, numbers[s.number], identity) for s in kept],
        series_instance_uid=identity.series_uid,
        series_number=identity.series_number,
        sop_instance_uid=identity.sop_uid,
        instance_number=identity.instance_number,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=identity.application.id,
        software_versions=identity.application.version,
        device_serial_number=SOFTWARE,
        transfer_syntax_uid=RLELossless if encoding == "LABELMAP" else ExplicitVRLittleEndian,
        omit_empty_frames=True,
        content_label="AI_UNVERIFIED",
    )


def _has_planes(ds: Dataset) -> bool:
    return "ImagePositionPatient" in ds or "PerFrameFunctionalGroupsSequence" in ds


def _describe(segment: Segment, number: int, identity: Identity) -> hd.seg.SegmentDescription:
    algorithm = hd.AlgorithmIdentificationSequence(
        name=identity.application.id,
        family=codes.DCM.ArtificialIntelligence,
        version=identity.application.version,
    )
    description = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=segment.label[:64],
        segmented_property_category=concept(segment.category),
        segmented_property_type=concept(segment.type),
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm,
        tracking_uid=segment.tracking_uid,
        tracking_id=segment.tracking_id,
        display_color=CIELabColor.from_rgb(*segment.colour),
    )
    if segment.laterality is not None:
        item = description.SegmentedPropertyTypeCodeSequence[0]
        item.SegmentedPropertyTypeModifierCodeSequence = [side(segment.laterality)]
    return description


def concept(code: Code) -> CodedConcept:
    """Return a code as highdicom wants it; the meaning is cut to 64 characters."""
    return CodedConcept(value=code.value, scheme_designator=code.scheme, meaning=code.meaning[:64])


def side(laterality: Laterality) -> CodedConcept:
    """Return the laterality as a code of CID 244."""
    return concept(_SIDES[laterality])
