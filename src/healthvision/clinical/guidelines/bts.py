# SPDX-License-Identifier: Apache-2.0
"""British Thoracic Society 2015 for solid lung nodules at first finding, with a rule trace.

Volume decides when it is known (the guideline prefers volumetry), else the diameter. Source:
PMC6784443 table 4; Eur Radiol s00330-021-08302-0. Subsolid nodules are not covered here.
"""

from healthvision.clinical.guidelines.facts import GuidelineInputError, NoduleFacts, to_tenth
from healthvision.clinical.guidelines.rules import Condition, Facts, Rule, evaluate
from healthvision.clinical.result import Category, RuleStep, Text

GUIDELINE = "bts-2015"
SOURCE = "BTS 2015 (PMC6784443 T4; s00330-021-08302-0)"
BROCK_PET_PROBABILITY = 0.10

_S = "S: PMC6784443 T4"

MANAGEMENT: dict[str, Text] = {
    "discharge": Text(zh="无需随访。", en="Discharge, no follow-up."),
    "ct-12-months": Text(
        zh="12 个月后 CT（体积测量稳定则结束随访；仅直径测量则 24 个月再查）。",
        en="CT at 12 months (stable on volumetry: discharge; on diameter only: repeat at 24).",
    ),
    "ct-3-months": Text(zh="3 个月后 CT。", en="CT at 3 months."),
    "assess-risk": Text(
        zh="用 Brock 模型评估恶性概率；≥ 10 % 时行 PET/CT。",
        en="Assess the probability of malignancy (Brock); PET/CT when 10 % or more.",
    ),
    "pet-ct": Text(zh="Brock 概率 ≥ 10 %：PET/CT。", en="Brock probability >= 10 %: PET/CT."),
    "ct-surveillance": Text(
        zh="Brock 概率 < 10 %：CT 随访（3 个月）。",
        en="Brock probability < 10 %: CT surveillance (3 months).",
    ),
    "not-applicable": Text(
        zh="本引擎仅含 BTS 实性结节规则。",
        en="Only the BTS rules for solid nodules are encoded here.",
    ),
    "benign": Text(zh="良性钙化或含脂肪：无需随访。", en="Benign calcification or fat: discharge."),
}


def _rows(fact: str, bands: tuple[tuple[str, float | None, float | None], ...]) -> tuple[Rule, ...]:
    return tuple(
        Rule(f"bts-2015/solid/{fact}/{name}", name, (Condition(fact, (), low, high),), _S)
        for name, low, high in bands
    )


BY_VOLUME = _rows(
    "volume_mm3",
    (("discharge", None, 80), ("ct-3-months", 80, 300), ("assess-risk", 300, None)),
)
BY_DIAMETER = _rows(
    "mean_diameter_mm",
    (
        ("discharge", None, 5),
        ("ct-12-months", 5, 6),
        ("ct-3-months", 6, 8),
        ("assess-risk", 8, None),
    ),
)
BY_RISK = _rows(
    "probability",
    (("ct-surveillance", None, BROCK_PET_PROBABILITY), ("pet-ct", BROCK_PET_PROBABILITY, None)),
)
BY_DENSITY = (
    Rule("bts-2015/benign", "benign", (Condition("density", ("calcified", "fat")),), _S),
    Rule(
        "bts-2015/subsolid",
        "not-applicable",
        (Condition("density", ("part-solid", "ground-glass")),),
        _S,
    ),
)


def bts_2015(n: NoduleFacts, *, brock_probability: float | None) -> Category:
    """Return the BTS 2015 next step for one nodule; ``brock_probability`` is 0..1 or unknown.

    Raises ``GuidelineInputError`` for a probability outside 0..1.
    """
    if brock_probability is not None and not (0 <= brock_probability <= 1):
        raise GuidelineInputError(f"brock_probability: {brock_probability!r} is not in 0..1")
    facts: Facts = {
        "density": n.density,
        "mean_diameter_mm": to_tenth(n.mean_diameter_mm),
        "volume_mm3": n.volume_mm3,
        "probability": brock_probability,
    }
    first = evaluate(BY_DENSITY, facts)
    if first.rule is not None:
        return _category(first.rule.outcome, first.trace)
    sized = evaluate(BY_DIAMETER if n.volume_mm3 is None else BY_VOLUME, facts)
    outcome, trace = sized.required().outcome, first.trace + sized.trace
    if outcome == "assess-risk" and brock_probability is not None:
        risk = evaluate(BY_RISK, facts)
        outcome, trace = risk.required().outcome, trace + risk.trace
    return _category(outcome, trace)


def _category(value: str, trace: tuple[RuleStep, ...]) -> Category:
    return Category(
        guideline=GUIDELINE, value=value, management=MANAGEMENT[value], trace=trace, source=SOURCE
    )
