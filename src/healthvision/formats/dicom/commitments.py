# SPDX-License-Identifier: Apache-2.0
"""Storage commitment data sets (PS3.4 annex J): what is asked, and what was reported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from healthvision.formats.dicom import dimse
from healthvision.formats.dicom.dimse import Command
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.identifiers import Json
from healthvision.formats.dicom.part10 import is_uid

Reference = tuple[str, str]  # SOP class, SOP instance
ASK = 1  # action type
ALL_STORED, SOME_FAILED = 1, 2  # event types
NO_SUCH_OBJECT, CLASS_CONFLICT = 0x0112, 0x0119  # failure reasons (PS3.3 C.14.1.1)
PROCESSING_FAILURE = 0x0110
_TRANSACTION, _REFERENCED, _FAILED = "00081195", "00081199", "00081198"
_CLASS, _INSTANCE, _REASON = "00081150", "00081155", "00081197"


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """What somebody wants to be kept safe."""

    transaction_uid: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class CommitmentReport:
    """The outcome. ``failed``: references with their failure reason (PS3.3 C.14.1.1)."""

    transaction_uid: str
    stored: tuple[Reference, ...]
    failed: tuple[tuple[Reference, int], ...] = ()

    @property
    def event_type(self) -> int:
        """Event type of the report."""
        return SOME_FAILED if self.failed else ALL_STORED


def request_document(request: CommitmentRequest) -> dict[str, Json]:
    """Return the action information of a request."""
    return {
        _TRANSACTION: {"vr": "UI", "Value": [request.transaction_uid]},
        _REFERENCED: {"vr": "SQ", "Value": [_reference(r) for r in request.references]},
    }


def report_document(report: CommitmentReport) -> dict[str, Json]:
    """Return the event information of a report; empty sequences are left out."""
    document: dict[str, Json] = {_TRANSACTION: {"vr": "UI", "Value": [report.transaction_uid]}}
    if report.stored:
        document[_REFERENCED] = {"vr": "SQ", "Value": [_reference(r) for r in report.stored]}
    if report.failed:
        items = [
            {**_reference(reference), _REASON: {"vr": "US", "Value": [reason]}}
            for reference, reason in report.failed
        ]
        document[_FAILED] = {"vr": "SQ", "Value": items}
    return document


def report_command(message: int, report: CommitmentReport) -> Command:
    """Return the command of an N-EVENT-REPORT request."""
    return Command(
        dimse.N_EVENT_REPORT_RQ,
        message,
        affected_class=dimse.COMMITMENT,
        affected_instance=dimse.COMMITMENT_INSTANCE,
        event_type=report.event_type,
        dataset_type=dimse.HAS_DATASET,
    )


def read_request(document: Mapping[str, Any]) -> CommitmentRequest:
    """Read the action information of a request; raises DicomRefused."""
    references = tuple(_referenced(item) for item in _items(document, _REFERENCED))
    if not references:
        raise DicomRefused("commitment", "Nothing is referenced.", field="ReferencedSOPSequence")
    return CommitmentRequest(_transaction(document), references)


def read_report(document: Mapping[str, Any]) -> CommitmentReport:
    """Read the event information of a report; raises DicomRefused."""
    stored = tuple(_referenced(item) for item in _items(document, _REFERENCED))
    failed = tuple(
        (_referenced(item), int(_first(item, _REASON) or PROCESSING_FAILURE))
        for item in _items(document, _FAILED)
    )
    return CommitmentReport(_transaction(document), stored, failed)


def _reference(reference: Reference) -> Json:
    return {
        _CLASS: {"vr": "UI", "Value": [reference[0]]},
        _INSTANCE: {"vr": "UI", "Value": [reference[1]]},
    }


def _transaction(document: Mapping[str, Any]) -> str:
    found = str(_first(document, _TRANSACTION) or "")
    if not is_uid(found):
        raise DicomRefused("commitment", "The transaction has no UID.", field="TransactionUID")
    return found


def _items(document: Mapping[str, Any], tag: str) -> Sequence[Mapping[str, Any]]:
    found = document.get(tag, {}).get("Value") or []
    return [item for item in found if isinstance(item, dict)]


def _referenced(item: Mapping[str, Any]) -> Reference:
    found = (str(_first(item, _CLASS) or ""), str(_first(item, _INSTANCE) or ""))
    if not all(is_uid(uid) for uid in found):
        raise DicomRefused("commitment", "A reference has no UID.", field="ReferencedSOPSequence")
    return found


def _first(item: Mapping[str, Any], tag: str) -> Any:
    values = item.get(tag, {}).get("Value") or [None]
    return values[0]
