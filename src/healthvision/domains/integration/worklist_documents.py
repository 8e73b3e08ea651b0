# SPDX-License-Identifier: Apache-2.0
"""Worklist entries as data sets of the Modality Worklist (PS3.4 table K.6-1), in DICOM JSON."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from pydicom.datadict import dictionary_VR, keyword_for_tag

from healthvision.domains.integration.documents import matches
from healthvision.domains.integration.schemas import Json, WorklistEntryCreate
from healthvision.domains.integration.worklist_rows import Narrowed

STEP = "00400100"
STEP_STATUS = "00400020"
_STEP = "ScheduledProcedureStepSequence"
STATION = f"{_STEP}.ScheduledStationAETitle"
STATUS = f"{_STEP}.ScheduledProcedureStepStatus"
_DAY, _MODALITY = f"{_STEP}.ScheduledProcedureStepStartDate", f"{_STEP}.Modality"
STATES = {
    "scheduled": "SCHEDULED",
    "in_progress": "STARTED",
    "completed": "DEPARTED",
    "discontinued": "DEPARTED",
    "cancelled": "DEPARTED",
}
SHOWN = ("scheduled", "in_progress")  # to modalities
_WILD = frozenset("*?\\")
_TOP = [
    "00080050",
    "00080090",
    "00081110",
    "00081120",
    "00100010",
    "00100020",
    "00100021",
    "00100030",
    "00100040",
    "00101030",
    "00102000",
    "00102110",
    "001021C0",
    "0020000D",
    "00321032",
    "00321060",
    "00321064",
    "00380010",
    "00380050",
    "00380300",
    "00380500",
    "00401001",
    "00401003",
    "00401004",
    "00403001",
]
_INSIDE = [
    "00080060",
    "00321070",
    "00400001",
    "00400002",
    "00400003",
    "00400006",
    "00400007",
    "00400008",
    "00400009",
    "00400010",
    "00400011",
    "00400012",
    "00400020",
]
MATCHED = frozenset(
    [keyword_for_tag(int(t, 16)) for t in _TOP]
    + [f"{_STEP}.{keyword_for_tag(int(t, 16))}" for t in _INSIDE]
)


def document_of(new: WorklistEntryCreate) -> Json:
    """Return the data set of a new entry; all ids are set. Absent values are empty."""
    birth = new.patient_birth_date
    top: dict[str, Any] = {
        "00080050": new.accession_number,
        "00080090": person(new.referring_physician),
        "00100010": person(new.patient_name),
        "00100020": new.patient_id,
        "00100021": new.issuer_of_patient_id,
        "00100030": day_of(birth) if birth else "",
        "00100040": new.patient_sex,
        "00101030": new.patient_weight_kg,
        "00102000": new.medical_alerts,
        "00102110": new.allergies,
        "001021C0": new.pregnancy_status,
        "0020000D": new.study_uid,
        "00321032": person(new.requesting_physician),
        "00321060": new.procedure_description,
        "00380050": new.special_needs,
        "00401001": new.procedure_id,
        "00401003": new.priority,
    }
    inside: dict[str, Any] = {
        "00080060": new.modality,
        "00400001": new.station_ae,
        "00400002": day_of(new.scheduled_date),
        "00400003": new.scheduled_time.replace(":", "").ljust(6, "0"),
        "00400006": person(new.performing_physician),
        "00400007": new.step_description or new.procedure_description,
        "00400009": new.step_id,
        "00400010": new.station_name,
        "00400011": new.location,
        STEP_STATUS: STATES["scheduled"],
    }
    document = {tag: _entry(tag, top.get(tag)) for tag in _TOP}
    item = {tag: _entry(tag, inside.get(tag)) for tag in _INSIDE}
    return {**document, STEP: {"vr": "SQ", "Value": [item]}}


def person(text: str) -> dict[str, str] | None:
    """Return a name in DICOM form as DICOM JSON; None when it is empty."""
    groups = dict(zip(("Alphabetic", "Ideographic", "Phonetic"), text.split("="), strict=False))
    return {k: v for k, v in groups.items() if v} or None


def person_text(value: Any) -> str:
    """Return a name in DICOM JSON as text in DICOM form."""
    if not isinstance(value, Mapping):
        return str(value or "")
    groups = (str(value.get(g) or "") for g in ("Alphabetic", "Ideographic", "Phonetic"))
    return "=".join(groups).rstrip("=")


def day_of(day: date) -> str:
    """Return a day as DA."""
    return f"{day.year:04d}{day.month:02d}{day.day:02d}"


def _entry(tag: str, value: Any) -> Json:
    vr = dictionary_VR(int(tag, 16)).split(" ", 1)[0]
    return {"vr": vr} if value in (None, "") else {"vr": vr, "Value": [value]}


def with_state(document: Json, state: str) -> Json:
    """Return the data set with another step status."""
    item = dict(document[STEP]["Value"][0])
    item[STEP_STATUS] = {"vr": "CS", "Value": [STATES[state]]}
    return {**document, STEP: {"vr": "SQ", "Value": [item]}}


def fits(document: Json, keys: Mapping[str, str]) -> bool:
    """Tell whether an entry matches a query; an entry without a station is for any station."""
    station = document[STEP]["Value"][0]["00400001"].get("Value")
    wanted = {k: v for k, v in keys.items() if k in MATCHED and (k != STATION or station)}
    return matches(document, wanted)


def narrowed(keys: Mapping[str, str]) -> Narrowed:
    """Return the part of a query that the database answers."""
    low, dash, high = keys.get(_DAY, "").partition("-")
    days = (low, high if dash else low)
    first, last = (d if len(d) == 8 and d.isdigit() else "" for d in days)
    return Narrowed(
        SHOWN,
        first,
        last,
        _plain(keys.get(_MODALITY, "")),
        _plain(keys.get(STATION, "")),
        _plain(keys.get("PatientID", "")),
    )


def _plain(value: str) -> str:
    return "" if set(value) & _WILD or not value.isprintable() else value


def answer(document: Json, asked: Mapping[str, str], inside: Mapping[str, str]) -> Json:
    """Return what a query asks of an entry; ``inside``: of its step, empty: all of it."""
    shown = {tag: document.get(tag, {"vr": vr}) for tag, vr in asked.items()}
    if STEP in asked and inside:
        item = document[STEP]["Value"][0]
        kept = {tag: item.get(tag, {"vr": vr}) for tag, vr in inside.items()}
        shown[STEP] = {"vr": "SQ", "Value": [kept]}
    return shown
