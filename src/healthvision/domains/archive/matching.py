# SPDX-License-Identifier: Apache-2.0
"""Search values into conditions: matching of PS3.4 C.2.2.2 over our columns."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, or_
from sqlalchemy.sql.elements import ColumnElement

from healthvision.domains.archive.errors import BadQuery
from healthvision.domains.archive.tables import Instance, Series, Study
from healthvision.domains.patients.service import search_words

Condition = ColumnElement[bool]
Column = Any
_DATE = re.compile(r"\d{8}\Z")
_TIME = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?\Z")
_UID = re.compile(r"[0-9.*?]{1,64}\Z")
MAX_UIDS = 1000


def _like(value: str) -> str:
    escaped = value.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return escaped.replace("*", "%").replace("?", "_")


def text(column: Column, value: str) -> Condition:
    """Match a text: exactly, or by wildcards; case counts."""
    if "*" in value or "?" in value:
        found: Condition = column.like(_like(value), escape="!")
        return found
    equal: Condition = column == value
    return equal


def folded(column: Column, value: str) -> Condition:
    """Match a text whatever its case."""
    found: Condition = func.lower(column).like(_like(value.lower()), escape="!")
    return found


def person(column: Column, value: str) -> Condition:
    """Match a person name against each of its component groups, whatever its case."""
    pattern = _like(value.rstrip("^").lower())
    name = func.lower(column)
    tails = [pattern, f"{pattern}=%", f"%={pattern}", f"%={pattern}=%"]
    whole = [f"{pattern}^%", f"%={pattern}^%"] if "^" not in value and "*" not in value else []
    return or_(*(name.like(p, escape="!") for p in tails + whole))


def fuzzy_person(column: Column, value: str) -> Condition:
    """Match names in which each word of the value begins a word; ``column`` holds the words."""
    words = search_words(value.replace("*", " ").replace("?", " ")).split()
    return and_(*(column.contains(f" {word}", autoescape=True) for word in words))


def uids(column: Column, value: str) -> Condition:
    """Match one of a list of UIDs."""
    wanted = [u for u in re.split(r"[\\,]", value) if u]
    if len(wanted) > MAX_UIDS or not all(_UID.match(u) for u in wanted):
        raise BadQuery(f"not a list of at most {MAX_UIDS} UIDs")
    if any("*" in u or "?" in u for u in wanted):
        return or_(*(text(column, u) for u in wanted))
    found: Condition = column.in_(wanted)
    return found


def dates(column: Column, value: str) -> Condition:
    """Match a date YYYYMMDD or a range ``a-b``, ``a-``, ``-b``."""
    first, last = _range(value, _DATE, "a date YYYYMMDD or a range of dates")
    found: list[Condition] = [column != ""]
    if first:
        found.append(column >= first)
    if last:
        found.append(column <= last)
    return and_(*found)


def times(column: Column, value: str) -> Condition:
    """Match a time HHMMSS.F (also shortened) or a range; a short end means its whole span."""
    first, last = _range(value, _TIME, "a time HHMMSS or a range of times")
    found: list[Condition] = [column != ""]
    if first:
        found.append(column >= first)
    if last:
        found.append(column < last + ":")  # ':' sorts after the digits and '.'
    return and_(*found)


def _range(value: str, syntax: re.Pattern[str], what: str) -> tuple[str, str]:
    first, dash, last = value.partition("-")
    if not dash:
        last = first
    given = [v for v in (first, last) if v]
    if not given or not all(syntax.match(v) for v in given):
        raise BadQuery(f"the value is not {what}")
    return first, last


def words(column: Column, value: str) -> Condition:
    """Match a backslash-bounded list that holds one of the given words."""
    wanted = [w for w in re.split(r"[\\,]", value) if w]
    return or_(*(column.like(f"%\\{_like(w)}\\%", escape="!") for w in wanted))


def number(column: Column, value: str) -> Condition:
    """Match a whole number."""
    try:
        wanted = int(value)
    except ValueError:
        raise BadQuery("the value is not a whole number") from None
    if abs(wanted) >= 1 << 31:
        raise BadQuery("the value is out of range")
    found: Condition = column == wanted
    return found


@dataclass(frozen=True, slots=True)
class Key:
    """A search key: how its values match a column."""

    column: Column
    match: Callable[[Column, str], Condition]


STUDY_KEYS: Mapping[str, Key] = {
    "StudyInstanceUID": Key(Study.study_uid, uids),
    "StudyDate": Key(Study.study_date, dates),
    "StudyTime": Key(Study.study_time, times),
    "AccessionNumber": Key(Study.accession_number, text),
    "ModalitiesInStudy": Key(Study.modalities, words),
    "SOPClassesInStudy": Key(Study.sop_classes, words),
    "ReferringPhysicianName": Key(Study.referring_physician, person),
    "PatientName": Key(Study.patient_name, person),
    "PatientID": Key(Study.patient_id, text),
    "IssuerOfPatientID": Key(Study.issuer_of_patient_id, text),
    "PatientSex": Key(Study.patient_sex, text),
    "PatientBirthDate": Key(Study.patient_birth_date, dates),
    "StudyDescription": Key(Study.description, folded),
    "StudyID": Key(Study.study_number, text),
    "InstitutionName": Key(Study.institution, folded),
    "RequestedProcedurePriority": Key(Study.priority, text),
    "NumberOfStudyRelatedInstances": Key(Study.instance_count, number),
    "NumberOfStudyRelatedSeries": Key(Study.series_count, number),
}
SERIES_KEYS: Mapping[str, Key] = {
    "SeriesInstanceUID": Key(Series.series_uid, uids),
    "Modality": Key(Series.modality, text),
    "SeriesNumber": Key(Series.number, number),
    "SeriesDescription": Key(Series.description, folded),
    "BodyPartExamined": Key(Series.body_part, folded),
    "Laterality": Key(Series.laterality, text),
    "ProtocolName": Key(Series.protocol_name, folded),
    "Manufacturer": Key(Series.manufacturer, folded),
    "StationName": Key(Series.station_name, folded),
    "SeriesDate": Key(Series.series_date, dates),
    "SeriesTime": Key(Series.series_time, times),
    "FrameOfReferenceUID": Key(Series.frame_of_reference_uid, uids),
    "NumberOfSeriesRelatedInstances": Key(Series.instance_count, number),
}
INSTANCE_KEYS: Mapping[str, Key] = {
    "SOPInstanceUID": Key(Instance.sop_uid, uids),
    "SOPClassUID": Key(Instance.sop_class_uid, uids),
    "InstanceNumber": Key(Instance.instance_number, number),
    "Rows": Key(Instance.rows, number),
    "Columns": Key(Instance.columns, number),
    "NumberOfFrames": Key(Instance.number_of_frames, number),
}


def conditions(
    filters: Mapping[str, str], keys: Mapping[str, Key], *, fuzzy: bool
) -> list[Condition]:
    """Return the conditions of a search; empty values match everything.

    Raises BadQuery for an unknown keyword or a value outside its syntax, naming the keyword.
    """
    found = []
    for keyword, value in filters.items():
        key = keys.get(keyword)
        if key is None:
            raise BadQuery(f"{keyword}: no search key of this level", keyword=keyword)
        value = value.strip().replace("\x00", "")
        if value in ("", "*"):
            continue
        try:
            if fuzzy and keyword == "PatientName":
                found.append(fuzzy_person(Study.patient_search, value))
            else:
                found.append(key.match(key.column, value))
        except BadQuery as error:
            raise BadQuery(f"{keyword}: {error.detail}", keyword=keyword) from None
    return found
