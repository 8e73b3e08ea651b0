# SPDX-License-Identifier: Apache-2.0
"""Results as CSV, one row per finding; texts cannot become formulas in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Iterator

from healthvision.clinical.result import Finding, Result
from healthvision.formats.reports.details import measure_text

COLUMNS = (
    "result_id",
    "result_version",
    "study_uid",
    "accession_number",
    "study_date",
    "patient_id",
    "application",
    "application_version",
    "status",
    "abstained_reason_zh",
    "abstained_reason_en",
    "verification",
    "finding",
    "finding_code",
    "label_zh",
    "label_en",
    "region_zh",
    "region_en",
    "laterality",
    "x_lps_mm",
    "y_lps_mm",
    "z_lps_mm",
    "measurements",
    "attributes",
    "categories",
    "confidence",
    "confidence_low",
    "confidence_high",
    "evidence_level",
    "exam_categories",
)

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

Cell = str | int | float | None


def safe_cell(value: Cell) -> str | int | float:
    """Return a cell that no spreadsheet runs: a text that could start a formula gets a quote.

    Numbers stay numbers, so negative coordinates are not touched (OWASP "CSV Injection").
    """
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(_DANGEROUS):
        return "'" + value
    return value


def render_csv(results: Iterable[Result]) -> str:
    """Return RFC 4180 text with a head row; a result without findings has one row.

    Write it as UTF-8 with a byte order mark where Excel has to read Chinese.
    """
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow(COLUMNS)
    for result in results:
        for row in _rows(result):
            writer.writerow([safe_cell(value) for value in row])
    return target.getvalue()


def _rows(result: Result) -> Iterator[list[Cell]]:
    reason = result.abstained_reason
    head: list[Cell] = [
        result.id,
        result.version,
        result.study_uid,
        result.accession_number,
        result.study_date,
        result.patient.patient_id,
        result.application.id,
        result.application.version,
        result.status.value,
        None if reason is None else reason.zh,
        None if reason is None else reason.en,
        result.verification.value,
    ]
    exam = "; ".join(f"{c.guideline}: {c.value}" for c in result.categories)
    if not result.findings:
        gap: list[Cell] = [None] * (len(COLUMNS) - len(head) - 2)
        yield [*head, *gap, result.evidence_level.value, exam]
    for finding in result.findings:
        yield [*head, *_finding(finding), exam]


def _finding(finding: Finding) -> list[Cell]:
    place, sure = finding.location, finding.confidence
    point: tuple[float | None, ...] = place.position_lps_mm or (None, None, None)
    return [
        finding.tracking_id,
        f"{finding.code.scheme}:{finding.code.value}",
        finding.label.zh,
        finding.label.en,
        place.region.zh,
        place.region.en,
        None if place.laterality is None else place.laterality.value,
        *point,
        "; ".join(f"{m.label.en} {measure_text(m)}" for m in finding.measurements),
        "; ".join(f"{a.meaning}: {b.meaning}" for a, b in finding.attributes),
        "; ".join(f"{c.guideline}: {c.value}" for c in finding.categories),
        sure.value,
        None if sure.interval is None else sure.interval.low,
        None if sure.interval is None else sure.interval.high,
        finding.evidence_level.value,
    ]
