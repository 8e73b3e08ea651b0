# SPDX-License-Identifier: Apache-2.0
"""STAT goes first: the order of analysis tasks, their queues and their deadlines.

Two rules hold. A STAT task has a queue and slots of its own, so it never waits behind others;
inside a queue the more urgent task runs first. And of several wishes (request, rule, Requested
Procedure Priority (0040,1003), the worklist) the most urgent one counts.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from healthvision.clinical.result import Priority
from healthvision.domains.analysis.settings import AnalysisSettings

STAT_QUEUE = "analysis-stat"
QUEUE = "analysis"

# Smaller runs first.
ORDER: dict[Priority, int] = {
    Priority.STAT: 1,
    Priority.URGENT: 10,
    Priority.ROUTINE: 50,
    Priority.BULK: 100,
}

# PS3.3 C.7.3.1.1.2 / C.4.11: STAT, HIGH, ROUTINE, MEDIUM, LOW.
_FROM_DICOM: dict[str, Priority] = {
    "STAT": Priority.STAT,
    "HIGH": Priority.URGENT,
    "ROUTINE": Priority.ROUTINE,
    "MEDIUM": Priority.ROUTINE,
    "LOW": Priority.ROUTINE,
}


def queue_of(priority: Priority) -> str:
    """Return the queue of a task: STAT has its own."""
    return STAT_QUEUE if priority is Priority.STAT else QUEUE


def from_dicom(value: str | None) -> Priority | None:
    """Return what Requested Procedure Priority (0040,1003) asks for, None when it says nothing."""
    return _FROM_DICOM.get((value or "").strip().upper())


def most_urgent(wishes: Iterable[Priority | None]) -> Priority:
    """Return the most urgent of the wishes; routine when there is none."""
    known = [wish for wish in wishes if wish is not None]
    return min(known, key=ORDER.__getitem__) if known else Priority.ROUTINE


def deadline(priority: Priority, start: datetime, settings: AnalysisSettings) -> datetime | None:
    """Return when result and notification must be out; bulk work has no deadline.

    ``start``: the last instance received, or the request when an older study was asked for.
    """
    seconds = {
        Priority.STAT: settings.stat_seconds,
        Priority.URGENT: settings.urgent_seconds,
        Priority.ROUTINE: settings.routine_seconds,
    }.get(priority)
    return None if seconds is None else start + timedelta(seconds=seconds)
