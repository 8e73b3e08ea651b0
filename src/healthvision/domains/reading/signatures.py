# SPDX-License-Identifier: Apache-2.0
"""The second doctor's review, the signature, addenda, and checking what was signed."""

from typing import Any
from uuid import UUID

from healthvision.domains.reading import report_rows, reports
from healthvision.domains.reading.errors import ReviewByAuthor
from healthvision.domains.reading.events import ReportSigned
from healthvision.domains.reading.persons import name_of, need_person
from healthvision.domains.reading.report_schemas import (
    AddendumCreate,
    ReportContent,
    ReportRead,
    ReportReview,
    SignatureCheck,
)
from healthvision.domains.reading.settings import ReadingSettings
from healthvision.domains.reading.signing import digest_of
from healthvision.domains.reading.tables import ReportRow, ReportVersion
from healthvision.kernel import jobs
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Session
from healthvision.kernel.events import publish
from healthvision.kernel.security import Actor

STORE_REPORT = "reading.store_report"


async def review(session: Session, actor: Actor, report_id: UUID, said: ReportReview) -> ReportRead:
    """Sign a submitted report or give it back; not by its author where two doctors are needed.

    Raises ReportNotFound, ReportState, ReviewByAuthor, OnlyPeopleSign.
    """
    person = need_person(actor)
    row = await reports.own(session, actor, report_id, lock=True)
    reports.need_state(row, ("submitted",))
    if row.author == person and ReadingSettings().second_review:
        raise ReviewByAuthor("a report is reviewed by another doctor than its author")
    row.reviewer, row.reviewer_name = person, await name_of(session, actor)
    row.review_comment = said.comment
    if not said.approve:
        row.state, row.submitted_at = ("amending" if row.version else "draft"), None
        await reports.changed(session, actor, row, "reading.report_returned")
        return await reports.read_of(session, actor, row)
    row.version += 1
    row.state, row.signed_at = "final", now()
    await _sign(session, actor, row, kind="report", content=row.content)
    await reports.changed(session, actor, row, "reading.report_signed")
    return await reports.read_of(session, actor, row)


async def add_addendum(
    session: Session, actor: Actor, report_id: UUID, new: AddendumCreate
) -> ReportRead:
    """Add signed text to a final report; what was signed before stays as it is.

    Raises ReportNotFound, ReportState, OnlyPeopleSign.
    """
    need_person(actor)
    row = await reports.own(session, actor, report_id, lock=True)
    reports.need_state(row, ("final",))
    language = ReportContent.model_validate(row.content).language
    content = ReportContent(language=language, findings=new.text)
    await _sign(session, actor, row, kind="addendum", content=content.model_dump(mode="json"))
    await reports.changed(session, actor, row, "reading.addendum_signed")
    return await reports.read_of(session, actor, row)


async def _sign(
    session: Session, actor: Actor, row: ReportRow, *, kind: str, content: dict[str, Any]
) -> None:
    """Keep an entry with its digest, tell it, and have its DICOM objects made."""
    before = await report_rows.versions(session, actor.org_id, row.id)
    person, name = need_person(actor), await name_of(session, actor)
    whole = kind == "report"
    entry = ReportVersion(
        id=new_id(),
        org_id=row.org_id,
        created_at=now(),
        report_id=row.id,
        number=len(before) + 1,
        version=row.version,
        kind=kind,
        content=content,
        author=row.author if whole else person,
        author_name=row.author_name if whole else name,
        reviewer=person,
        reviewer_name=name,
        signed_at=now(),
        previous=before[-1].sha256 if before else "",
        sr_uid=None,
        pdf_uid=None,
        stored_at=None,
        sha256="",
    )
    entry.sha256 = digest_of(row, entry)
    session.add(entry)
    await session.flush()
    event = ReportSigned(
        org_id=row.org_id,
        subject=row.id,
        study_id=row.study_id,
        space_id=row.space_id,
        number=entry.number,
        version=entry.version,
        kind=kind,
        sha256=entry.sha256,
    )
    await publish(session, actor, event)
    payload = {"org": str(row.org_id), "report": str(row.id), "number": entry.number}
    await jobs.enqueue(session, STORE_REPORT, payload, job_id=f"report:{row.id}:{entry.number}")


async def check(session: Session, actor: Actor, report_id: UUID) -> SignatureCheck:
    """Compute the digests again and tell which entries do not fit; raises ReportNotFound."""
    row = await reports.own(session, actor, report_id)
    broken: list[int] = []
    previous = ""
    for entry in await report_rows.versions(session, actor.org_id, row.id):
        if entry.previous != previous or digest_of(row, entry) != entry.sha256:
            broken.append(entry.number)
        previous = entry.sha256
    return SignatureCheck(report_id=row.id, intact=not broken, broken=broken)
