# SPDX-License-Identifier: Apache-2.0
"""The findings of the PDF report: the table, and for each finding how it came about."""

from reportlab.lib.units import mm
from reportlab.platypus import CondPageBreak, Flowable, KeepTogether

from healthvision.formats.reports import pdf_style as look
from healthvision.formats.reports.details import CategoryView
from healthvision.formats.reports.pdf_parts import ContributionBars, grid, heading
from healthvision.formats.reports.pdf_style import cell, para
from healthvision.formats.reports.view import FindingView, ReportView
from healthvision.formats.reports.words import Speech

Story = list[Flowable]

_COLUMNS = ("where", "size", "type", "category", "confidence", "evidence")
_WIDTHS = (7, 33, 43, 25, 33, 23, 16)


def findings_table(view: ReportView, speech: Speech) -> Story:
    """Return the table of findings, one row each; its head is repeated on every page."""
    story = heading(f"{speech.label('findings')} ({len(view.findings)})")
    if not view.findings:
        key = "abstained-note" if view.abstained else "no-findings"
        return [*story, para(speech.label(key), 9)]
    rows = [
        [
            cell([str(f.number)], bold=True),
            [*cell([f.title], bold=True), *cell(f.where, color=look.GREY)],
            cell(f.size),
            cell(f.kinds),
            cell(f.category, bold=True),
            [*cell(f.confidence[:1], 8.4, bold=True), *cell(f.confidence[1:], color=look.GREY)],
            cell([f.evidence]),
        ]
        for f in view.findings
    ]
    levels = dict.fromkeys(f.evidence_words for f in view.findings)
    notes = [*levels, view.intervals] if view.intervals else list(levels)
    legend = para("; ".join(notes), 7.5, color=look.GREY)
    table = grid([("#",), *(speech.lines(key) for key in _COLUMNS)], rows, _WIDTHS)
    return [*story, table, legend]


def details(view: ReportView, speech: Speech) -> Story:
    """Return, for each finding, measurements, explanation, contributions and rule traces."""
    if not view.findings:
        return []
    story = heading(speech.label("details"), room=60)
    for finding in view.findings:
        story += _one(finding, speech)
    return story


def _one(finding: FindingView, speech: Speech) -> Story:
    where = ", ".join(finding.where)
    story = heading(f"{finding.number}. {finding.title} · {where}", room=45)
    facts = [finding.tracking_id]
    if finding.position:
        facts.append(f"{speech.label('position')}: {finding.position}")
    facts.append(finding.evidence_words)
    story.append(para("   ·   ".join(facts), 7.6, color=look.GREY, after=2))
    measures = "；".join if speech.language != "en" else "; ".join
    if finding.measures:
        text = measures([f"{m.label} {m.value}" for m in finding.measures])
        story.append(para(text, 8.2, after=2))
    story.append(para(f"{speech.label('why')} ({finding.why_method})", 7.6, color=look.GREY))
    story += [para(line, 8.8) for line in finding.why]
    story += _bars(finding, speech)
    for risk in finding.risks:
        text = f"{speech.label('risk')} · {risk.name}: {risk.value}"
        story.append(para(text, 8.8, before=3, bold=True))
        story += [para(line, 7.8, color=look.GREY) for line in risk.notes]
    for category in finding.categories:
        story += _category(category, speech)
    return story


def _bars(finding: FindingView, speech: Speech) -> Story:
    if not finding.bars:
        return []
    legend = (
        f"{speech.label('contributions')}  ·  ← {speech.label('lowers')}  ·  "
        f"{speech.label('raises')} →"
    )
    title = para(legend, 7.6, color=look.GREY, before=3)
    story: Story = [KeepTogether([title, ContributionBars(finding.bars)])]
    if finding.bars_left_out:
        rest = f"{finding.bars_left_out} {speech.label('more-contributions')}"
        story.append(para(rest, 7, color=look.GREY))
    return story


def _category(category: CategoryView, speech: Speech) -> Story:
    story: Story = [
        CondPageBreak(34 * mm),
        para(f"{category.name}: {category.value}", 9, color=look.BRAND, before=4, bold=True),
    ]
    story += [para(line, 8.4, limit=2000) for line in category.management]
    for lines in category.assumptions:
        story += [para(line, 7.8, color=look.AMBER, limit=1000) for line in lines]
    rows = [
        [cell([step.rule], 6.8), cell(step.text, 7.2), cell([step.inputs], 6.8)]
        for step in category.matched
    ]
    if rows:
        titles = [(speech.label(key),) for key in ("rules", "matched", "inputs")]
        story.append(grid(titles, rows, (52, 68, 60)))
    others = len(category.steps) - len(category.matched)
    tail = f"{others} {speech.label('other-rules')}  ·  {speech.label('source')}: {category.source}"
    story.append(para(tail, 6.8, color=look.GREY, limit=600))
    return story
