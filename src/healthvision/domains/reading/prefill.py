# SPDX-License-Identifier: Apache-2.0
"""A report to begin with: the findings that doctors accepted or modified, with guideline text.

What was rejected or not judged is not in it. The words are those of the application, corrected
as the newest verdict says. It is a draft; the doctor owns every word of what is signed.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from healthvision.clinical.result import Finding, Measurement, Text, VerificationState
from healthvision.domains.analysis import service as analysis
from healthvision.domains.analysis.schemas import ResultRead
from healthvision.domains.reading import verdict_rows
from healthvision.domains.reading.report_schemas import (
    ReportContent,
    ReportFinding,
    ReportLanguage,
)
from healthvision.domains.reading.tables import VerdictRow
from healthvision.domains.reading.unsure import is_unsure
from healthvision.domains.reading.verdict_schemas import FindingChanges
from healthvision.formats.reports.words import GUIDELINES, category_words
from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor

_MOST_MEASUREMENTS = 4


@dataclass(frozen=True, slots=True)
class _Kept:
    """A finding that goes into the report, and what the newest verdict corrects on it."""

    read: ResultRead
    finding: Finding
    changes: FindingChanges | None


async def prefilled(
    session: Session, actor: Actor, study_id: UUID, language: ReportLanguage
) -> ReportContent:
    """Return the content a new report begins with; raises StudyNotFound."""
    results = await analysis.results_of_study(session, actor, study_id)
    rows = await verdict_rows.active_of_results(
        session, actor.org_id, [read.item.id for read in results]
    )
    kept = [one for read in results for one in _kept(read, rows)]
    accepted = [r for r in results if r.item.verification == VerificationState.ACCEPTED.value]
    findings = [_sentence(one, language) for one in kept]
    findings += [_negative(text, language) for text in _negatives(accepted)]
    return ReportContent(
        language=language,
        polarity="positive" if any(not is_unsure(one.finding) for one in kept) else None,
        findings="\n".join(findings),
        impression=_numbered(dict.fromkeys(_conclusion(one, language) for one in kept)),
        recommendation=_numbered(dict.fromkeys(_advice(kept, language))),
        items=[_item(one, language) for one in kept][:200],
    )


def _kept(read: ResultRead, rows: Sequence[VerdictRow]) -> Iterable[_Kept]:
    own = [row for row in rows if row.result_id == read.item.id]
    whole = next((row for row in own if not row.tracking_uid), None)
    for finding in read.result.findings:
        row = next((r for r in own if r.tracking_uid == finding.tracking_uid), whole)
        if row is None or row.decision == "reject":
            continue
        changes = None
        if row.changes is not None and row.tracking_uid:
            changes = FindingChanges.model_validate(row.changes)
        yield _Kept(read, finding, changes)


def _say(text: Text, language: ReportLanguage) -> str:
    return text.zh if language == "zh" else text.en


def _label(one: _Kept, language: ReportLanguage) -> str:
    """Return the name of the finding; a size that was corrected is corrected in it, too."""
    if one.changes is not None and one.changes.label:
        return one.changes.label
    label = _say(one.finding.label, language)
    for m in one.finding.measurements:
        value = _value(m, one)
        if value != m.value:
            label = re.sub(
                rf"(?<![\d.]){re.escape(f'{m.value:.1f}')}(?![\d.])", f"{value:.4g}", label
            )
    return label


def _value(m: Measurement, one: _Kept) -> float:
    for change in one.changes.measurements if one.changes is not None else ():
        if change.code == m.code.value and change.label in ("", m.label.en):
            return change.value
    return m.value


def _region(one: _Kept, language: ReportLanguage) -> str:
    changed = None if one.changes is None else one.changes.region
    return changed or _say(one.finding.location.region, language)


def _sentence(one: _Kept, language: ReportLanguage) -> str:
    """Return e.g. '右肺上叶见实性结节，平均直径 6.2 mm。' of one finding."""
    own = one.changes.description if one.changes is not None else None
    if own:
        return own
    region, label = _region(one, language), _label(one, language)
    shown = one.finding.measurements[:_MOST_MEASUREMENTS]
    told = re.findall(r"\d+(?:\.\d+)?", label)
    shown = tuple(m for m in shown if f"{_value(m, one):.1f}" not in told)
    numbers = [_number(m, one, language) for m in shown]
    if language == "zh":
        place = "" if region in label else f"{region}："
        return f"{place}{'，'.join([label, *numbers])}。"
    place = "" if region.casefold() in label.casefold() else f"{region}: "
    return f"{place}{', '.join([label, *numbers])}."


def _number(m: Measurement, one: _Kept, language: ReportLanguage) -> str:
    unit = {"[hnsf'U]": "HU", "1": "", "mm3": "mm³", "mm2": "mm²"}.get(m.unit, m.unit)
    return f"{_say(m.label, language)} {_value(m, one):.4g} {unit}".rstrip()


def _categories(one: _Kept) -> list[tuple[str, str]]:
    changed = {} if one.changes is None else {c.guideline: c.value for c in one.changes.categories}
    own = {c.guideline: c.value for c in one.finding.categories}
    return list((own | changed).items())


def _conclusion(one: _Kept, language: ReportLanguage) -> str:
    head = f"{_region(one, language)} {_label(one, language)}"
    if _region(one, language).casefold() in _label(one, language).casefold():
        head = _label(one, language)
    graded = [
        f"{GUIDELINES.get(guideline, guideline)} {_say(category_words(value), language)}"
        for guideline, value in _categories(one)
    ]
    if not graded:
        return head
    return f"{head}（{'；'.join(graded)}）" if language == "zh" else f"{head} ({'; '.join(graded)})"


def _advice(kept: Sequence[_Kept], language: ReportLanguage) -> Iterable[str]:
    """Yield the guideline text of categories that were not corrected; the exam's own first."""
    reads = {one.read.item.id: one.read for one in kept}
    corrected = {c[0] for one in kept if one.changes is not None and one.changes.categories
                 for c in _categories(one)}  # fmt: skip
    categories = [c for read in reads.values() for c in read.result.categories]
    categories += [c for one in kept for c in one.finding.categories]
    for category in categories:
        if category.guideline not in corrected:
            name = GUIDELINES.get(category.guideline, category.guideline)
            colon = "：" if language == "zh" else ": "
            yield f"{name}{colon}{_say(category.management, language)}"


def _negatives(results: Sequence[ResultRead]) -> Iterable[Text]:
    for read in results:
        for negative in read.result.negatives:
            yield negative.label


def _negative(label: Text, language: ReportLanguage) -> str:
    return f"未见{label.zh}。" if language == "zh" else f"{label.en}: not seen."


def _item(one: _Kept, language: ReportLanguage) -> ReportFinding:
    graded = next(iter(_categories(one)), None)
    return ReportFinding(
        result_id=one.read.item.id,
        tracking_uid=one.finding.tracking_uid,
        label=_label(one, language)[:200],
        text=_sentence(one, language)[:4000],
        category="" if graded is None else f"{graded[0]}:{graded[1]}"[:130],
    )


def _numbered(lines: Iterable[str]) -> str:
    found = list(lines)
    if len(found) < 2:
        return "".join(found)
    return "\n".join(f"{number}. {line}" for number, line in enumerate(found, 1))
