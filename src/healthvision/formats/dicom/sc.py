# SPDX-License-Identifier: Apache-2.0
"""Key images as Secondary Capture, for a PACS that shows neither SEG nor SR (PS3.3 A.8.1)."""

import numpy as np
from pydicom import Dataset
from pydicom.uid import UID, SecondaryCaptureImageStorage

from healthvision.clinical.result import Code
from healthvision.clinical.study import KeyImage
from healthvision.formats.dicom.header import InstanceHeader
from healthvision.formats.dicom.source import (
    DISCLAIMER_EN,
    DISCLAIMER_ZH,
    Identity,
    code_item,
    copy_patient_and_study,
    describe_object,
)
from healthvision.formats.dicom.writer import to_part10

_PURPOSE = Code(scheme="DCM", value="121322", meaning="Source image for image processing operation")
_DERIVATION = Code(scheme="DCM", value="113076", meaning="Segmentation")


def write_sc(image: KeyImage, source: InstanceHeader, identity: Identity) -> bytes:
    """Return one key image as an RGB Secondary Capture object that names its source image.

    ``source``: header of the slice shown. Raises ValueError when the pixels are not uint8 RGB.
    """
    pixels = image.pixels
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError("a key image is uint8 of shape (rows, columns, 3)")
    ds = Dataset()
    copy_patient_and_study(ds, source)
    ds.SOPClassUID = SecondaryCaptureImageStorage
    ds.Modality, ds.ConversionType = "OT", "WSD"
    ds.ImageType = ["DERIVED", "SECONDARY"]
    describe_object(ds, identity)
    ds.Laterality = ""  # type 2C, not known here
    ds.PatientOrientation = None
    ds.BurnedInAnnotation = "NO"
    words = f"{DISCLAIMER_EN} | {DISCLAIMER_ZH}\n{image.caption.en} | {image.caption.zh}"
    ds.ImageComments = words[:10240]
    ds.DerivationDescription = f"{DISCLAIMER_EN}: {image.caption.en}"[:1024]
    ds.DerivationCodeSequence = [code_item(_DERIVATION)]
    ds.SourceImageSequence = [_reference(source)]
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "RGB", 0
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation = 7, 0
    data = np.ascontiguousarray(pixels).tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OB"
    return to_part10(ds)


def _reference(source: InstanceHeader) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = UID(source.sop_class_uid)
    item.ReferencedSOPInstanceUID = UID(source.sop_uid)
    item.PurposeOfReferenceCodeSequence = [code_item(_PURPOSE)]
    return item
