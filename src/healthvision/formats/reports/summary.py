# SPDX-License-Identifier: Apache-2.0
"""The merged summary of a batch: one row per study, broken ones named with their error."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from healthvision.clinical.result import GateOutcome, Result, ResultStatus
from healthvision.formats.reports import pdf_style as look
from healthvision.formats.reports.html import render_template
from healthvision.formats.reports.pdf import build
from healthvision.formats.reports.pdf_parts import grid
from healthvision.formats.reports.pdf_style import cell, para
from healthvision.formats.reports.words import GUIDELINES, Language, Speech, category_words


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One study of the batch in words. ``state``: complete, abstained or failed."""

    number: int
    study: str
    state: str
    state_words: tuple[str, ...]
    findings: str
    categories: tuple[str, ...]
    text: tuple[str, ...]
    seconds: str


Item = tuple[str, Result | str]


def summary_rows(items: Sequence[Item], speech: Speech) -> tuple[SummaryRow, ...]:
    """Return the rows in the order given; a text instead of a result is the error."""
    return tuple(_row(i, label, outcome, speech) for i, (label, outcome) in enumerate(items, 1))


def _row(number: int, label: str, outcome: Result | str, speech: Speech) -> SummaryRow:
    if isinstance(outcome, str):
        state = "failed"
        return SummaryRow(number, label, state, speech.lines(state), "–", (), (outcome,), "–")
    state = "abstained" if outcome.status is ResultStatus.ABSTAINED else "complete"
    seconds = (outcome.timings.finished_at - outcome.timings.started_at).total_seconds()
    warned = [
        speech.short(gate.reason)
        for gate in outcome.gates
        if gate.outcome is not GateOutcome.PASSED
    ]
    reason = outcome.abstained_reason or outcome.summary
    return SummaryRow(
        number=number,
        study=label,
        state=state,
        state_words=speech.lines(state),
        findings="–" if state == "abstained" else str(len(outcome.findings)),
        categories=_categories(outcome, speech),
        text=(*speech.long(reason), *(f"⚠ {text}" for text in warned)),
        seconds=f"{seconds:.1f}",
    )


def _categories(result: Result, speech: Speech) -> tuple[str, ...]:
    """Return the values with their number, the most severe (alphabetically last) first.

    Guidelines with letters and digits as values ('4A') stand for the study; the long management
    classes of the others are only listed when there is nothing shorter.
    """
    counts = Counter((c.guideline, c.value) for f in result.findings for c in f.categories)
    graded = {key: number for key, number in counts.items() if len(key[1]) <= 3}
    counts = Counter(graded or counts)
    return tuple(
        f"{GUIDELINES.get(name, name)} {speech.short(category_words(value))} × {count}"
        for (name, value), count in sorted(counts.items(), key=lambda item: item[0], reverse=True)
    )


def _counts(rows: Sequence[SummaryRow], speech: Speech) -> str:
    parts = [f"{speech.label('batch-studies')} {len(rows)}"]
    for state in ("complete", "abstained", "failed"):
        number = sum(row.state == state for row in rows)
        parts.append(f"{speech.label(state)} {number}")
    return "  ·  ".join(parts)


def merged_summary_html(items: Sequence[Item], language: Language) -> str:
    """Return one self-contained page about a batch; ``items``: (study label, result or error)."""
    speech = Speech(language)
    rows = summary_rows(items, speech)
    return render_template(
        "summary.html.j2",
        speech=speech,
        rows=rows,
        counts=_counts(rows, speech),
        banner=Speech("both").label("ai-unverified"),
    )


def merged_summary_pdf(items: Sequence[Item], language: Language) -> bytes:
    """Return the same as PDF (A4), deterministic for equal input."""
    speech = Speech(language)
    rows = summary_rows(items, speech)
    look.characters()
    colours = {"complete": look.GREEN, "abstained": look.AMBER, "failed": look.RED}
    table = [
        [
            cell([str(row.number)]),
            cell([row.study]),
            cell(row.state_words, color=colours[row.state], bold=True),
            cell([row.findings]),
            cell(row.categories),
            cell(row.text, total=1300),
            cell([row.seconds]),
        ]
        for row in rows
    ]
    keys = ("study", "status", "count", "category", "result")
    titles = [("#",), *(speech.lines(key) for key in keys), ("s",)]
    story = [
        para(speech.label("batch"), 15, color=look.BRAND, after=4, bold=True),
        para(_counts(rows, speech), 9.5, after=6),
        grid(titles, table, (8, 32, 19, 15, 38, 57, 11)),
    ]
    return build(
        story,
        title="HealthVision batch summary",
        banner=Speech("both").label("ai-unverified"),
        running="",
        foot=Speech("both").label("not-a-device"),
        result_id="",
        verified=False,
    )
