# SPDX-License-Identifier: Apache-2.0
"""A doctor's signed report as DICOM objects: Basic Text SR (TID 2000) and Encapsulated PDF."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydicom import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, BasicTextSRStorage, EncapsulatedPDFStorage

from healthvision.clinical.result import Code
from healthvision.formats.dicom.header import InstanceHeader
from healthvision.formats.dicom.source import code_item, copy_patient_and_study
from healthvision.formats.dicom.uids import derive_uid
from healthvision.formats.dicom.writer import MANUFACTURER, to_part10
from healthvision.formats.reports.signed import SignedReport, sections, word

SERIES_NUMBER = 9110
_TITLE = Code(scheme="LN", value="18748-4", meaning="Diagnostic imaging report")
_LANGUAGES = {"zh": "Chinese", "en": "English"}
# Section -> (heading of TID 2000/CID 7001, concept of its text of CID 7002); both of DCM.
_SECTIONS: dict[str, tuple[Code, Code]] = {
    key: (
        Code(scheme="DCM", value=heading, meaning=title),
        Code(scheme="DCM", value=text, meaning=meaning),
    )
    for key, heading, title, text, meaning in (
        ("clinical", "121060", "History", "121060", "History"),
        (
            "technique",
            "121064",
            "Current Procedure Descriptions",
            "121065",
            "Procedure Description",
        ),
        ("comparison", "121068", "Previous Findings", "121069", "Previous Finding"),
        ("findings", "121070", "Findings", "121071", "Finding"),
        ("impression", "121072", "Impressions", "121073", "Impression"),
        ("recommendation", "121074", "Recommendations", "121075", "Recommendation"),
    )
}
_POLARITY = Code(scheme="99HV", value="polarity", meaning="Positive or negative")
_COMMENT = Code(scheme="DCM", value="121106", meaning="Comment")


@dataclass(frozen=True, slots=True)
class ReportUids:
    """UIDs of the objects of one signed entry; they follow from the report and its number."""

    sr: str
    pdf: str


def uids_of(report_id: str, number: int) -> ReportUids:
    """Return the SOP Instance UIDs of a signed entry."""
    return ReportUids(
        derive_uid(report_id, str(number), "sr"), derive_uid(report_id, str(number), "pdf")
    )


def write_report_sr(report: SignedReport, source: InstanceHeader) -> bytes:
    """Return the report as Basic Text SR, COMPLETE, VERIFIED and FINAL, in Part 10 bytes.

    An amended report and one with addenda name the object before them as predecessor (PS3.3
    C.17.2). ``source``: any object of the study, for patient and study attributes.
    """
    uids = uids_of(report.report_id, report.number)
    ds = _begin(report, source, uids.sr, BasicTextSRStorage, "SR")
    ds.ReferencedPerformedProcedureStepSequence = Items([])
    ds.PerformedProcedureCodeSequence = Items([])
    ds.CompletionFlag, ds.VerificationFlag, ds.PreliminaryFlag = "COMPLETE", "VERIFIED", "FINAL"
    ds.VerifyingObserverSequence = Items([_verifier(report)])
    ds.AuthorObserverSequence = Items([_author(report)])
    if report.number > 1:
        before = uids_of(report.report_id, report.number - 1).sr
        ds.PredecessorDocumentsSequence = Items([_document(report, before)])
    ds.ValueType, ds.ContinuityOfContent = "CONTAINER", "SEPARATE"
    ds.ConceptNameCodeSequence = Items([code_item(_TITLE)])
    ds.ContentTemplateSequence = Items([_template("2000")])
    ds.ContentSequence = Items(_content(report))
    return to_part10(ds)


def write_report_pdf(report: SignedReport, pdf: bytes, source: InstanceHeader) -> bytes:
    """Return the PDF of the report as Encapsulated PDF, VERIFIED; ValueError when it is no PDF."""
    if not pdf.startswith(b"%PDF-"):
        raise ValueError("the document is no PDF")
    uids = uids_of(report.report_id, report.number)
    ds = _begin(report, source, uids.pdf, EncapsulatedPDFStorage, "DOC")
    ds.ConversionType, ds.BurnedInAnnotation = "WSD", "YES"  # the report names the patient
    ds.AcquisitionDateTime = ""
    ds.VerificationFlag = "VERIFIED"
    ds.DocumentTitle = word("title", report.language)
    ds.ConceptNameCodeSequence = Items([code_item(_TITLE)])
    ds.SourceInstanceSequence = Items([_reference(BasicTextSRStorage, uids.sr)])
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf"
    ds.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    ds.EncapsulatedDocumentLength = len(pdf)
    return to_part10(ds)


def _begin(
    report: SignedReport,
    source: InstanceHeader,
    sop_uid: str,
    sop_class: UID,
    modality: Literal["SR", "DOC"],
) -> Dataset:
    ds = Dataset()
    copy_patient_and_study(ds, source)
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, UID(sop_uid)
    ds.Modality = modality
    ds.SeriesInstanceUID = UID(derive_uid(report.report_id, "series", modality))
    ds.SeriesNumber = SERIES_NUMBER + (modality == "DOC")
    ds.InstanceNumber = report.number
    ds.SeriesDescription = "Diagnostic report"
    day, clock = _stamps(_last(report))
    ds.SeriesDate = ds.ContentDate = ds.InstanceCreationDate = day
    ds.SeriesTime = ds.ContentTime = ds.InstanceCreationTime = clock
    ds.Manufacturer = MANUFACTURER
    ds.ManufacturerModelName, ds.SoftwareVersions = "reading", "1"
    ds.DeviceSerialNumber = "1"
    return ds


def _last(report: SignedReport) -> datetime:
    return max([report.signed_at, *(a.signed_at for a in report.addenda)])


def _stamps(moment: datetime) -> tuple[str, str]:
    return moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")


def _person(name: str) -> str:
    """Return a name as a Person Name without component separators of its own."""
    clean = "".join(c for c in name if c.isprintable() and c not in "\\=^")[:64].strip()
    return clean or "unknown"


def _verifier(report: SignedReport) -> Dataset:
    item = Dataset()
    item.VerifyingObserverName = _person(report.reviewer_name)
    item.VerifyingOrganization = MANUFACTURER
    item.VerificationDateTime = "".join(_stamps(_last(report)))
    item.VerifyingObserverIdentificationCodeSequence = Items([])
    return item


def _author(report: SignedReport) -> Dataset:
    item = Dataset()
    item.ObserverType = "PSN"
    item.PersonName = _person(report.author_name)
    item.PersonIdentificationCodeSequence = Items([])
    item.InstitutionName = ""
    item.InstitutionCodeSequence = Items([])
    return item


def _document(report: SignedReport, sop_uid: str) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = UID(derive_uid(report.report_id, "series", "SR"))
    series.ReferencedSOPSequence = Items([_reference(BasicTextSRStorage, sop_uid)])
    item = Dataset()
    item.StudyInstanceUID = UID(report.study_uid)
    item.ReferencedSeriesSequence = Items([series])
    return item


def _reference(sop_class: UID, sop_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, UID(sop_uid)
    return item


def _template(identifier: str) -> Dataset:
    item = Dataset()
    item.MappingResource, item.TemplateIdentifier = "DCMR", identifier
    return item


def _content(report: SignedReport) -> list[Dataset]:
    items = [_language(report.language)]
    items.append(_observer(report))
    if report.polarity:
        items.append(_polarity(report.polarity))
    for key, text in sections(report):
        heading, concept = _SECTIONS[key]
        items.append(_section(heading, [_text(concept, text)]))
    for addendum in report.addenda:
        words = f"{addendum.author_name}, {addendum.signed_at:%Y-%m-%d %H:%M} UTC: {addendum.text}"
        title = Code(scheme="DCM", value="121078", meaning="Addendum")
        items.append(_section(title, [_text(_COMMENT, words)]))
    return items


def _language(name: str) -> Dataset:
    """Return the language of the document (TID 1204); its codes are those of RFC 5646."""
    value = Dataset()
    value.CodeValue, value.CodingSchemeDesignator = name, "RFC5646"
    value.CodeMeaning = _LANGUAGES[name]
    item = Dataset()
    item.RelationshipType, item.ValueType = "HAS CONCEPT MOD", "CODE"
    concept = Code(scheme="DCM", value="121049", meaning="Language of Content Item and Descendants")
    item.ConceptNameCodeSequence = Items([code_item(concept)])
    item.ConceptCodeSequence = Items([value])
    return item


def _observer(report: SignedReport) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "HAS OBS CONTEXT", "PNAME"
    name = Code(scheme="DCM", value="121008", meaning="Person Observer Name")
    item.ConceptNameCodeSequence = Items([code_item(name)])
    item.PersonName = _person(report.author_name)
    return item


def _polarity(value: str) -> Dataset:
    meaning = Code(scheme="99HV", value=value, meaning=value.capitalize())
    title = Code(scheme="DCM", value="121072", meaning="Impressions")
    return _section(title, [_code(_POLARITY, meaning, "CONTAINS")])


def _code(name: Code, value: Code, relation: str) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = relation, "CODE"
    item.ConceptNameCodeSequence = Items([code_item(name)])
    item.ConceptCodeSequence = Items([code_item(value)])
    return item


def _section(title: Code, children: list[Dataset]) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "CONTAINER"
    item.ConceptNameCodeSequence = Items([code_item(title)])
    item.ContinuityOfContent = "SEPARATE"
    item.ContentSequence = Items(children)
    return item


def _text(name: Code, text: str) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "TEXT"
    item.ConceptNameCodeSequence = Items([code_item(name)])
    item.TextValue = "".join(c for c in text if c.isprintable() or c in "\n\t")
    return item
