# SPDX-License-Identifier: Apache-2.0
"""Search values into conditions: matching of PS3.4 C.2.2.2 over our columns and stored JSON."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from sqlalchemy import String, and_, cast, func, literal, or_
from sqlalchemy.sql.elements import ColumnElement

from healthvision.domains.archive.errors import BadQuery
from healthvision.domains.archive.records.rows import INSTANCE_TAGS, SERIES_TAGS, STUDY_TAGS
from healthvision.domains.archive.searching.narrowing import (
    name_phrases,
    prefix_range,
    text_phrases,
)
from healthvision.domains.archive.tables import Instance, Series, Study
from healthvision.domains.patients.service import search_words

Condition = ColumnElement[bool]
Column = Any
_DATE = re.compile(r"\d{8}\Z")
_TIME = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?\Z")
_MOMENT = re.compile(r"\d{4}(\d{2}(\d{2}(\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?)?)?)?([+-]\d{4})?\Z")
_UID = re.compile(r"[0-9.*?]{1,64}\Z")
MAX_UIDS = 1000
EMPTY = '""'  # empty value matching, PS3.4 C.2.2.2.7
_ITEMS = 4  # values or items of a stored attribute that are compared


def like_pattern(value: str) -> str:
    """Return a pattern of ``*`` and ``?`` as one of LIKE with escape '!'."""
    escaped = value.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return escaped.replace("*", "%").replace("?", "_")


def _wild(value: str) -> bool:
    return "*" in value or "?" in value


def text(column: Column, value: str) -> Condition:
    """Match a text: exactly, or by wildcards; case counts where the database's LIKE counts it."""
    if _wild(value):
        found: Condition = column.like(like_pattern(value), escape="!")
        return found
    equal: Condition = column == value
    return equal


def folded(column: Column, value: str) -> Condition:
    """Match a text whatever its case."""
    lowered = func.lower(column)
    return or_(*(lowered.like(like_pattern(v), escape="!") for v in _spellings(value)))


def _spellings(value: str) -> tuple[str, ...]:
    """Return how a database may lower a text: SQLite leaves all but ASCII letters as they are."""
    low = value.lower()
    as_given = "".join(c.lower() if c.isascii() else c for c in value)
    others = "".join(c if c.isascii() else c.upper() for c in low)
    return tuple(dict.fromkeys((low, as_given, others)))


def person(column: Column, value: str) -> Condition:
    """Match a person name against each of its component groups, whatever its case."""
    patterns = [like_pattern(v) for v in _spellings(value.rstrip("^"))]
    groups = literal("=").concat(func.lower(column)).concat("=")
    ends = "=" if "^" in value or "*" in value else "=^"
    forms = (f"%={pattern}{end}%" for pattern in patterns for end in ends)
    return or_(*(groups.like(form, escape="!") for form in forms))


def fuzzy_person(column: Column, value: str) -> Condition:
    """Match names in which each word of the value begins a word; ``column``: index_words."""
    words = search_words(value.replace("*", " ").replace("?", " ")).split()
    return and_(*(column.contains(f"  {word}", autoescape=True) for word in words))


def uids(column: Column, value: str) -> Condition:
    """Match one of a list of UIDs."""
    wanted = [u for u in re.split(r"[\\,]", value) if u]
    if len(wanted) > MAX_UIDS or not all(_UID.match(u) for u in wanted):
        raise BadQuery(f"not a list of at most {MAX_UIDS} UIDs")
    if any(_wild(u) for u in wanted):
        return or_(*(text(column, u) for u in wanted))
    found: Condition = column == wanted[0] if len(wanted) == 1 else column.in_(wanted)
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
    return _span(column, first, last)


def moments(column: Column, value: str) -> Condition:
    """Match a date and time or a range; zones are not converted, a short end is its whole span."""
    first, last = _range(value, _MOMENT, "a date and time, or a range")
    return _span(column, first, last)


def _span(column: Column, first: str, last: str) -> Condition:
    found: list[Condition] = [column != ""]
    if first:
        found.append(column >= first)
    if last:
        found.append(column < last + ":")  # ':' sorts after the digits and '.'
    return and_(*found)


def _range(value: str, syntax: re.Pattern[str], what: str) -> tuple[str, str]:
    if syntax.match(value):
        return value, value
    first, _dash, last = value.partition("-")
    given = [v for v in (first, last) if v]
    if not given or not all(syntax.match(v) for v in given):
        raise BadQuery(f"the value is not {what}")
    return first, last


def words(column: Column, value: str) -> Condition:
    """Match a backslash-bounded list that holds one of the given words."""
    wanted = [w for w in re.split(r"[\\,]", value) if w]
    return or_(*(column.like(f"%\\{like_pattern(w)}\\%", escape="!") for w in wanted))


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


Matcher = Callable[[Column, str], Condition]


@dataclass(frozen=True, slots=True)
class Key:
    """A search key: how its values match a column.

    ``exact``: a value without wildcards finds few studies, by an index. ``trigrams``: column of
    the trigram index that holds the text (see ``indexes.TEXTS``).
    """

    column: Column
    match: Matcher
    exact: bool = False
    trigrams: str = ""


STUDY_KEYS: Mapping[str, Key] = {
    "StudyInstanceUID": Key(Study.study_uid, uids, exact=True),
    "StudyDate": Key(Study.study_date, dates),
    "StudyTime": Key(Study.study_time, times),
    "AccessionNumber": Key(Study.accession_number, text, exact=True, trigrams="accession"),
    "ModalitiesInStudy": Key(Study.modalities, words),
    "SOPClassesInStudy": Key(Study.sop_classes, words),
    "ReferringPhysicianName": Key(Study.referring_physician, person, trigrams="referrer"),
    "PatientName": Key(Study.patient_name, person, trigrams="names"),
    "PatientID": Key(Study.patient_id, text, exact=True, trigrams="patient"),
    "IssuerOfPatientID": Key(Study.issuer_of_patient_id, text),
    "PatientSex": Key(Study.patient_sex, text),
    "PatientBirthDate": Key(Study.patient_birth_date, dates),
    "StudyDescription": Key(Study.description, folded, trigrams="described"),
    "StudyID": Key(Study.study_number, text),
    "InstitutionName": Key(Study.institution, folded),
    "RequestedProcedurePriority": Key(Study.priority, text),
    "NumberOfStudyRelatedInstances": Key(Study.instance_count, number),
    "NumberOfStudyRelatedSeries": Key(Study.series_count, number),
}
SERIES_KEYS: Mapping[str, Key] = {
    "SeriesInstanceUID": Key(Series.series_uid, uids, exact=True),
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
    "SOPInstanceUID": Key(Instance.sop_uid, uids, exact=True),
    "SOPClassUID": Key(Instance.sop_class_uid, uids),
    "InstanceNumber": Key(Instance.instance_number, number),
    "Rows": Key(Instance.rows, number),
    "Columns": Key(Instance.columns, number),
    "NumberOfFrames": Key(Instance.number_of_frames, number),
}
_STORED = (
    (Study.dicom_json, frozenset(STUDY_TAGS)),
    (Series.dicom_json, frozenset(SERIES_TAGS)),
    (Instance.dicom_json, frozenset(INSTANCE_TAGS)),
)
_BY_VR: Mapping[str, Matcher] = {"DA": dates, "TM": times, "DT": moments, "UI": uids}


@dataclass(frozen=True, slots=True)
class Level:
    """The search keys of one level and of those above it; ``depth``: 1 study to 3 instance."""

    depth: int
    keys: Mapping[str, Key]

    def knows(self, keyword: str) -> bool:
        """Tell whether a keyword, or a path of two with a dot, is a search key here."""
        return keyword in self.keys or self._stored(keyword) is not None

    def match(self, keyword: str, value: str) -> Condition:
        """Return the condition of one key; raises BadQuery."""
        if keyword in self.keys:
            return matching(self.keys[keyword].match, self.keys[keyword].column, value)
        document = self._stored(keyword)
        if document is None:
            raise BadQuery(f"{keyword}: no search key of this level")
        return _in_document(document, keyword.split("."), value)

    def _stored(self, keyword: str) -> Column | None:
        """Return the JSON column that holds an attribute which has no column of its own."""
        head, *rest = keyword.split(".")
        tag = tag_for_keyword(head)
        if tag is None or len(rest) > 1 or (dictionary_VR(tag) == "SQ") != bool(rest):
            return None
        name = f"{tag:08X}"
        return next((c for c, tags in _STORED[: self.depth] if name in tags), None)


STUDY_LEVEL = Level(1, STUDY_KEYS)
SERIES_LEVEL = Level(2, {**STUDY_KEYS, **SERIES_KEYS})
INSTANCE_LEVEL = Level(3, {**STUDY_KEYS, **SERIES_KEYS, **INSTANCE_KEYS})


def matching(match: Matcher, column: Column, value: str) -> Condition:
    """Return a matcher's condition; '""' matches absent values, a backslash separates several."""
    if value == EMPTY:
        return or_(column.is_(None), *([] if match is number else [column.in_(["", "\\"])]))
    several = [v for v in value.split("\\") if v] if match not in (uids, words) else [value]
    return or_(*(match(column, v) for v in several)) if len(several) > 1 else match(column, value)


def _in_document(document: Column, path: Sequence[str], value: str) -> Condition:
    """Match an attribute (or one of the items of a sequence) inside a stored document."""
    tags = [f"{tag_for_keyword(keyword):08X}" for keyword in path]
    vr = dictionary_VR(int(tags[-1], 16)).split(" ", 1)[0]
    places: list[tuple[str | int, ...]] = [(tags[-1], "Value", i) for i in range(_ITEMS)]
    if len(tags) == 2:
        places = [(tags[0], "Value", i, tags[1], "Value", 0) for i in range(_ITEMS)]
    if vr == "PN":
        places = [(*p, group) for p in places for group in ("Alphabetic", "Ideographic")]
    match = person if vr == "PN" else _BY_VR.get(vr, text)
    columns = [cast(document[place].as_string(), String) for place in places]
    if value == EMPTY:
        return and_(*(matching(match, column, value) for column in columns))
    return or_(*(matching(match, column, value) for column in columns))


@dataclass(slots=True)
class Matches:
    """The conditions of a search and what helps to find its rows fast.

    ``few``: a key finds few rows by an index, one of the study (``by_study``) or of what lies
    below (``by_child``). ``phrases``: (column of the trigram index, piece of at least three
    characters) that all matches hold.
    """

    where: list[Condition] = field(default_factory=list)
    by_study: bool = False
    by_child: bool = False
    phrases: list[tuple[str, str]] = field(default_factory=list)

    @property
    def few(self) -> bool:
        """Tell whether a key finds few rows by an index."""
        return self.by_study or self.by_child


def matches(filters: Mapping[str, str], level: Level, *, fuzzy: bool, binary: bool) -> Matches:
    """Return the conditions of a search; empty values match everything.

    ``binary``: texts compare by their bytes (SQLite), so that a start of a text is a range of an
    index. Raises BadQuery for an unknown keyword or a value outside its syntax, naming it.
    """
    found = Matches()
    for keyword, given in filters.items():
        value = given.strip().replace("\x00", "")
        if value in ("", "*"):
            continue
        try:
            _add(found, keyword, value, level, fuzzy=fuzzy, binary=binary)
        except BadQuery as error:
            detail = error.detail.removeprefix(f"{keyword}: ")
            raise BadQuery(f"{keyword}: {detail}", keyword=keyword) from None
    return found


def _add(
    found: Matches, keyword: str, value: str, level: Level, *, fuzzy: bool, binary: bool
) -> None:
    if keyword == "PatientName" and value != EMPTY and "\\" not in value:
        by_words, by_name = Study.patient_search, Study.patient_name
        found.where.append(fuzzy_person(by_words, value) if fuzzy else person(by_name, value))
        found.phrases += [("names", p) for p in name_phrases(value, every_word=fuzzy)]
        return
    found.where.append(level.match(keyword, value))
    key = level.keys.get(keyword)
    if key is None or value == EMPTY or "\\" in value:
        return
    if key.exact and not _wild(value):
        found.by_study |= keyword in STUDY_KEYS
        found.by_child |= keyword not in STUDY_KEYS
    elif key.exact and binary and (span := prefix_range(key.column, value)) is not None:
        found.where.append(span)
    if key.trigrams:
        found.phrases += [(key.trigrams, p) for p in text_phrases(value)]
