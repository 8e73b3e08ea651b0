# SPDX-License-Identifier: Apache-2.0
"""What STOW-RS answers (PS3.18 10.5.3, PS3.3 store instances response module)."""

from collections.abc import Sequence
from typing import Any

from healthvision.domains.archive.schemas import Received

Json = dict[str, Any]

OUT_OF_RESOURCES = 0xA700
DATA_SET_MISMATCH = 0xA900  # the data set does not match its SOP Class, or breaks its rules
CANNOT_UNDERSTAND = 0xC000
PROCESSING_FAILURE = 0x0110
DUPLICATE_INSTANCE = 0x0111  # another object with this UID is shown
STUDY_MISMATCH = 0xC409  # another Study Instance UID than the request's path
COERCED = 0xB000

# Reasons of the archive (and of formats.dicom) -> Failure Reason (0008,1197).
_REASONS = {
    "too-large": OUT_OF_RESOURCES,
    "file-too-large": OUT_OF_RESOURCES,
    "out-of-space": OUT_OF_RESOURCES,
    "study-mismatch": STUDY_MISMATCH,
    "not-dicom": CANNOT_UNDERSTAND,
    "media-type": CANNOT_UNDERSTAND,
    "json-model": CANNOT_UNDERSTAND,
    "encrypted": CANNOT_UNDERSTAND,
    "damaged": CANNOT_UNDERSTAND,
    "pixel-size": DATA_SET_MISMATCH,
    "pixel-encoding": DATA_SET_MISMATCH,
    "frame-count": DATA_SET_MISMATCH,
    "uid-missing": DATA_SET_MISMATCH,
    "uid-syntax": DATA_SET_MISMATCH,
    "uid-mismatch": DATA_SET_MISMATCH,
    "missing-uid": DATA_SET_MISMATCH,
    "dicomdir": DATA_SET_MISMATCH,
    "internal": PROCESSING_FAILURE,
}


def failure_reason(reason: str) -> int:
    """Return the Failure Reason of a stable word; C000 'cannot understand' for unnamed ones."""
    return _REASONS.get(reason, CANNOT_UNDERSTAND)


def status_of(results: Sequence[Received]) -> int:
    """Return 200 (all stored), 202 (some refused, or stored with a warning) or 409 (none)."""
    failed = sum(1 for r in results if is_failed(r))
    if failed == len(results):
        return 409
    return 202 if failed or any(r.outcome == "conflict" for r in results) else 200


def is_failed(result: Received) -> bool:
    """Tell whether an object is not what readers now see under its UID."""
    return result.outcome == "quarantined" or not result.current


def store_answer(results: Sequence[Received], root: str) -> Json:
    """Return the DICOM JSON answer; ``root`` is the URL of the DICOMweb service."""
    answer: Json = {}
    studies = {r.study_uid for r in results if not is_failed(r)}
    if len(studies) == 1:
        answer["00081190"] = _value("UR", f"{root}/studies/{studies.pop()}")
    named = [r for r in results if is_failed(r) and r.sop_uid]
    unnamed = [r for r in results if is_failed(r) and not r.sop_uid]
    stored = [r for r in results if not is_failed(r)]
    if named:
        answer["00081198"] = _sequence([_failed(r) for r in named])
    if stored:
        answer["00081199"] = _sequence([_stored(r, root) for r in stored])
    if unnamed:
        answer["0008119A"] = _sequence([_reason(r) for r in unnamed])
    return answer


def _stored(result: Received, root: str) -> Json:
    url = f"{root}/studies/{result.study_uid}/series/{result.series_uid}/instances/{result.sop_uid}"
    item = {**_reference(result), "00081190": _value("UR", url)}
    if result.outcome == "conflict":
        item["00081196"] = _value("US", COERCED)
    return item


def _failed(result: Received) -> Json:
    return {**_reference(result), **_reason(result)}


def _reference(result: Received) -> Json:
    return {
        "00081150": _value("UI", result.sop_class_uid),
        "00081155": _value("UI", result.sop_uid),
    }


def _reason(result: Received) -> Json:
    """Failure Reason, and in words in a Failed Attributes Sequence (0074,1048)."""
    if result.outcome in ("conflict", "duplicate"):
        reason, words = DUPLICATE_INSTANCE, "another object with this UID is stored and shown"
    else:
        reason = failure_reason(result.reason)
        words = ": ".join(w for w in (result.reason, result.field, result.detail) if w)
    comment = {"00000902": _value("LO", words[:1024])}
    return {"00081197": _value("US", reason), "00741048": _sequence([comment])}


def _value(vr: str, value: str | int) -> Json:
    return {"vr": vr, "Value": [value]} if value != "" else {"vr": vr}


def _sequence(items: list[Json]) -> Json:
    return {"vr": "SQ", "Value": items}
