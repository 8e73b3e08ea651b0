# SPDX-License-Identifier: Apache-2.0
"""Data sets of work items in DICOM JSON: reading values, checking, matching, merging."""

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

from healthvision.domains.integration.errors import BadWorkitem
from healthvision.domains.integration.schemas import Json

SOP_CLASS, SOP_UID, TRANSACTION = "00080016", "00080018", "00081195"
STATE, PROGRESS, PERFORMED = "00741000", "00741002", "00741216"
PATIENT_ID, CANCELED_AT, CANCEL_REASON = "00100020", "00404052", "00741238"
_UID = re.compile(r"[0-2](\.(0|[1-9]\d*)){1,31}\Z")
_TAG = re.compile(r"[0-9A-F]{8}\Z")
# Type 1 at creation (PS3.4 table CC.2.5-3).
NEEDED = {
    "00404005": "ScheduledProcedureStepStartDateTime",
    "00404041": "InputReadinessState",
    "00741200": "ScheduledProcedureStepPriority",
    "00741204": "ProcedureStepLabel",
}
# Of the performed information, before the item may be COMPLETED.
FINAL = {
    "00404019": "PerformedWorkitemCodeSequence",
    "00404028": "PerformedStationNameCodeSequence",
    "00404050": "PerformedProcedureStepStartDateTime",
    "00404051": "PerformedProcedureStepEndDateTime",
}
_FIXED = frozenset({SOP_CLASS, SOP_UID, STATE, "00380010", "00380014"})


def is_uid(text: str) -> bool:
    """Tell whether a text is a DICOM UID."""
    return len(text) <= 64 and _UID.match(text) is not None


def values(document: Mapping[str, Any], tag: str) -> list[Any]:
    """Return the values of an attribute; [] when it is absent or empty."""
    entry = document.get(tag)
    found = entry.get("Value") if isinstance(entry, Mapping) else None
    return [v for v in found if v not in (None, "")] if isinstance(found, list) else []


def first(document: Mapping[str, Any], tag: str) -> str:
    """Return the first value as text, '' when there is none."""
    found = values(document, tag)
    return "" if not found else _text(found[0])


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("Alphabetic", ""))
    return str(value)


def checked(document: object) -> Json:
    """Return a data set of the body (an object, or a list of one); raises BadWorkitem."""
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if not isinstance(document, dict):
        raise BadWorkitem("the body must be one data set in DICOM JSON")
    for tag, entry in document.items():
        if not _TAG.match(str(tag)) or not isinstance(entry, dict):
            raise BadWorkitem(f"{str(tag)[:20]}: not an attribute in DICOM JSON")
        if not isinstance(entry.get("Value", []), list):
            raise BadWorkitem(f"{tag}: Value must be a list")
    return document


def check_new(document: Json) -> None:
    """Refuse a new item that lacks what it needs, or is not SCHEDULED; raises BadWorkitem."""
    missing = [name for tag, name in NEEDED.items() if not values(document, tag)]
    if missing:
        raise BadWorkitem(f"a new work item needs a value of: {', '.join(missing)}")
    if first(document, STATE) not in ("", "SCHEDULED"):
        raise BadWorkitem("ProcedureStepState of a new work item must be SCHEDULED")
    if first(document, TRANSACTION):
        raise BadWorkitem("TransactionUID of a new work item must be empty")


def check_update(document: Json) -> None:
    """Refuse changes of what identifies the item and its patient; raises BadWorkitem."""
    fixed = [t for t in document if t in _FIXED or t.startswith("0010")]
    if fixed:
        raise BadWorkitem(f"an update cannot change {', '.join(sorted(fixed))}")


def missing_for_final(document: Json) -> list[str]:
    """Return the keywords that COMPLETED needs and the item lacks."""
    performed = values(document, PERFORMED)
    item = performed[0] if performed and isinstance(performed[0], Mapping) else {}
    return [name for tag, name in FINAL.items() if not values(item, tag)]


def matches(document: Json, filters: Mapping[str, str]) -> bool:
    """Tell whether a data set matches all keys (wildcards, ranges, lists, paths with dots)."""
    return all(_matches(document, path.split("."), wanted) for path, wanted in filters.items())


def _matches(document: Json, path: Iterable[str], wanted: str) -> bool:
    if wanted in ("", "*"):
        return True
    keywords = list(path)
    vr = dictionary_VR(tag_for_keyword(keywords[-1]) or 0x00080018).split(" ", 1)[0]
    return any(_equal(vr, value, wanted) for value in _reach(document, keywords))


def _reach(document: Mapping[str, Any], path: list[str]) -> Iterator[Any]:
    tag = tag_for_keyword(path[0])
    for value in values(document, f"{tag:08X}" if tag is not None else ""):
        if len(path) == 1:
            yield value
        elif isinstance(value, Mapping):
            yield from _reach(value, path[1:])


def _equal(vr: str, value: Any, wanted: str) -> bool:
    if vr == "PN" and isinstance(value, Mapping):
        groups = [str(g).casefold() for g in value.values()]
        names = [w.casefold() for w in re.split(r"[\\=]", wanted) if w]
        return any(_wild(g, w) for g in groups for w in names)
    text = _text(value)
    if vr in ("DA", "TM", "DT"):
        return _in_range(text, wanted)
    several = re.split(r"[\\,]", wanted) if vr == "UI" else wanted.split("\\")
    return any(_wild(text, w) for w in several)


def _wild(text: str, pattern: str) -> bool:
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def _in_range(text: str, wanted: str) -> bool:
    low, dash, high = wanted.partition("-")
    if not dash:
        return text.startswith(wanted)
    return (not low or text >= low) and (not high or text < high + ":")
