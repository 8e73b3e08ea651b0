# SPDX-License-Identifier: Apache-2.0
"""Patient and study attributes carried from source objects into the objects we write.

Sources in the field lack attributes, name odd character sets or hold values that are not
valid; here each is read as text, checked, and left empty when it cannot be kept.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydicom import Dataset
from pydicom.uid import UID

from healthvision.clinical.result import ApplicationRef, Code
from healthvision.clinical.vocabulary import OWN_SCHEME
from healthvision.formats.dicom.header import InstanceHeader
from healthvision.formats.dicom.jsonmodel import Json
from healthvision.formats.dicom.uids import derive_uid
from healthvision.formats.dicom.writer import MANUFACTURER, ds_text

Encoding = Literal["LABELMAP", "BINARY"]  # of segmentations
DISCLAIMER_EN = "AI, unverified"
DISCLAIMER_ZH = "AI 结果，未经医生确认"
SOFTWARE = "1"
_DATE = re.compile(r"\d{8}\Z")
_TIME = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?\Z")
_AGE = re.compile(r"\d{3}[DWMY]\Z")
_CS = re.compile(r"[A-Z0-9 _]{0,16}\Z")


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes one written object itself; the same identity and input give the same bytes.

    ``content_at``: aware time that goes into Content, Series and Instance Creation Date/Time.
    """

    sop_uid: str
    series_uid: str
    series_number: int
    content_at: datetime
    application: ApplicationRef
    series_description: str = ""
    instance_number: int = 1


def clean_source(header: InstanceHeader) -> Dataset:
    """Return the attributes of a source that writers need, valid and in Unicode (ISO_IR 192)."""
    ds = Dataset()
    copy_patient_and_study(ds, header)
    ds.SOPClassUID, ds.SOPInstanceUID = UID(header.sop_class_uid), UID(header.sop_uid)
    ds.SeriesInstanceUID = UID(header.series_uid)
    ds.Modality = header.modality if _CS.match(header.modality) else "OT"
    ds.InstanceNumber = header.instance_number
    ds.ImageType = [v for v in header.image_type if _CS.match(v)] or ["ORIGINAL", "PRIMARY"]
    ds.Rows, ds.Columns = header.rows or 1, header.columns or 1
    ds.SamplesPerPixel = header.samples_per_pixel
    ds.PhotometricInterpretation = header.photometric_interpretation
    if header.frame_of_reference_uid:
        ds.FrameOfReferenceUID = UID(header.frame_of_reference_uid)
        ds.PositionReferenceIndicator = ""
    for keyword, tag in _GEOMETRY.items():
        values = header.json.get(tag, {}).get("Value", [])
        if values and all(isinstance(v, int | float) for v in values):
            texts = [ds_text(v) for v in values]
            setattr(ds, keyword, texts if len(texts) > 1 else texts[0])
    _copy_functional_groups(ds, header.json, header.number_of_frames)
    return ds


_GEOMETRY = {
    "ImagePositionPatient": "00200032",
    "ImageOrientationPatient": "00200037",
    "PixelSpacing": "00280030",
    "SliceThickness": "00180050",
    "SpacingBetweenSlices": "00180088",
}


def _copy_functional_groups(ds: Dataset, json: Json, frames: int) -> None:
    groups: Json = {tag: json[tag] for tag in ("52009229", "52009230") if tag in json}
    if groups:
        ds.update(Dataset.from_json(groups))
        ds.NumberOfFrames = frames


def copy_patient_and_study(ds: Dataset, header: InstanceHeader) -> None:
    """Set the Patient and General Study modules (PS3.3 C.7.1.1, C.7.2.1) from a source."""
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName = _text(header.patient_name, 192)
    ds.PatientID = _text(header.patient_id, 64)
    if header.issuer_of_patient_id:
        ds.IssuerOfPatientID = _text(header.issuer_of_patient_id, 64)
    ds.PatientBirthDate = _matching(_DATE, header.patient_birth_date)
    ds.PatientSex = header.patient_sex if header.patient_sex in ("M", "F", "O") else ""
    if _AGE.match(header.patient_age):
        ds.PatientAge = header.patient_age
    ds.StudyInstanceUID = UID(header.study_uid)
    ds.StudyID = _text(header.study_id, 16)
    ds.StudyDate = _matching(_DATE, header.study_date)
    ds.StudyTime = _matching(_TIME, header.study_time)
    ds.AccessionNumber = _text(header.accession_number, 16)
    ds.ReferringPhysicianName = _text(header.referring_physician, 192)
    if header.study_description:
        ds.StudyDescription = _text(header.study_description, 64)


def describe_object(ds: Dataset, identity: Identity) -> None:
    """Set the attributes every written object shares: UIDs, series, equipment, times."""
    at = identity.content_at
    day, clock = at.strftime("%Y%m%d"), at.strftime("%H%M%S")
    ds.SOPInstanceUID = UID(identity.sop_uid)
    ds.SeriesInstanceUID = UID(identity.series_uid)
    ds.SeriesNumber = identity.series_number
    ds.InstanceNumber = identity.instance_number
    ds.SeriesDescription = series_description(identity)
    ds.SeriesDate = ds.ContentDate = ds.InstanceCreationDate = day
    ds.SeriesTime = ds.ContentTime = ds.InstanceCreationTime = clock
    ds.Manufacturer = MANUFACTURER
    ds.ManufacturerModelName = _text(identity.application.id, 64)
    ds.SoftwareVersions = _text(identity.application.version, 64)
    ds.DeviceSerialNumber = SOFTWARE
    _settle(ds, at.strftime("%Y%m%d%H%M%S"), identity.sop_uid)
    if _uses_own_codes(ds):
        ds.CodingSchemeIdentificationSequence = [_own_scheme()]


def _uses_own_codes(ds: Dataset) -> bool:
    """Tell whether some code in the object is of our own scheme."""
    for element in ds:
        if element.VR != "SQ":
            continue
        for item in element.value:
            if item.get("CodingSchemeDesignator") == OWN_SCHEME or _uses_own_codes(item):
                return True
    return False


def _own_scheme() -> Dataset:
    """Say whose private codes those are (PS3.3 C.12.1.1.2)."""
    item = Dataset()
    item.CodingSchemeDesignator = OWN_SCHEME
    item.CodingSchemeName = "HealthVision private codes"
    item.CodingSchemeResponsibleOrganization = MANUFACTURER
    return item


def _settle(ds: Dataset, stamp: str, sop_uid: str) -> None:
    """Replace the clock and the random UIDs that highdicom writes, so that bytes repeat."""
    for item in ds.get("ContributingEquipmentSequence") or []:
        item.ContributionDateTime = stamp
    organisation = derive_uid(sop_uid, "dimensions")
    for keyword in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        for item in ds.get(keyword) or []:
            item.DimensionOrganizationUID = UID(organisation)


def series_description(identity: Identity) -> str:
    """Return the series description with the words that nobody may miss."""
    text = identity.series_description or identity.application.title.en
    return _text(f"{text} ({DISCLAIMER_EN})", 64)


def code_item(code: Code) -> Dataset:
    """Return a Code Sequence item (PS3.3 8.8); long values go to Long Code Value."""
    item = Dataset()
    if len(code.value) > 16:
        item.LongCodeValue = code.value
    else:
        item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme
    item.CodeMeaning = code.meaning[:64]
    return item


def _text(value: str, limit: int) -> str:
    """Cut to the VR's length; control characters and backslashes would split the value."""
    return "".join(c for c in value if c.isprintable() and c != "\\")[:limit]


def _matching(pattern: re.Pattern[str], value: str) -> str:
    return value if pattern.match(value) else ""
