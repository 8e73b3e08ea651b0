# SPDX-License-Identifier: Apache-2.0
"""Numbers, places, confidences and rule traces in words, for the view of a report."""

from collections.abc import Sequence
from dataclasses import dataclass

from healthvision.clinical.result import (
    Category,
    Confidence,
    Contribution,
    Interval,
    Location,
    Measurement,
    Risk,
    RuleStep,
)
from healthvision.formats.reports.words import GUIDELINES, LABELS, Speech, category_words

Lines = tuple[str, ...]

MAX_BARS = 8
_UNITS = {"[hnsf'U]": "HU", "mm3": "mm³", "cm2": "cm²", "mm2": "mm²", "1": "", "{score}": ""}
_DECIMALS = {"mm": 1, "cm": 1, "mm3": 0, "%": 1, "[hnsf'U]": 0, "s": 1}


@dataclass(frozen=True, slots=True)
class Bar:
    """One contribution; ``share`` is -1..1 of the largest one, for the length of the bar."""

    label: str
    value: str
    contribution: float
    share: float


@dataclass(frozen=True, slots=True)
class StepView:
    """One row of a rule trace."""

    rule: str
    text: Lines
    inputs: str
    matched: bool


@dataclass(frozen=True, slots=True)
class CategoryView:
    """A guideline category with what follows from it and why."""

    name: str
    value: str
    management: Lines
    assumptions: tuple[Lines, ...]
    steps: tuple[StepView, ...]
    matched: tuple[StepView, ...]
    source: str


def number(value: float, unit: str) -> str:
    """Return the number with the decimals that its unit deserves, without unit."""
    if unit == "mL":
        decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 1 else 3
        return f"{value:.{decimals}f}"
    if unit in _DECIMALS:
        return f"{value:.{_DECIMALS[unit]}f}"
    return f"{value:.4g}"


def measure_text(measurement: Measurement) -> str:
    """Return e.g. '8.4 mm (7.9–8.9)'."""
    unit = _UNITS.get(measurement.unit, measurement.unit)
    text = f"{number(measurement.value, measurement.unit)} {unit}".strip()
    if measurement.interval is None:
        return text
    return f"{text} ({_range(measurement.interval, measurement.unit)})"


def _range(interval: Interval, unit: str) -> str:
    dash = " … " if interval.low < 0 else "–"
    return f"{number(interval.low, unit)}{dash}{number(interval.high, unit)}"


def percent(value: float) -> str:
    """Return a probability as whole percent; one decimal near the ends so that 0 is never said."""
    share = 100 * value
    near = f"{share:.1f}" if share < 1 or share > 99 else f"{share:.0f}"
    return f"{near.replace('100.0', '100')} %"


def confidence_lines(confidence: Confidence, speech: Speech) -> Lines:
    """Return the confidence with interval and coverage, or why there is none."""
    if confidence.value is None:
        reason = confidence.reason_absent
        return (speech.label("none"), *(() if reason is None else speech.long(reason)))
    lines = [percent(confidence.value)]
    if confidence.interval is not None:
        low, high = percent(confidence.interval.low), percent(confidence.interval.high)
        coverage = f"{100 * confidence.interval.coverage:.0f} %"
        lines.append(f"{low.removesuffix(' %')}–{high} ({coverage} {speech.label('interval')})")
    return tuple(lines)


def where_lines(location: Location, speech: Speech) -> Lines:
    """Return the region, and the side when the region does not say it already."""
    region = speech.short(location.region)
    if location.laterality is None:
        return (region,)
    side = LABELS[location.laterality.value]
    if side.zh in location.region.zh or side.en in location.region.en.casefold():
        return (region,)
    return (region, speech.short(side))


def bars(contributions: Sequence[Contribution], speech: Speech) -> tuple[tuple[Bar, ...], int]:
    """Return the largest contributions as bars, and how many were left out."""
    ordered = sorted(contributions, key=lambda c: (-abs(c.contribution), c.feature))
    largest = max((abs(c.contribution) for c in ordered), default=0.0) or 1.0
    shown = tuple(
        Bar(
            speech.short(c.label),
            f"{c.value:.4g}",
            c.contribution,
            c.contribution / largest,
        )
        for c in ordered[:MAX_BARS]
    )
    return shown, max(0, len(ordered) - MAX_BARS)


@dataclass(frozen=True, slots=True)
class RiskView:
    """A risk model with its range, and below it what is not known and whom it was made for."""

    name: str
    value: str
    notes: Lines


def risk_view(risk: Risk, speech: Speech) -> RiskView:
    """Return a risk in words; a range names the inputs that are missing."""
    value = percent(risk.low)
    notes = []
    if risk.missing:
        value = f"{value}–{percent(risk.high)} ({speech.label('risk-range')})"
        notes.append(f"{speech.label('not-known')}: {', '.join(map(speech.short, risk.missing))}")
    notes.append(f"{speech.label('made-for')}: {speech.short(risk.population)}")
    return RiskView(speech.short(risk.title), value, tuple(notes))


def category_view(category: Category, speech: Speech) -> CategoryView:
    """Return a category with its management, assumptions and the whole trace."""
    steps = tuple(_step(step, speech) for step in category.trace)
    return CategoryView(
        name=GUIDELINES.get(category.guideline, category.guideline),
        value=speech.short(category_words(category.value)),
        management=speech.titled("management", speech.long(category.management)),
        assumptions=tuple(
            speech.titled("assumption", speech.long(text)) for text in category.assumptions
        ),
        steps=steps,
        matched=tuple(step for step in steps if step.matched),
        source=category.source,
    )


def _step(step: RuleStep, speech: Speech) -> StepView:
    inputs = ", ".join(f"{name} = {_input(value)}" for name, value in step.inputs.items())
    return StepView(step.rule, speech.long(step.text), inputs, step.matched)


def _input(value: str | float | int | bool | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
