# SPDX-License-Identifier: Apache-2.0
"""Shapes of reports."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from healthvision.kernel.schemas import Input, Read

ReportStateName = Literal["draft", "submitted", "final", "amending"]
Polarity = Literal["positive", "negative"]
ReportLanguage = Literal["zh", "en"]
ReportFormat = Literal["json", "pdf", "sr", "dicom-pdf", "fhir"]
Words = Annotated[str, Field(max_length=20_000)]


class ReportFinding(Input):
    """One finding of the report; from a result, or added by the doctor (no result then)."""

    result_id: UUID | None = None
    tracking_uid: str = Field(default="", max_length=64)
    label: str = Field(default="", max_length=200)
    text: str = Field(default="", max_length=4000)
    category: str = Field(default="", max_length=130, description="'guideline:value' or ''.")


class ReportContent(Input):
    """What a doctor writes; a draft may have empty parts."""

    language: ReportLanguage = "zh"
    polarity: Polarity | None = Field(default=None, description="Positive or negative (阴阳性).")
    critical: bool = Field(default=False, description="A critical value that was told at once.")
    clinical: Words = Field(default="", description="Clinical information.")
    technique: Words = ""
    comparison: Words = Field(default="", description="Studies it was compared with.")
    findings: Words = Field(default="", description="影像表现")
    impression: Words = Field(default="", description="诊断结果")
    recommendation: Words = Field(default="", description="随访建议")
    items: list[ReportFinding] = Field(default_factory=list, max_length=200)


class ReportCreate(Input):
    """A new report of a study; there is one per study, which is returned if it exists."""

    study_id: UUID
    language: ReportLanguage = "zh"
    prefill: bool = Field(
        default=True, description="Begin with the findings that doctors accepted or modified."
    )


class ReportReview(Input):
    """What the second doctor says: sign it, or give it back with a comment."""

    approve: bool
    comment: str = Field(default="", max_length=4000)


class AddendumCreate(Input):
    """Text that is added to a signed report."""

    text: str = Field(min_length=1, max_length=20_000)


class ReportVersionRead(Read):
    """A signed version of the report, or an addendum."""

    number: int
    version: int
    kind: Literal["report", "addendum"]
    content: ReportContent
    author: str
    author_name: str
    reviewer: str
    reviewer_name: str
    signed_at: datetime
    sha256: str = Field(description="Of the canonical JSON of what was signed.")
    previous: str = Field(description="The digest before this one; '' for the first.")
    sr_uid: str | None = Field(description="SOP Instance UID of its DICOM SR in the archive.")
    pdf_uid: str | None
    stored_at: datetime | None


class ReportRead(Read):
    """A report as the caller gets it; its ETag guards the draft."""

    id: UUID
    study_id: UUID
    study_uid: str
    space_id: UUID
    patient_ref: UUID
    state: ReportStateName
    revision: int
    version: int = Field(description="Number of the newest signed version; 0: none yet.")
    content: ReportContent = Field(description="The working copy.")
    author: str
    author_name: str
    reviewer: str
    reviewer_name: str
    review_comment: str
    created_at: datetime
    updated_at: datetime
    submitted_at: datetime | None
    signed_at: datetime | None
    print_count: int
    mine: bool = Field(description="The caller is the author.")
    versions: list[ReportVersionRead] = Field(description="Signed versions and addenda, in order.")


class ReportItem(Read):
    """A report in a list."""

    id: UUID
    study_id: UUID
    patient_ref: UUID
    state: ReportStateName
    version: int
    author_name: str
    reviewer_name: str
    updated_at: datetime
    signed_at: datetime | None


class ReportQuery(Input):
    """A search for reports; absent fields do not restrict."""

    study: UUID | None = None
    patient: UUID | None = None
    state: ReportStateName | None = None
    mine: bool = False
    cursor: str | None = Field(default=None, max_length=400)
    limit: int = Field(default=50, ge=1, le=200)


class Printed(Read):
    """How often a report was printed."""

    report_id: UUID
    print_count: int


class SignatureCheck(Read):
    """Whether what is stored is what was signed, for each version in order."""

    report_id: UUID
    intact: bool
    broken: list[int] = Field(description="Numbers of entries whose digest does not fit.")
