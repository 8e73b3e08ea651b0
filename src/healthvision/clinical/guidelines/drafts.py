# SPDX-License-Identifier: Apache-2.0
"""Draft tables: NCCN screening, ACCP 2013, Asian 2016, China 2018. NOT compared with their texts.

Every category they give says so first, and they are never applied by themselves: the caller must
say ``draft=True``. Rows follow clinical notes 3.5 and memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from healthvision.clinical.guidelines.bands import DRAFT
from healthvision.clinical.guidelines.facts import GuidelineInputError, NoduleFacts, to_tenth
from healthvision.clinical.guidelines.rules import Condition, Facts, Rule, evaluate
from healthvision.clinical.result import Category, RuleStep, Text

Guideline = Literal["nccn-screening", "accp-2013", "asian-2016", "china-2018"]
Risk = Literal["low", "high"]

_MEM = "from memory, unverified"
_MEAN, _CORE = "mean_diameter_mm", "solid_diameter_mm"

MANAGEMENT: dict[str, Text] = {
    "none": Text(zh="无需随访。", en="No follow-up."),
    "benign": Text(zh="良性钙化或含脂肪：无需随访。", en="Benign calcification or fat."),
    "optional": Text(zh="可选择随访。", en="Follow-up is optional."),
    "annual": Text(zh="每年 CT。", en="Annual CT."),
    "annual-3-years": Text(zh="每年 CT，至少 3 年。", en="Annual CT for at least 3 years."),
    "ct-6-then-annual": Text(zh="6 个月后 CT，之后每年。", en="CT at 6 months, then annually."),
    "ct-3-then-annual": Text(zh="3 个月后 CT，之后每年。", en="CT at 3 months, then annually."),
    "ct-12": Text(zh="12 个月后 CT。", en="CT at 12 months."),
    "ct-6": Text(zh="6 个月后 CT。", en="CT at 6 months."),
    "ct-3": Text(zh="3 个月后 CT。", en="CT at 3 months."),
    "ct-3-or-pet": Text(zh="3 个月后 CT 或 PET/CT。", en="CT at 3 months or PET/CT."),
    "pet": Text(zh="PET/CT。", en="PET/CT."),
    "ct-or-pet": Text(zh="增强 CT 和（或）PET/CT。", en="CT with contrast and/or PET/CT."),
    "ct-6-12-18-24": Text(zh="6-12 个月、18-24 个月 CT。", en="CT at 6-12 and 18-24 months."),
    "ct-3-6-9-12-24": Text(zh="3-6、9-12、24 个月 CT。", en="CT at 3-6, 9-12 and 24 months."),
    "ct-3-12-24": Text(
        zh="3、12、24 个月 CT，之后每年至 1-3 年。",
        en="CT at 3, 12 and 24 months, then annually for 1-3 years.",
    ),
    "ct-3-6-12-24": Text(zh="3、6、12、24 个月 CT。", en="CT at 3, 6, 12 and 24 months."),
    "ct-3-then-work-up": Text(
        zh="3 个月后 CT；持续存在则 PET/CT、活检或手术。",
        en="CT at 3 months; if it persists PET/CT, biopsy or surgery.",
    ),
    "surveillance": Text(zh="概率 < 5 %：CT 随访。", en="Probability below 5 %: surveillance."),
    "pet-or-biopsy": Text(zh="概率 5-65 %：PET/CT 或活检。", en="5-65 %: PET/CT or biopsy."),
    "surgery": Text(zh="概率 > 65 %：考虑手术。", en="Above 65 %: consider surgery."),
    "estimate-probability": Text(
        zh="> 8 mm：先估计恶性概率，不同概率处理不同。",
        en="Over 8 mm: estimate the probability first, the next step depends on it.",
    ),
}

ASIAN_NOTE = Text(
    zh="概率模型来自非亚洲人群，可能不适用；结核流行区 PET 特异度低。",
    en="Calculators from other populations may not apply; PET is less specific where TB is common.",
)


def _rows(
    name: str, density: str, fact: str, *bands: tuple[str, float | None, float | None]
) -> tuple[Rule, ...]:
    return tuple(
        Rule(
            f"{name}/{density}/{fact}/{low}-{high}/{outcome}",
            outcome,
            (Condition("density", (density,)), Condition(fact, at_least=low, below=high)),
            _MEM,
        )
        for outcome, low, high in bands
    )


def _small_solid(name: str) -> tuple[Rule, ...]:
    """Solid up to 8 mm by risk; limits belong to the smaller band (<= 4, <= 6, <= 8)."""
    table = {
        "low": ("optional", "ct-12", "ct-6-12-18-24"),
        "high": ("ct-12", "ct-6-12-18-24", "ct-3-6-9-12-24"),
    }
    limits: tuple[tuple[float | None, float], ...] = ((None, 4.05), (4.05, 6.05), (6.05, 8.05))
    return tuple(
        Rule(
            f"{name}/solid/{risk}/{outcome}",
            outcome,
            (
                Condition("density", ("solid",)),
                Condition("risk", (risk,)),
                Condition(_MEAN, at_least=low, below=high),
            ),
            _MEM,
        )
        for risk, outcomes in table.items()
        for outcome, (low, high) in zip(outcomes, limits, strict=True)
    )


_LARGE_SOLID = (
    ("surveillance", None, 0.05),
    ("pet-or-biopsy", 0.05, 0.650000001),
    ("surgery", 0.650000001, None),
)


@dataclass(frozen=True, slots=True)
class Draft:
    """One draft guideline; limits at tenths of a millimetre, "<= 4 mm" written as below 4.05."""

    solid: tuple[Rule, ...]
    large_solid: tuple[Rule, ...]
    ground_glass: tuple[Rule, ...]
    part_solid: tuple[Rule, ...]
    source: str
    note: Text | None = None


def _by_probability(name: str) -> tuple[Rule, ...]:
    return tuple(
        Rule(
            f"{name}/solid-over-8/{outcome}",
            outcome,
            (Condition("probability", at_least=low, below=high),),
            _MEM,
        )
        for outcome, low, high in _LARGE_SOLID
    )


def _chest_society(
    name: str,
    glass: tuple[str, str],
    part: tuple[str, str],
    source: str,
    note: Text | None = None,
) -> Draft:
    return Draft(
        _small_solid(name),
        _by_probability(name),
        _rows(name, "ground-glass", _MEAN, (glass[0], None, 5.05), (glass[1], 5.05, None)),
        _rows(name, "part-solid", _MEAN, (part[0], None, 8.05), (part[1], 8.05, None)),
        source,
        note,
    )


_NCCN = "nccn-screening"
DRAFTS: Mapping[str, Draft] = {
    _NCCN: Draft(
        _rows(
            _NCCN,
            "solid",
            _MEAN,
            ("ct-12", None, 6),
            ("ct-6", 6, 8),
            ("ct-3-or-pet", 8, 15),
            ("ct-or-pet", 15, None),
        ),
        (),
        _rows(_NCCN, "ground-glass", _MEAN, ("ct-12", None, 20), ("ct-6", 20, None)),
        _rows(_NCCN, "part-solid", _CORE, ("ct-6", None, 6), ("ct-3", 6, 8), ("pet", 8, None)),
        "NCCN lung cancer screening (draft)",
    ),
    "accp-2013": _chest_society(
        "accp-2013",
        ("none", "annual-3-years"),
        ("ct-3-12-24", "ct-3-then-work-up"),
        "ACCP 2013 (draft)",
    ),
    "asian-2016": _chest_society(
        "asian-2016",
        ("annual", "annual-3-years"),
        ("ct-3-12-24", "ct-3-then-work-up"),
        "Asian consensus 2016 (draft)",
        ASIAN_NOTE,
    ),
    "china-2018": _chest_society(
        "china-2018",
        ("ct-6-then-annual", "ct-3-then-annual"),
        ("ct-3-6-12-24", "ct-3-then-work-up"),
        "China expert consensus 2018 (draft)",
    ),
}


def draft_guideline(
    name: Guideline,
    nodule: NoduleFacts,
    *,
    risk: Risk | None,
    probability: float | None,
    draft: bool = False,
) -> Category:
    """Return the next step of a draft guideline, labelled as a draft.

    Raises GuidelineInputError unless ``draft`` is set, for an unknown name, a missing risk where
    the table needs one, or a probability outside 0..1. A missing probability over 8 mm gives
    'estimate-probability' and no step.
    """
    if not draft:
        raise GuidelineInputError(f"{name}: a draft, not verified; say draft=True to see it")
    if name not in DRAFTS:
        raise GuidelineInputError(f"guideline: unknown {name!r}")
    if probability is not None and not 0 <= probability <= 1:
        raise GuidelineInputError(f"probability: {probability!r} is not in 0..1")
    chosen = DRAFTS[name]
    if nodule.density in ("calcified", "fat"):
        return _category(name, chosen, "benign", ())
    core = nodule.solid_diameter_mm
    size = to_tenth(nodule.mean_diameter_mm)
    facts: Facts = {
        "density": nodule.density,
        _MEAN: size,
        _CORE: None if core is None else to_tenth(core),
        "risk": risk,
        "probability": probability,
    }
    if nodule.density == "solid" and chosen.large_solid:
        if size >= 8.05:
            if probability is None:
                return _category(name, chosen, "estimate-probability", ())
            large = evaluate(chosen.large_solid, facts)
            return _category(name, chosen, large.required().outcome, large.trace)
        if risk is None:
            raise GuidelineInputError("risk: low or high is needed up to 8 mm")
    table = {
        "solid": chosen.solid,
        "ground-glass": chosen.ground_glass,
        "part-solid": chosen.part_solid,
    }[nodule.density]
    decision = evaluate(table, facts)
    return _category(name, chosen, decision.required().outcome, decision.trace)


def possible_steps(
    name: Guideline, nodule: NoduleFacts, *, probability: float | None
) -> tuple[str, ...]:
    """Return the steps possible while the patient's risk is not known (the range over it)."""
    found = {
        draft_guideline(name, nodule, risk=r, probability=probability, draft=True).value
        for r in ("low", "high")
    }
    return tuple(sorted(found))


def _category(name: str, chosen: Draft, value: str, trace: tuple[RuleStep, ...]) -> Category:
    notes = (DRAFT,) if chosen.note is None else (DRAFT, chosen.note)
    return Category(
        guideline=name,
        value=value,
        management=MANAGEMENT[value],
        trace=trace,
        source=chosen.source,
        assumptions=notes,
    )
