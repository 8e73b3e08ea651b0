# SPDX-License-Identifier: Apache-2.0
"""C-Lung-RADS (China) for lung nodules, as data with a rule trace. Source: PMC11564084 table 1."""

from healthvision.clinical.guidelines.facts import GuidelineInputError, NoduleFacts, to_tenth
from healthvision.clinical.guidelines.rules import Condition, Facts, Rule, evaluate
from healthvision.clinical.result import Category, Text

GUIDELINE = "c-lung-rads"
SOURCE = "C-Lung-RADS, PMC11564084 T1"

_S = "S: PMC11564084 T1"
_MEAN, _CORE = "mean_diameter_mm", "solid_diameter_mm"

MANAGEMENT: dict[str, Text] = {
    "0": Text(zh="良性钙化，按常规筛查。", en="Calcified: routine screening."),
    "1": Text(zh="12 个月后复查。", en="Follow-up in 12 months."),
    "2": Text(zh="6 个月后复查。", en="Follow-up in 6 months."),
    "3": Text(zh="3 个月后复查。", en="Follow-up in 3 months."),
    "4": Text(zh="立即进一步诊治。", en="Refer for diagnostic work-up now."),
    "not-applicable": Text(
        zh="该表不含含脂肪结节。", en="The table has no row for nodules with fat."
    ),
}


def _row(density: str, outcome: str, *sizes: Condition) -> Rule:
    when = (Condition("density", (density,)), *sizes)
    return Rule(f"c-lung-rads/{density}/{outcome}", outcome, when, _S)


def _band(fact: str, low: float | None, high: float | None) -> Condition:
    return Condition(fact, at_least=low, below=high)


TABLES: dict[str, tuple[Rule, ...]] = {
    "calcified": (_row("calcified", "0"),),
    "fat": (_row("fat", "not-applicable"),),
    "solid": (
        _row("solid", "1", _band(_MEAN, None, 6)),
        _row("solid", "2", _band(_MEAN, 6, 10)),
        _row("solid", "3", _band(_MEAN, 10, 18)),
        _row("solid", "4", _band(_MEAN, 18, None)),
    ),
    "part-solid": (
        _row("part-solid", "1", _band(_MEAN, None, 6)),
        _row("part-solid", "2", _band(_MEAN, 6, None), _band(_CORE, None, 6)),
        _row("part-solid", "3", _band(_MEAN, 6, None), _band(_CORE, 6, 10)),
        _row("part-solid", "4", _band(_MEAN, 6, None), _band(_CORE, 10, None)),
    ),
    "ground-glass": (
        _row("ground-glass", "1", _band(_MEAN, None, 6)),
        _row("ground-glass", "2", _band(_MEAN, 6, 20)),
        _row("ground-glass", "3", _band(_MEAN, 20, None)),
    ),
}

UPGRADE = Rule(
    "c-lung-rads/upgrade/probability",
    "4",
    (Condition("category", ("2", "3")), Condition("probability", (), 0.5)),
    _S,
)


def c_lung_rads(n: NoduleFacts, *, model_probability: float | None) -> Category:
    """Return the C-Lung-RADS category; ``model_probability`` (0..1) of 0.5 lifts 2 and 3 to 4.

    Raises ``GuidelineInputError`` for a probability outside 0..1.
    """
    if model_probability is not None and not (0 <= model_probability <= 1):
        raise GuidelineInputError(f"model_probability: {model_probability!r} is not in 0..1")
    facts: Facts = {
        "density": n.density,
        _MEAN: to_tenth(n.mean_diameter_mm),
        _CORE: None if n.solid_diameter_mm is None else to_tenth(n.solid_diameter_mm),
        "probability": model_probability,
    }
    decision = evaluate(TABLES[n.density], facts)
    upgrade = evaluate((UPGRADE,), {**facts, "category": decision.required().outcome})
    value = (upgrade.rule or decision.required()).outcome
    unknown = Text(
        zh="没有模型恶性概率：未检查 P ≥ 0.5 的升级规则。",
        en="No model probability: the upgrade rule P >= 0.5 was not applied.",
    )
    return Category(
        guideline=GUIDELINE,
        value=value,
        management=MANAGEMENT[value],
        trace=decision.trace + upgrade.trace,
        source=SOURCE,
        assumptions=() if model_probability is not None else (unknown,),
    )
