# SPDX-License-Identifier: Apache-2.0
"""Fleischner Society 2017 for incidental lung nodules, as data with a rule trace.

Not for patients below 35 years, with known cancer or immunosuppression, nor for screening.
Diameters are the mean of long and short axis rounded to whole mm, so 6.0 and 8.0 mm belong to
"6-8 mm". Source: MacMahon et al., Radiology 2017, doi 10.1148/radiol.2017161659.
"""

from typing import Literal

from healthvision.clinical.guidelines.facts import GuidelineInputError, NoduleFacts, to_whole
from healthvision.clinical.guidelines.rules import Condition, Facts, Rule, evaluate
from healthvision.clinical.result import Category, RuleStep, Text

GUIDELINE = "fleischner-2017"
SOURCE = "Fleischner Society 2017, doi:10.1148/radiol.2017161659"
MINIMUM_AGE_YEARS = 35

Risk = Literal["low", "high"]

_S = "S: radiol.2017161659"
_SIZE, _CORE = "diameter_whole_mm", "solid_whole_mm"
_SUBSOLID = ("part-solid", "ground-glass")

NONE = Text(zh="无需常规随访。", en="No routine follow-up.")
_OPTIONAL = Text(zh="可选择 12 个月后 CT。", en="Optional CT at 12 months.")
_WORKUP = Text(
    zh="考虑 3 个月后 CT、PET/CT 或组织取样。",
    en="Consider CT at 3 months, PET/CT or tissue sampling.",
)

# outcome of a row (without risk) -> what to do
MANAGEMENT: dict[str, Text] = {
    "solid-single-under6-low": NONE,
    "solid-single-under6-high": _OPTIONAL,
    "solid-single-6to8-low": Text(
        zh="6-12 个月后 CT，之后考虑 18-24 个月 CT。",
        en="CT at 6-12 months, then consider CT at 18-24 months.",
    ),
    "solid-single-6to8-high": Text(
        zh="6-12 个月后 CT，之后 18-24 个月 CT。",
        en="CT at 6-12 months, then CT at 18-24 months.",
    ),
    "solid-single-over8-low": _WORKUP,
    "solid-single-over8-high": _WORKUP,
    "solid-multiple-under6-low": NONE,
    "solid-multiple-under6-high": _OPTIONAL,
    "solid-multiple-6plus-low": Text(
        zh="3-6 个月后 CT，之后考虑 18-24 个月 CT；按最可疑的结节处理。",
        en="CT at 3-6 months, then consider CT at 18-24 months; the most suspicious nodule guides.",
    ),
    "solid-multiple-6plus-high": Text(
        zh="3-6 个月后 CT，之后 18-24 个月 CT；按最可疑的结节处理。",
        en="CT at 3-6 months, then CT at 18-24 months; the most suspicious nodule guides.",
    ),
    "ggn-single-under6": NONE,
    "ggn-single-6plus": Text(
        zh="6-12 个月后 CT 确认是否持续存在，之后每 2 年 CT 至 5 年。",
        en="CT at 6-12 months to confirm persistence, then CT every 2 years until 5 years.",
    ),
    "part-solid-single-under6": NONE,
    "part-solid-single-6plus-core-under6": Text(
        zh="3-6 个月后 CT 确认是否持续存在；若无变化且实性成分 < 6 mm，每年 CT 至 5 年。",
        en="CT at 3-6 months to confirm persistence; if unchanged and the solid component stays"
        " below 6 mm, annual CT for 5 years.",
    ),
    "part-solid-single-6plus-core-6plus": Text(
        zh="3-6 个月后 CT 确认是否持续存在；持续存在且实性成分 ≥ 6 mm 高度可疑："
        "考虑 PET/CT、活检或切除。",
        en="CT at 3-6 months to confirm persistence; a persistent solid component of 6 mm or more"
        " is highly suspicious: consider PET/CT, biopsy or resection.",
    ),
    "subsolid-multiple-under6": Text(
        zh="3-6 个月后 CT；若稳定，考虑第 2 年和第 4 年 CT。",
        en="CT at 3-6 months; if stable, consider CT at 2 and 4 years.",
    ),
    "subsolid-multiple-6plus": Text(
        zh="3-6 个月后 CT；之后按最可疑的结节处理。",
        en="CT at 3-6 months; subsequent management by the most suspicious nodule.",
    ),
    "benign": Text(
        zh="良性钙化或含脂肪：无需随访。",
        en="Benign calcification or fat: no follow-up.",
    ),
    "not-applicable": Text(
        zh="指南不适用，由医生个体化处理。",
        en="The guideline does not apply; the doctor decides case by case.",
    ),
}


def _rule(
    outcome: str, densities: tuple[str, ...], multiple: bool, risk: str | None, *sizes: Condition
) -> Rule:
    when = [Condition("density", densities), Condition("multiple", (multiple,)), *sizes]
    if risk is not None:
        when.insert(2, Condition("risk", (risk,)))
    return Rule(f"fleischner-2017/{outcome}", outcome, tuple(when), _S)


def _solid(outcome: str, multiple: bool, risk: str, low: float | None, high: float | None) -> Rule:
    return _rule(outcome, ("solid",), multiple, risk, Condition(_SIZE, (), low, high))


SOLID: tuple[Rule, ...] = (
    _solid("solid-single-under6-low", False, "low", None, 6),
    _solid("solid-single-under6-high", False, "high", None, 6),
    _solid("solid-single-6to8-low", False, "low", 6, 9),
    _solid("solid-single-6to8-high", False, "high", 6, 9),
    _solid("solid-single-over8-low", False, "low", 9, None),
    _solid("solid-single-over8-high", False, "high", 9, None),
    _solid("solid-multiple-under6-low", True, "low", None, 6),
    _solid("solid-multiple-under6-high", True, "high", None, 6),
    _solid("solid-multiple-6plus-low", True, "low", 6, None),
    _solid("solid-multiple-6plus-high", True, "high", 6, None),
)

SUBSOLID: tuple[Rule, ...] = (
    _rule("ggn-single-under6", ("ground-glass",), False, None, Condition(_SIZE, below=6)),
    _rule("ggn-single-6plus", ("ground-glass",), False, None, Condition(_SIZE, at_least=6)),
    _rule("part-solid-single-under6", ("part-solid",), False, None, Condition(_SIZE, below=6)),
    _rule(
        "part-solid-single-6plus-core-under6",
        ("part-solid",),
        False,
        None,
        Condition(_SIZE, at_least=6),
        Condition(_CORE, below=6),
    ),
    _rule(
        "part-solid-single-6plus-core-6plus",
        ("part-solid",),
        False,
        None,
        Condition(_SIZE, at_least=6),
        Condition(_CORE, at_least=6),
    ),
    _rule("subsolid-multiple-under6", _SUBSOLID, True, None, Condition(_SIZE, below=6)),
    _rule("subsolid-multiple-6plus", _SUBSOLID, True, None, Condition(_SIZE, at_least=6)),
)

BENIGN: tuple[Rule, ...] = (
    Rule("fleischner-2017/benign", "benign", (Condition("density", ("calcified", "fat")),), _S),
)

_AGE = Rule(
    "fleischner-2017/age-below-35",
    "not-applicable",
    (Condition("age_years", below=MINIMUM_AGE_YEARS),),
    _S,
)

_TABLES = {"solid": SOLID, "part-solid": SUBSOLID, "ground-glass": SUBSOLID,
           "calcified": BENIGN, "fat": BENIGN}  # fmt: skip


def fleischner_2017(
    n: NoduleFacts, *, multiple: bool, risk: Risk | None, age_years: int | None
) -> Category:
    """Return the Fleischner 2017 management class of one nodule with its rule trace.

    ``multiple``: there is more than one nodule; then pass the most suspicious one. ``risk`` None:
    a solid nodule gets both managements and an assumption that says so. Below 35 years the value
    is 'not-applicable'. Values look like 'solid-single-6to8-low' or 'ggn-single-6plus'.
    Raises ``GuidelineInputError`` for an impossible age or an unknown risk.
    """
    if age_years is not None and not 0 <= age_years <= 150:
        raise GuidelineInputError(f"age_years: {age_years!r} is no possible age")
    if risk not in ("low", "high", None):
        raise GuidelineInputError(f"risk: unknown value {risk!r}")
    facts = _facts(n, multiple=multiple, risk=risk, age_years=age_years)
    age = evaluate((_AGE,), facts)
    if age.rule is not None:
        return _category("not-applicable", MANAGEMENT["not-applicable"], age.trace, (_too_young(),))
    trace = age.trace
    outcomes: list[str] = []
    for assumed in ("low", "high") if risk is None and n.density == "solid" else (risk,):
        decision = evaluate(_TABLES[n.density], {**facts, "risk": assumed})
        outcomes.append(decision.required().outcome)
        trace += decision.trace
    value, management = _join(outcomes)
    return _category(value, management, trace, _assumptions(n, facts, both=len(outcomes) == 2))


def _join(outcomes: list[str]) -> tuple[str, Text]:
    """Return value and management; two outcomes are the low and the high risk of one size."""
    if len(outcomes) == 1:
        return outcomes[0], MANAGEMENT[outcomes[0]]
    low, high = MANAGEMENT[outcomes[0]], MANAGEMENT[outcomes[1]]
    value = outcomes[0].removesuffix("-low")
    if low == high:
        return value, low
    return value, Text(
        zh=f"低风险：{low.zh} 高风险：{high.zh}",
        en=f"Low risk: {low.en} High risk: {high.en}",
    )


def _facts(n: NoduleFacts, *, multiple: bool, risk: Risk | None, age_years: int | None) -> Facts:
    core = n.solid_diameter_mm
    return {
        "density": n.density,
        "multiple": multiple,
        "risk": risk,
        "age_years": age_years,
        _SIZE: to_whole(n.mean_diameter_mm),
        _CORE: None if core is None else to_whole(core),
    }


def _category(
    value: str, management: Text, trace: tuple[RuleStep, ...], assumptions: tuple[Text, ...]
) -> Category:
    return Category(
        guideline=GUIDELINE,
        value=value,
        management=management,
        trace=trace,
        source=SOURCE,
        assumptions=assumptions,
    )


def _too_young() -> Text:
    return Text(
        zh="患者不足 35 岁：Fleischner 2017 不适用。",
        en="The patient is younger than 35 years: Fleischner 2017 does not apply.",
    )


def _volume_class(volume_mm3: float) -> int:
    return 0 if volume_mm3 < 100 else 1 if volume_mm3 <= 250 else 2


def _size_class(whole_mm: int) -> int:
    return 0 if whole_mm < 6 else 1 if whole_mm <= 8 else 2


def _assumptions(n: NoduleFacts, facts: Facts, *, both: bool) -> tuple[Text, ...]:
    found = [Text(
        zh="假定为偶发结节：无已知恶性肿瘤、无免疫抑制、非筛查检查。",
        en="Taken as incidental: no known cancer, no immunosuppression, not a screening exam.",
    )]  # fmt: skip
    if facts["age_years"] is None:
        found.append(Text(zh="年龄未知：假定满 35 岁。", en="Age unknown: taken as 35 or older."))
    if both:
        found.append(Text(
            zh="风险未知：给出低、高风险两种建议。",
            en="Risk unknown: the management for low and for high risk is given.",
        ))  # fmt: skip
    if n.growing:
        found.append(Text(
            zh="结节增大：本表针对首次发现的结节，增大者需医生进一步评估。",
            en="The nodule is growing: this table is for a first look; growth needs work-up.",
        ))  # fmt: skip
    whole = to_whole(n.mean_diameter_mm)
    if n.volume_mm3 is not None and _volume_class(n.volume_mm3) != _size_class(whole):
        found.append(Text(
            zh=f"体积 {n.volume_mm3:.0f} mm3 属于另一大小档（界值 100/250 mm3）；此处按直径判定。",
            en=f"The volume of {n.volume_mm3:.0f} mm3 lies in another size class (limits 100 and"
            " 250 mm3); the diameter decides here.",
        ))  # fmt: skip
    return tuple(found)
