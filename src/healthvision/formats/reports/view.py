# SPDX-License-Identifier: Apache-2.0
"""What a report shows, in plain strings: one view of a ``Result`` for both HTML and PDF."""

from dataclasses import dataclass

from healthvision.clinical.result import Finding as ResultFinding
from healthvision.clinical.result import Gate, GateOutcome, Measurement, OverlayRef, Result, Text
from healthvision.formats.reports.details import (
    Bar,
    CategoryView,
    RiskView,
    bars,
    category_view,
    confidence_lines,
    measure_text,
    risk_view,
    where_lines,
)
from healthvision.formats.reports.methods import method_words
from healthvision.formats.reports.provenance import Fact, date_text, provenance, study_facts
from healthvision.formats.reports.words import (
    GUIDELINES,
    LABELS,
    Speech,
    category_words,
    meaning_words,
)

Lines = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AlertView:
    """A gate that failed or warned."""

    failed: bool
    title: str
    reason: Lines
    remedy: Lines


@dataclass(frozen=True, slots=True)
class MeasureView:
    """One measurement: name, value with unit and interval, method."""

    label: str
    value: str
    method: str


@dataclass(frozen=True, slots=True)
class FindingView:
    """One finding: cells of the table and everything below it.

    ``size`` leaves long and short axis to the details, the table would grow too long.
    """

    number: int
    tracking_id: str
    title: str
    where: Lines
    size: Lines
    kinds: Lines
    category: Lines
    confidence: Lines
    evidence: str
    evidence_words: str
    position: str
    measures: tuple[MeasureView, ...]
    why: Lines
    why_method: str
    bars: tuple[Bar, ...]
    bars_left_out: int
    categories: tuple[CategoryView, ...]
    risks: tuple[RiskView, ...]


@dataclass(frozen=True, slots=True)
class NegativeView:
    """Something that was looked for and not found."""

    label: str
    limit: Lines
    evidence: str


@dataclass(frozen=True, slots=True)
class ImageView:
    """A key image by name, with the findings it shows as caption."""

    name: str
    caption: str


@dataclass(frozen=True, slots=True)
class ReportView:
    """The whole report, section by section, in reading order.

    ``intervals``: says what the intervals of measurements cover, '' when there are none.
    """

    institution: str
    title: str
    banner: str
    verified: bool
    running: str
    superseded: bool
    facts: tuple[Fact, ...]
    abstained: Lines
    alerts: tuple[AlertView, ...]
    summary: Lines
    categories: tuple[CategoryView, ...]
    findings: tuple[FindingView, ...]
    intervals: str
    measures: tuple[MeasureView, ...]
    negatives: tuple[NegativeView, ...]
    images: tuple[ImageView, ...]
    limitations: tuple[Lines, ...]
    gates_passed: tuple[str, ...]
    provenance: tuple[Fact, ...]


def build_view(
    result: Result, speech: Speech, *, image_names: Lines, patient_name: str | None
) -> ReportView:
    """Return what a report about ``result`` shows; images are captioned by their findings."""
    state = result.verification
    return ReportView(
        institution=result.institution or "",
        title=speech.short(result.application.title),
        banner=_both(state.value),
        verified=state.value != "ai-unverified",
        running=_running(result),
        superseded=result.superseded_by is not None,
        facts=study_facts(result, speech, patient_name),
        abstained=() if result.abstained_reason is None else speech.long(result.abstained_reason),
        alerts=_alerts(result, speech),
        summary=speech.long(result.summary),
        categories=tuple(category_view(c, speech) for c in result.categories),
        findings=tuple(
            _finding(finding, number, speech) for number, finding in enumerate(result.findings, 1)
        ),
        intervals=_intervals(result, speech),
        measures=tuple(_measure(m, speech) for m in result.measurements),
        negatives=tuple(
            NegativeView(
                speech.short(n.label), speech.long(n.detection_limit), n.evidence_level.value
            )
            for n in result.negatives
        ),
        images=tuple(ImageView(name, _caption(result, name, speech)) for name in image_names),
        limitations=tuple(speech.long(text) for text in result.limitations),
        gates_passed=tuple(
            speech.short(gate.reason) + _gate_value(gate)
            for gate in result.gates
            if gate.outcome is GateOutcome.PASSED
        ),
        provenance=provenance(result, speech),
    )


def _both(key: str) -> str:
    """The state stands in both languages whatever the language of the report."""
    return Speech("both").label(key)


def _running(result: Result) -> str:
    date = date_text(result.study_date) if result.study_date else None
    parts = (result.patient.patient_id, result.accession_number, date)
    return "  ·  ".join(part for part in parts if part)


def _intervals(result: Result, speech: Speech) -> str:
    measured = [*result.measurements, *(m for f in result.findings for m in f.measurements)]
    covers = sorted({m.interval.coverage for m in measured if m.interval is not None})
    if not covers:
        return ""
    return f"{speech.label('intervals')}: {', '.join(f'{100 * c:g} %' for c in covers)}"


def _gate_value(gate: Gate) -> str:
    """Return the value in brackets, unless the reason names a number (with its unit) already."""
    if gate.value is None or any(c.isdigit() for c in gate.reason.en):
        return ""
    if isinstance(gate.value, str) and gate.value in gate.reason.en:
        return ""
    return f" ({gate.value:.3g})" if isinstance(gate.value, float) else f" ({gate.value})"


def _alerts(result: Result, speech: Speech) -> tuple[AlertView, ...]:
    order = (GateOutcome.FAILED, GateOutcome.WARNING)
    found = [
        AlertView(
            failed=outcome is GateOutcome.FAILED,
            title=f"{speech.label(_alert_key(result, outcome))} · {gate.id}",
            reason=_with_value(speech.long(gate.reason), gate),
            remedy=() if gate.remedy is None else speech.titled("remedy", speech.long(gate.remedy)),
        )
        for outcome in order
        for gate in result.gates
        if gate.outcome is outcome
    ]
    return tuple(found)


def _alert_key(result: Result, outcome: GateOutcome) -> str:
    """A failed gate ends the whole analysis, or else one part of it."""
    if outcome is GateOutcome.FAILED and result.abstained_reason is None:
        return "gates-part"
    return f"gates-{outcome.value}"


def _with_value(lines: Lines, gate: Gate) -> Lines:
    return (lines[0] + _gate_value(gate), *lines[1:])


def _measure(measurement: Measurement, speech: Speech) -> MeasureView:
    return MeasureView(
        speech.short(measurement.label),
        measure_text(measurement),
        speech.short(method_words(measurement.method)),
    )


def _finding(finding: ResultFinding, number: int, speech: Speech) -> FindingView:
    shown, left_out = bars(finding.explanation.contributions, speech)
    point = finding.location.position_lps_mm
    return FindingView(
        number=number,
        tracking_id=finding.tracking_id,
        title=speech.short(finding.label),
        where=where_lines(finding.location, speech),
        size=_sizes(finding, speech),
        kinds=tuple(
            f"{speech.short(meaning_words(a.meaning))}: {speech.short(meaning_words(b.meaning))}"
            for a, b in finding.attributes
        )
        or ("–",),
        category=tuple(
            f"{GUIDELINES.get(c.guideline, c.guideline)}: {speech.short(category_words(c.value))}"
            for c in finding.categories
        )
        or ("–",),
        confidence=confidence_lines(finding.confidence, speech),
        evidence=finding.evidence_level.value,
        evidence_words=speech.label(finding.evidence_level.value),
        position="" if point is None else ", ".join(f"{axis:.1f}" for axis in point),
        measures=tuple(_measure(m, speech) for m in finding.measurements),
        why=speech.long(finding.explanation.text),
        why_method=speech.short(method_words(finding.explanation.method)),
        bars=shown,
        bars_left_out=left_out,
        categories=tuple(category_view(c, speech) for c in finding.categories),
        risks=tuple(risk_view(r, speech) for r in finding.risks),
    )


def _sizes(finding: ResultFinding, speech: Speech) -> Lines:
    """Return the sizes; of a finding that has none, what was measured with an interval."""
    sizes = [
        m
        for m in finding.measurements
        if m.unit in ("mm", "cm", "mm3", "mL") and "axis" not in m.label.en.casefold()
    ]
    shown = sizes or [m for m in finding.measurements if m.interval is not None]
    return tuple(f"{measure_text(m)} {speech.short(m.label)}" for m in shown)


def _caption(result: Result, name: str, speech: Speech) -> str:
    plain = name.removesuffix(".png")
    shown = [
        f"{number}. {speech.short(_title(finding))}"
        for number, finding in enumerate(result.findings, 1)
        if _shows(finding.explanation.overlay, plain)
    ]
    return "; ".join(shown) or speech.short(LABELS["overview"])


def _title(finding: ResultFinding) -> Text:
    region = finding.location.region
    return Text(
        zh=f"{finding.label.zh}，{region.zh}",
        en=f"{finding.label.en}, {region.en}",
    )


def _shows(overlay: OverlayRef | None, plain: str) -> bool:
    return overlay is not None and any(i.removesuffix(".png") == plain for i in overlay.images)
