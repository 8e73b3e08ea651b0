# SPDX-License-Identifier: Apache-2.0
"""Signed reports as files: PDF, DICOM SR and encapsulated PDF in the archive, FHIR."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from healthvision.domains.archive import service as archive
from healthvision.domains.archive.schemas import Incoming, InstanceRef, Origin, StudyDetail
from healthvision.domains.reading import report_rows, reports
from healthvision.domains.reading.errors import ReportNotStored, ReportVersionNotFound
from healthvision.domains.reading.persons import institution_of
from healthvision.domains.reading.report_schemas import ReportContent, ReportFormat
from healthvision.domains.reading.tables import ReportRow, ReportVersion
from healthvision.formats.dicom.header import InstanceHeader, read_header
from healthvision.formats.dicom.signed_report import uids_of, write_report_pdf, write_report_sr
from healthvision.formats.fhir.signed_report import signed_report_bundle
from healthvision.formats.reports.signed import Addendum, SignedReport, render_signed_pdf
from healthvision.kernel import strictjson
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database, Session
from healthvision.kernel.errors import Problem
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings

MEDIA: dict[ReportFormat, str] = {
    "json": "application/json",
    "pdf": "application/pdf",
    "sr": "application/dicom",
    "dicom-pdf": "application/dicom",
    "fhir": "application/fhir+json",
}
_SUFFIX: dict[ReportFormat, str] = {
    "json": "json",
    "pdf": "pdf",
    "sr": "sr.dcm",
    "dicom-pdf": "pdf.dcm",
    "fhir": "fhir.json",
}


class ReportRefused(Problem):
    """The archive did not take a report's own DICOM object: a bug, the job fails with it."""

    code, title = "report-refused", "Report not stored"


@dataclass(frozen=True, slots=True)
class ReportFile:
    """Finished bytes; the name holds the report's id only."""

    data: bytes
    media_type: str
    filename: str
    patient_ref: UUID
    space_id: UUID
    study_id: UUID


def signed_report(
    row: ReportRow, study: StudyDetail, entries: Sequence[ReportVersion], number: int
) -> SignedReport:
    """Return the report as it was when entry ``number`` was signed.

    ``entries``: all signed ones in order. Patient and study are as the archive has them now.
    Raises ReportVersionNotFound.
    """
    until = [entry for entry in entries if entry.number <= number]
    main = next((entry for entry in reversed(until) if entry.kind == "report"), None)
    if main is None or until[-1].number != number:
        raise ReportVersionNotFound("the report has no such signed version")
    content = ReportContent.model_validate(main.content)
    addenda = tuple(
        Addendum(
            number=place,
            text=str(entry.content["findings"]),
            author_name=entry.author_name,
            signed_at=entry.signed_at,
            sha256=entry.sha256,
        )
        for place, entry in enumerate((e for e in until if e.number > main.number), 1)
    )
    return SignedReport(
        report_id=str(row.id),
        number=number,
        version=main.version,
        language=content.language,
        study_uid=row.study_uid,
        accession_number=study.accession_number,
        study_date=study.study_date,
        study_description=study.description,
        modalities=tuple(m for m in study.modalities if m not in ("SR", "SEG", "DOC", "PR")),
        patient_key=str(row.patient_ref),
        patient_id=study.patient_id,
        issuer_of_patient_id=study.issuer_of_patient_id,
        patient_name=study.patient_name,
        patient_sex=study.patient_sex,
        patient_birth_date=study.patient_birth_date,
        polarity=content.polarity,
        critical=content.critical,
        clinical=content.clinical,
        technique=content.technique,
        comparison=content.comparison,
        findings=content.findings,
        impression=content.impression,
        recommendation=content.recommendation,
        author_name=main.author_name,
        reviewer_name=main.reviewer_name,
        signed_at=main.signed_at,
        sha256=main.sha256,
        addenda=addenda,
    )


async def store(db: Database, org_id: UUID, report_id: UUID, number: int) -> None:
    """Put the DICOM objects of a signed entry into the archive. Safe to run twice.

    UIDs and bytes follow from what was signed, so a second run finds its own objects there.
    """
    actor = Actor.system(org_id)
    async with db.reading() as session:
        row = await report_rows.find(session, org_id, report_id)
        if row is None:
            return
        report = await _report(session, actor, row, number)
        refs = await archive.study_instances(session, actor, row.study_id)
    if not refs:
        return
    source = await _source(db, refs)
    items = await asyncio.to_thread(_objects, report, source)
    origin = Origin("healthvision", str(report_id))
    for answer in await archive.receive(db, actor, items, space_id=row.space_id, origin=origin):
        if answer.outcome not in ("stored", "duplicate"):
            raise ReportRefused(f"the archive answered {answer.outcome}")
    async with db.transaction() as session:
        entries = await report_rows.versions(session, org_id, report_id)
        entry = entries[number - 1]
        uids = uids_of(report.report_id, number)
        entry.sr_uid, entry.pdf_uid, entry.stored_at = uids.sr, uids.pdf, now()


def _objects(report: SignedReport, source: InstanceHeader) -> list[Incoming]:
    pdf = render_signed_pdf(report)
    return [
        Incoming(write_report_sr(report, source), name="sr"),
        Incoming(write_report_pdf(report, pdf, source), name="pdf"),
    ]


async def _source(db: Database, refs: Sequence[InstanceRef]) -> InstanceHeader:
    """Return the header of the smallest object of the study: only its head is of use."""
    foreign = [ref for ref in refs if ref.origin != "healthvision"] or refs
    data = await archive.read_bytes(db, min(foreign, key=lambda ref: (ref.size, ref.sop_uid)))
    return await asyncio.to_thread(read_header, data)


async def _report(
    session: Session, actor: Actor, row: ReportRow, number: int | None
) -> SignedReport:
    entries = await report_rows.versions(session, actor.org_id, row.id)
    study = await archive.get_study(session, actor, row.study_id)
    report = signed_report(row, study, entries, len(entries) if number is None else number)
    return replace(report, institution=await institution_of(session, actor))


async def export(
    db: Database, actor: Actor, report_id: UUID, form: ReportFormat, number: int | None
) -> ReportFile:
    """Return a signed entry as a file, the newest by default; the caller records the export.

    Raises ReportNotFound, ReportVersionNotFound, ReportNotStored.
    """
    async with db.reading() as session:
        row = await reports.own(session, actor, report_id)
        report = await _report(session, actor, row, number)
        shown = await reports.read_of(session, actor, row)
        refs = await archive.study_instances(session, actor, row.study_id)
    if form == "json":
        entry = shown.versions[report.number - 1]
        data = entry.model_dump_json(indent=2).encode()
    elif form in ("sr", "dicom-pdf"):
        data = await _stored(db, refs, report, form)
    else:
        data = await asyncio.to_thread(_rendered, report, form)
    name = f"report-{row.id}-{report.number}.{_SUFFIX[form]}"
    return ReportFile(data, MEDIA[form], name, row.patient_ref, row.space_id, row.study_id)


def _rendered(report: SignedReport, form: ReportFormat) -> bytes:
    pdf = render_signed_pdf(report)
    if form == "pdf":
        return pdf
    base = CoreSettings().public_url.rstrip("/") + "/fhir"
    return strictjson.dumps(signed_report_bundle(report, pdf=pdf, base_url=base)).encode()


async def _stored(
    db: Database, refs: Sequence[InstanceRef], report: SignedReport, form: ReportFormat
) -> bytes:
    """Return the very bytes that lie in the archive."""
    uids = uids_of(report.report_id, report.number)
    wanted = uids.sr if form == "sr" else uids.pdf
    for ref in refs:
        if ref.sop_uid == wanted:
            return await archive.read_bytes(db, ref)
    raise ReportNotStored("the DICOM objects of the report are being made; ask again", wait=True)
