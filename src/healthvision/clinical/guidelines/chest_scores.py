# SPDX-License-Identifier: Apache-2.0
"""Scores of the chest: CT severity score, emphysema, heart width (clinical notes 3.7, 3.8)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from healthvision.clinical.guidelines.bands import Band, BandTable
from healthvision.clinical.guidelines.facts import GuidelineInputError
from healthvision.clinical.result import Category, RuleStep, Text

LOBES = ("right-upper", "right-middle", "right-lower", "left-upper", "left-lower")

CTSS_LOBE = BandTable(
    id="ctss-lobe",
    fact="lobe_percent",
    unit="%",
    bands=(
        Band("0", None, Text(zh="无受累", en="not involved")),
        Band("1", math.ulp(0.0), Text(zh="受累 < 5 %", en="less than 5 % involved")),
        Band("2", 5, Text(zh="受累 5-25 %", en="5-25 % involved")),
        Band("3", math.nextafter(25, 26), Text(zh="受累 26-49 %", en="26-49 % involved")),
        Band("4", 50, Text(zh="受累 50-75 %", en="50-75 % involved")),
        Band("5", math.nextafter(75, 76), Text(zh="受累 > 75 %", en="more than 75 % involved")),
    ),
    source="CT severity score, five lobes 0-5; bands between whole percents run on",
    low=0.0,
    high=100.0,
)

EMPHYSEMA_ZONE = BandTable(
    id="fleischner-emphysema-area",
    fact="zone_percent",
    unit="%",
    bands=(
        Band("none", None, Text(zh="无", en="none")),
        Band("trace", math.ulp(0.0), Text(zh="微量", en="trace")),
        Band("mild", 0.5, Text(zh="轻度", en="mild")),
        Band("moderate-or-more", math.nextafter(5, 6), Text(
            zh="中度或以上；融合性与进展性需医生目测",
            en="moderate or more; confluent and advanced need the reader's eye")),
    ),
    source="Fleischner 2015 emphysema, centrilobular area limits (from memory)",
    low=0.0,
    high=100.0,
    draft=True,
)  # fmt: skip

LAA950 = BandTable(
    id="laa-950",
    fact="laa_percent",
    unit="%",
    bands=(
        Band("below-limit", None, Text(zh="低于常用界值", en="below the usual limit")),
        Band("borderline", 5, Text(zh="介于各界值之间 (5-6 %)", en="between published limits")),
        Band("emphysema", 6, Text(zh="达到肺气肿界值", en="at or above the emphysema limit")),
    ),
    source="LAA-950 limit 5-6 % (from memory)",
    low=0.0,
    high=100.0,
    draft=True,
)


def _ctr(name: str, limit: float, view: Text, source: str) -> BandTable:
    wide = Text(zh=f"心影增大（{view.zh}）", en=f"enlarged heart shadow ({view.en})")
    return BandTable(
        id=f"ctr-{name}",
        fact="ctr",
        unit="1",
        bands=(
            Band("normal", None, Text(zh="在正常范围", en="within normal limits")),
            Band("enlarged", limit, wide),
        ),
        source=source,
        low=0.05,
        high=0.99,
        closed_above=True,
        draft=name == "ap",
    )


CTR_PA = _ctr("pa", 0.50, Text(zh="后前位", en="PA"), "PMC3207047; primary care notes")
CTR_AP = _ctr("ap", 0.55, Text(zh="前后位", en="AP"), "secondary source; PA only is reliable")
CTR_NEONATE = _ctr("neonate", 0.66, Text(zh="新生儿", en="neonate"), "primary care notes")


def cardiothoracic(ratio: float | None, *, view: str | None, neonate: bool = False) -> Category:
    """Grade a cardiothoracic ratio (0..1) by view, 'PA' or 'AP'.

    Raises GuidelineInputError without a ratio or when the view is not known: limits differ.
    """
    if neonate:
        return CTR_NEONATE.grade(ratio)
    if view not in ("PA", "AP"):
        raise GuidelineInputError("view: needed, PA or AP, the limits differ")
    return (CTR_PA if view == "PA" else CTR_AP).grade(ratio)


def corrected_heart_mm(heart_ap_mm: float, distance_cm: float) -> float:
    """Return the heart's width (mm) as a PA view would show it; AP tube ``distance_cm`` away.

    Source: PMC3207047, CD = CD_AP x (0.00099 d + 0.79). Raises GuidelineInputError for distances
    outside 80..220 cm.
    """
    if not 80 <= distance_cm <= 220:
        raise GuidelineInputError(f"distance_cm: {distance_cm!r} is outside 80..220")
    return heart_ap_mm * (0.00099 * distance_cm + 0.79)


@dataclass(frozen=True, slots=True)
class SeverityScore:
    """CT severity score 0-25 or, with lobes missing, the range it may have."""

    low: int
    high: int
    lobes: tuple[tuple[str, int | None], ...]
    missing: tuple[str, ...]
    trace: tuple[RuleStep, ...]

    @property
    def score(self) -> int | None:
        """The score when all five lobes are known, else None."""
        return None if self.missing else self.low


def severity_score(percent: Mapping[str, float | None]) -> SeverityScore:
    """Add up the five lobes; ``percent`` maps each of LOBES to the involved share in %, or None.

    Raises GuidelineInputError for other names or impossible shares.
    """
    if set(percent) != set(LOBES):
        raise GuidelineInputError(f"percent: the lobes are {', '.join(LOBES)}")
    grades: list[tuple[str, int | None]] = []
    trace: list[RuleStep] = []
    for lobe in LOBES:
        value = percent[lobe]
        if value is None:
            grades.append((lobe, None))
            continue
        category = CTSS_LOBE.grade(value)
        grades.append((lobe, int(category.value)))
        trace += [step for step in category.trace if step.matched]
    missing = tuple(name for name, grade in grades if grade is None)
    known = sum(grade for _, grade in grades if grade is not None)
    return SeverityScore(known, known + 5 * len(missing), tuple(grades), missing, tuple(trace))


def worst_zone(percents: Sequence[float]) -> Category:
    """Return the emphysema grade of the zone with the largest share (%)."""
    if not percents:
        raise GuidelineInputError("zone_percent: not given")
    return EMPHYSEMA_ZONE.grade(max(percents))
