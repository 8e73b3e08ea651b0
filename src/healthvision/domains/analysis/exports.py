# SPDX-License-Identifier: Apache-2.0
"""A result in the formats others read: JSON, CSV, PDF, HTML, DICOM (zip) and FHIR R4B."""

import asyncio
import io
import zipfile
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from healthvision.clinical.result import Result
from healthvision.domains.analysis import repository
from healthvision.domains.analysis.errors import OutputNotFound
from healthvision.domains.analysis.execution import read_output
from healthvision.domains.analysis.results import document, own_row
from healthvision.domains.analysis.tables import OutputRow
from healthvision.formats.fhir.bundle import diagnostic_report_bundle
from healthvision.formats.reports.csv_export import render_csv
from healthvision.formats.reports.html import render_html
from healthvision.formats.reports.pdf import render_pdf
from healthvision.formats.reports.words import Language
from healthvision.kernel import strictjson
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings

ExportFormat = Literal["json", "csv", "pdf", "html", "dicom", "fhir"]
_MEDIA: dict[ExportFormat, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "pdf": "application/pdf",
    "html": "text/html; charset=utf-8",
    "dicom": "application/zip",
    "fhir": "application/fhir+json",
}
_SUFFIX: dict[ExportFormat, str] = {"dicom": "zip", "fhir": "fhir.json"}


@dataclass(frozen=True, slots=True)
class Export:
    """Finished bytes with media type and file name; the name holds the result's id only."""

    data: bytes
    media_type: str
    filename: str
    study_id: UUID
    patient_ref: UUID
    space_id: UUID


async def export_result(
    db: Database, actor: Actor, result_id: UUID, form: ExportFormat, language: Language
) -> Export:
    """Return a result in a format; raises ResultNotFound. The caller records the export."""
    async with db.reading() as session:
        row = await own_row(session, actor, result_id)
        outputs = list(await repository.outputs_of(session, row.id))
    result = document(row)
    if form == "json":
        data = result.model_dump_json(indent=2).encode()
    elif form == "csv":
        data = b"\xef\xbb\xbf" + render_csv([result]).encode()
    elif form == "dicom":
        data = await _zip(db, outputs)
    elif form == "fhir":
        data = await _fhir(db, result, outputs, language)
    else:
        pictures = await _pictures(db, outputs)
        data = await asyncio.to_thread(_report, result, pictures, form, language)
    name = f"result-{row.id}.{_SUFFIX.get(form, form)}"
    return Export(data, _MEDIA[form], name, row.study_id, row.patient_ref, row.space_id)


def _report(
    result: Result, pictures: dict[str, bytes], form: ExportFormat, language: Language
) -> bytes:
    if form == "pdf":
        return render_pdf(result, pictures, language)
    return render_html(result, key_images=pictures, language=language).encode()


async def _pictures(db: Database, outputs: list[OutputRow]) -> dict[str, bytes]:
    return {o.name: await read_output(db, o) for o in outputs if o.kind == "PNG"}


async def _zip(db: Database, outputs: list[OutputRow]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for row in outputs:
            if row.sop_uid is not None:
                info = zipfile.ZipInfo(f"{row.name}.dcm", (1980, 1, 1, 0, 0, 0))
                archive.writestr(info, await read_output(db, row), zipfile.ZIP_DEFLATED)
    return target.getvalue()


async def _fhir(
    db: Database, result: Result, outputs: list[OutputRow], language: Language
) -> bytes:
    pictures = await _pictures(db, outputs)
    pdf = await asyncio.to_thread(render_pdf, result, pictures, language)
    base = CoreSettings().public_url.rstrip("/") + "/fhir"
    return strictjson.dumps(diagnostic_report_bundle(result, pdf=pdf, base_url=base)).encode()


async def key_image(db: Database, actor: Actor, result_id: UUID, name: str) -> Export:
    """Return one key image as PNG; raises ResultNotFound, OutputNotFound."""
    async with db.reading() as session:
        row = await own_row(session, actor, result_id)
        outputs = await repository.outputs_of(session, row.id)
    wanted = name if name.endswith(".png") else f"{name}.png"
    for output in outputs:
        if output.kind == "PNG" and output.name == wanted:
            data = await read_output(db, output)
            place = row.study_id, row.patient_ref, row.space_id
            return Export(data, "image/png", output.name, *place)
    raise OutputNotFound("the result has no such key image")
