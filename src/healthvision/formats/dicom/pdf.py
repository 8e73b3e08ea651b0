# SPDX-License-Identifier: Apache-2.0
"""A PDF report as a DICOM object (PS3.3 A.45.1 Encapsulated PDF)."""

from pydicom import Dataset
from pydicom.uid import UID, EncapsulatedPDFStorage

from healthvision.clinical.result import Code
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

_TITLE = Code(scheme="LN", value="18748-4", meaning="Diagnostic imaging report")


def write_pdf(pdf: bytes, source: InstanceHeader, identity: Identity) -> bytes:
    """Return ``pdf`` inside an Encapsulated PDF object of the source's patient and study.

    Raises ValueError when the bytes are no PDF.
    """
    if not pdf.startswith(b"%PDF-"):
        raise ValueError("the document is no PDF")
    ds = Dataset()
    copy_patient_and_study(ds, source)
    ds.SOPClassUID = EncapsulatedPDFStorage
    ds.Modality, ds.ConversionType = "DOC", "WSD"
    describe_object(ds, identity)
    ds.AcquisitionDateTime = ""
    ds.BurnedInAnnotation = "YES"  # the report names the patient
    ds.VerificationFlag = "UNVERIFIED"
    title = identity.application.title
    ds.DocumentTitle = f"{title.en} {title.zh} ({DISCLAIMER_EN}, {DISCLAIMER_ZH})"[:1024]
    ds.ConceptNameCodeSequence = [code_item(_TITLE)]
    ds.SourceInstanceSequence = [_reference(source)]
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf"
    ds.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    ds.EncapsulatedDocumentLength = len(pdf)
    return to_part10(ds)


def _reference(source: InstanceHeader) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = UID(source.sop_class_uid)
    item.ReferencedSOPInstanceUID = UID(source.sop_uid)
    return item
