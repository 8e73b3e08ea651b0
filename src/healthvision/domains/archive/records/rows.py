# SPDX-License-Identifier: Apache-2.0
"""Headers into row values: what searches match, and the ready DICOM JSON of each level."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from healthvision.domains.archive.schemas import Json
from healthvision.domains.patients.schemas import PatientSeen
from healthvision.domains.patients.service import index_words
from healthvision.formats.dicom.header import InstanceHeader
from healthvision.formats.dicom.jsontext import dumps

KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"  # Key Object Selection Document Storage
STUDY_TAGS = (
    "00080005",
    "00080020",
    "00080030",
    "00080050",
    "00080051",
    "00080080",
    "00080090",
    "00080201",
    "00081030",
    "00100010",
    "00100020",
    "00100021",
    "00100030",
    "00100040",
    "0020000D",
    "00200010",
    "00401003",
)
SERIES_TAGS = (
    "00080021",
    "00080031",
    "00080060",
    "00080070",
    "0008103E",
    "00081010",
    "00081050",
    "00081070",
    "00081090",
    "00180015",
    "00181030",
    "0020000E",
    "00200011",
    "00200052",
    "00200060",
    "00400244",
    "00400245",
    "00400275",
)
INSTANCE_TAGS = (
    "00080005",
    "00080008",
    "00080016",
    "00080018",
    "00080022",
    "00080023",
    "00080032",
    "00080033",
    "00200013",
    "00280008",
    "00280010",
    "00280011",
    "00280100",
    "0040A043",
    "0040A493",
    "00700080",
)


def clean_text(text: str) -> str:
    """Return the text without characters that databases and UTF-8 refuse."""
    if "\x00" in text:
        text = text.replace("\x00", "")
    return text.encode("utf-8", "replace").decode("utf-8")


def clean_json(value: Any) -> Any:
    """Return a JSON value with clean texts throughout."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Mapping):
        return {clean_text(str(k)): clean_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(v) for v in value]
    return value


def json_text(value: Json, text: str = "") -> tuple[Json, str]:
    """Return a JSON object with clean texts, and its text; most objects are clean as they are.

    ``text``: what ``dumps`` makes of it, when that is known.
    """
    text = text or dumps(value)
    if "\\u0000" in text or "\\ud" in text:  # maybe: NUL or half a surrogate pair
        value = clean_json(value)
        text = dumps(value)
    return value, text


def pick(json: Mapping[str, Any], tags: Iterable[str]) -> Json:
    """Return the attributes of a level, in order of their tags."""
    return {tag: json[tag] for tag in sorted(tags) if tag in json}


def add_word(words: str, word: str) -> str:
    """Return a backslash-bounded list with a word added once."""
    word = clean_text(word)
    return words if not word or f"\\{word}\\" in words else f"{words}{word}\\"


def words_of(words: str) -> list[str]:
    """Return the words of a backslash-bounded list."""
    return [w for w in words.split("\\") if w]


def patient_of(header: InstanceHeader) -> PatientSeen:
    """Return what an object says about its patient."""
    return PatientSeen(
        patient_id=clean_text(header.patient_id),
        issuer=clean_text(header.issuer_of_patient_id),
        name=clean_text(header.patient_name),
        sex=clean_text(header.patient_sex),
        birth_date=clean_text(header.patient_birth_date),
        scope="" if header.patient_id else header.study_uid,
    )


def whole(value: int | None) -> int | None:
    """Return the number when a database column can hold it."""
    return value if value is not None and abs(value) < 1 << 63 else None


def study_texts(header: InstanceHeader) -> dict[str, str]:
    """Return the texts of a study row as they are in the object, by column."""
    return {
        "study_uid": header.study_uid,
        "patient_id": header.patient_id,
        "issuer_of_patient_id": header.issuer_of_patient_id,
        "patient_name": header.patient_name,
        "patient_sex": header.patient_sex,
        "patient_birth_date": header.patient_birth_date,
        "accession_number": header.accession_number,
        "study_date": header.study_date,
        "study_time": header.study_time,
        "description": header.study_description,
        "study_number": header.study_id,
        "referring_physician": header.referring_physician,
        "institution": header.institution,
        "priority": header.requested_procedure_priority,
    }


def study_values(header: InstanceHeader, json: Json) -> dict[str, Any]:
    """Return the values of a new study row (without ids and counts)."""
    cleaned: dict[str, Any] = {k: clean_text(v) for k, v in study_texts(header).items()}
    cleaned["patient_search"] = index_words(cleaned["patient_name"])
    cleaned["dicom_json"] = pick(json, STUDY_TAGS)
    return cleaned


def series_values(header: InstanceHeader, json: Json, origin: str) -> dict[str, Any]:
    """Return the values of a new series row (without ids and counts)."""
    values = {
        "series_uid": header.series_uid,
        "modality": header.modality,
        "description": header.series_description,
        "body_part": header.body_part,
        "laterality": header.laterality,
        "protocol_name": header.protocol_name,
        "manufacturer": header.manufacturer,
        "station_name": header.station_name,
        "series_date": header.series_date,
        "series_time": header.series_time,
        "sop_class_uid": header.sop_class_uid,
        "frame_of_reference_uid": header.frame_of_reference_uid,
        "origin": origin,
    }
    cleaned: dict[str, Any] = {k: clean_text(v) for k, v in values.items()}
    cleaned["number"] = whole(header.series_number)
    cleaned["dicom_json"] = pick(json, SERIES_TAGS)
    return cleaned


def instance_values(header: InstanceHeader, text: str) -> dict[str, Any]:
    """Return the values of a new instance row from its header; ``text``: its JSON, ready."""
    return {
        "sop_uid": header.sop_uid,
        "sop_class_uid": header.sop_class_uid,
        "transfer_syntax": header.transfer_syntax,
        "instance_number": whole(header.instance_number),
        "number_of_frames": header.number_of_frames,
        "rows": header.rows,
        "columns": header.columns,
        "deflated": header.deflated,
        "encapsulated": header.encapsulated,
        "pixel_offset": header.pixel_offset,
        "pixel_length": header.pixel_length,
        "frames": [[list(span) for span in frame] for frame in header.frames],
        "bulk": {b.path: [b.vr, b.offset, b.length] for b in header.bulk},
        "dicom_json": text,
    }


def object_key(org_id: UUID, instance_id: UUID, generation: int) -> str:
    """Return the key under which an instance's bytes are kept."""
    return f"objects/{org_id}/{instance_id.hex[-2:]}/{instance_id}/{generation}"


def quarantine_key(org_id: UUID, quarantine_id: UUID) -> str:
    """Return the key under which refused bytes are kept."""
    return f"quarantine/{org_id}/{quarantine_id}"
