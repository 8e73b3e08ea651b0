# SPDX-License-Identifier: Apache-2.0
"""Facts the reading room tells; ids and codes only."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from healthvision.kernel.events import Event


@dataclass(frozen=True, slots=True)
class VerdictGiven(Event):
    """A doctor judged a finding or a whole result; subject: verdict id.

    ``tracking_uid``: of the finding, '' for the whole result. ``decision``: 'accept', 'reject'
    or 'modify'.
    """

    topic: ClassVar[str] = "reading.verdict_given.v1"
    result_id: UUID
    study_id: UUID
    space_id: UUID
    application: str
    application_version: str
    tracking_uid: str
    decision: str


@dataclass(frozen=True, slots=True)
class VerdictWithdrawn(Event):
    """A doctor took a verdict back; subject: verdict id."""

    topic: ClassVar[str] = "reading.verdict_withdrawn.v1"
    result_id: UUID
    study_id: UUID
    space_id: UUID
    tracking_uid: str


@dataclass(frozen=True, slots=True)
class ReportSubmitted(Event):
    """A report waits for its second doctor; subject: report id."""

    topic: ClassVar[str] = "reading.report_submitted.v1"
    study_id: UUID
    space_id: UUID


@dataclass(frozen=True, slots=True)
class ReportSigned(Event):
    """A version of a report or an addendum was signed; subject: report id.

    ``kind``: 'report' or 'addendum'; ``number`` counts both; ``version``: of the report.
    """

    topic: ClassVar[str] = "reading.report_signed.v1"
    study_id: UUID
    space_id: UUID
    number: int
    version: int
    kind: str
    sha256: str
