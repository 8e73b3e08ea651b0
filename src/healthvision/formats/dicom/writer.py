# SPDX-License-Identifier: Apache-2.0
"""New DICOM objects: Part 10 bytes that are the same every time for the same input."""

from io import BytesIO

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

IMPLEMENTATION_UID = "2.25.266110385229361412331271264861361253231"
IMPLEMENTATION_NAME = "HEALTHVISION"
MANUFACTURER = "HealthVision"


def to_part10(dataset: Dataset, transfer_syntax: str = ExplicitVRLittleEndian) -> bytes:
    """Return the data set as a Part 10 file; group lengths and times of writing play no role.

    SOP Class and Instance UID are taken from the data set.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = UID(transfer_syntax)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_NAME
    dataset.file_meta = meta
    out = BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def ds_text(value: float) -> str:
    """Return a number as a Decimal String of at most 16 characters, as exact as that allows."""
    text = repr(float(value))
    if text.endswith(".0"):
        text = text[:-2]
    precision = 16
    while len(text) > 16:
        precision -= 1
        text = f"{value:.{precision}g}"
    return "0" if text in ("-0", "") else text
