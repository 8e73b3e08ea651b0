# SPDX-License-Identifier: Apache-2.0
"""Lung-RADS v2022 (ACR) for lung nodules on low-dose screening CT, as data with a rule trace.

Diameters are mean diameters in mm with one decimal. Growth is more than 1.5 mm within 12 months.
Not covered, because ``NoduleFacts`` cannot say it: category 0, airway nodules, cysts, the
modifier S, and 4B proven benign. Sources: ACR Lung-RADS v1.1 table (NBK568579) for sizes, the
v2022 changes as published (ESR C-22137; CHEST 2024 165:738).
"""

from collections.abc import Sequence

from healthvision.clinical.guidelines.facts import NoduleFacts, to_tenth
from healthvision.clinical.guidelines.rules import Condition, Facts, Rule, evaluate
from healthvision.clinical.result import Category, RuleStep, Text

GUIDELINE = "lung-rads-v2022"
SOURCE = (
    "ACR Lung-RADS v2022; sizes: v1.1 table NBK568579; changes: ESR C-22137, CHEST 2024;165:738"
)
ORDER = ("1", "2", "3", "4A", "4B", "4X")

_V11 = "S: NBK568579 (v1.1 table, unchanged in v2022)"
_V22 = "S: Lung-RADS v2022 changes (ESR C-22137; CHEST 2024;165:738)"

_YEARLY = Text(
    zh="12 个月后低剂量 CT 年度筛查。",
    en="Continue annual screening: LDCT in 12 months.",
)

MANAGEMENT: dict[str, Text] = {
    "1": Text(
        zh="12 个月后低剂量 CT 年度筛查。", en="Continue annual screening: LDCT in 12 months."
    ),
    "2": Text(
        zh="12 个月后低剂量 CT 年度筛查。", en="Continue annual screening: LDCT in 12 months."
    ),
    "3": Text(zh="6 个月后低剂量 CT 随访。", en="LDCT in 6 months."),
    "4A": Text(
        zh="3 个月后低剂量 CT 随访；实性结节或实性成分 ≥ 8 mm 时可考虑 PET/CT。",
        en="LDCT in 3 months; PET/CT may be considered if there is a solid nodule or solid"
        " component of 8 mm or more.",
    ),
    "4B": Text(
        zh="转诊进一步评估：胸部 CT 平扫或增强、PET/CT 和（或）组织取样，视恶性概率与合并症而定；"
        "新发较大结节可于 1 个月后复查低剂量 CT 以排除感染。",
        en="Refer for work-up: chest CT with or without contrast, PET/CT and/or tissue sampling,"
        " depending on the probability of malignancy and comorbidities; for a large new nodule"
        " LDCT in 1 month may be done to exclude infection.",
    ),
}
MANAGEMENT["4X"] = MANAGEMENT["4B"]


def _size(fact: str, low: float | None, high: float | None) -> Condition:
    return Condition(fact, at_least=low, below=high)


def _row(
    name: str, outcome: str, state: str, *sizes: Condition, density: str, source: str = _V11
) -> Rule:
    when = (Condition("density", (density,)), Condition("state", (state,)), *sizes)
    return Rule(f"lung-rads-2022/{density}/{state}/{name}", outcome, when, source)


_MEAN, _CORE = "mean_diameter_mm", "solid_diameter_mm"

EXCEPTIONS: tuple[Rule, ...] = (
    Rule(
        "lung-rads-2022/stepped/4A-to-3",
        "3",
        (Condition("state", ("stable-from-4A",)),),
        _V22,
    ),
    Rule(
        "lung-rads-2022/stepped/3-to-2",
        "2",
        (Condition("state", ("stable-from-3",)),),
        _V22,
    ),
    Rule(
        "lung-rads-2022/juxtapleural/2",
        "2",
        (
            Condition("density", ("solid",)),
            Condition("juxtapleural", (True,)),
            Condition("smooth", (True,)),
            Condition("state", ("baseline", "new")),
            Condition("mean_diameter_mm", below=10),
        ),
        _V22,
    ),
)

TABLES: dict[str, tuple[Rule, ...]] = {
    "solid": (
        _row("2", "2", "baseline", _size(_MEAN, None, 6), density="solid"),
        _row("3", "3", "baseline", _size(_MEAN, 6, 8), density="solid"),
        _row("4A", "4A", "baseline", _size(_MEAN, 8, 15), density="solid"),
        _row("4B", "4B", "baseline", _size(_MEAN, 15, None), density="solid"),
        _row("2", "2", "new", _size(_MEAN, None, 4), density="solid"),
        _row("3", "3", "new", _size(_MEAN, 4, 6), density="solid"),
        _row("4A", "4A", "new", _size(_MEAN, 6, 8), density="solid"),
        _row("4B", "4B", "new", _size(_MEAN, 8, None), density="solid"),
        _row("4A", "4A", "growing", _size(_MEAN, None, 8), density="solid"),
        _row("4B", "4B", "growing", _size(_MEAN, 8, None), density="solid"),
    ),
    "part-solid": (
        _row("2", "2", "baseline", _size(_MEAN, None, 6), density="part-solid"),
        _row("3", "3", "baseline", _size(_MEAN, 6, None), _size(_CORE, None, 6),
             density="part-solid"),
        _row("4A", "4A", "baseline", _size(_MEAN, 6, None), _size(_CORE, 6, 8),
             density="part-solid"),
        _row("4B", "4B", "baseline", _size(_MEAN, 6, None), _size(_CORE, 8, None),
             density="part-solid"),
        _row("3", "3", "new", _size(_MEAN, None, 6), _size(_CORE, None, 4), density="part-solid"),
        _row("4A", "4A", "new", _size(_MEAN, 6, None), _size(_CORE, None, 4),
             density="part-solid"),
        _row("4B", "4B", "new", _size(_CORE, 4, None), density="part-solid"),
        _row("4A", "4A", "growing", _size(_CORE, None, 4), density="part-solid"),
        _row("4B", "4B", "growing", _size(_CORE, 4, None), density="part-solid"),
    ),
    "ground-glass": (
        _row("2", "2", "baseline", _size(_MEAN, None, 30), density="ground-glass"),
        _row("3", "3", "baseline", _size(_MEAN, 30, None), density="ground-glass"),
        _row("2", "2", "new", _size(_MEAN, None, 30), density="ground-glass"),
        _row("3", "3", "new", _size(_MEAN, 30, None), density="ground-glass"),
        _row("2", "2", "growing", _size(_MEAN, None, 30), density="ground-glass"),
        _row("3", "3", "growing", _size(_MEAN, 30, None), density="ground-glass",
             source=_V22 + "; not printed there, the more cautious row is taken"),
    ),
    "calcified": (
        Rule("lung-rads-2022/calcified/1", "1", (Condition("density", ("calcified",)),), _V11),
    ),
    "fat": (Rule("lung-rads-2022/fat/1", "1", (Condition("density", ("fat",)),), _V11),),
}  # fmt: skip

UPGRADE = Rule(
    "lung-rads-2022/4x/spiculated",
    "4X",
    (Condition("category", ("3", "4A", "4B")), Condition("spiculated", (True,))),
    _V11,
)


def lung_rads_2022_nodule(nodule: NoduleFacts) -> Category:
    """Return the Lung-RADS v2022 category of one nodule with its rule trace."""
    facts = _facts(nodule)
    exception = evaluate(EXCEPTIONS, facts)
    trace = exception.trace
    rule = exception.rule
    if rule is None:
        decision = evaluate(TABLES[nodule.density], facts)
        rule, trace = decision.required(), trace + decision.trace
    upgrade = evaluate((UPGRADE,), {**facts, "category": rule.outcome})
    value = UPGRADE.outcome if upgrade.rule else rule.outcome
    return Category(
        guideline=GUIDELINE,
        value=value,
        management=MANAGEMENT[value],
        trace=trace + upgrade.trace,
        source=SOURCE,
        assumptions=_assumptions(nodule),
    )


def lung_rads_2022(nodules: Sequence[NoduleFacts]) -> Category:
    """Return the category of the examination: the highest of its nodules, '1' without any.

    The trace has one row per nodule (``matched`` marks the deciding one), then the rows of the
    deciding nodule. Numbers of nodules count from 1 in the order given.
    """
    if not nodules:
        return _no_nodule()
    categories = [lung_rads_2022_nodule(nodule) for nodule in nodules]
    ranks = [ORDER.index(category.value) for category in categories]
    deciding = ranks.index(max(ranks))
    steps = [
        RuleStep(
            rule="lung-rads-2022/exam/highest",
            text=Text(
                zh=f"第 {i + 1} 个结节：{category.value} 级；检查分级取最高者",
                en=f"nodule {i + 1}: category {category.value}; the highest decides the exam",
            ),
            inputs={"nodule": i + 1, "category": category.value,
                    "mean_diameter_mm": to_tenth(nodule.mean_diameter_mm)},
            matched=i == deciding,
        )
        for i, (nodule, category) in enumerate(zip(nodules, categories, strict=True))
    ]  # fmt: skip
    new = sum(nodule.is_new for nodule in nodules)
    assumptions = list(categories[deciding].assumptions)
    if new > 6:
        assumptions.append(
            Text(
                zh=f"共有 {new} 个新发结节（多于 6 个）：医生应考虑感染或炎症"
                "（0 级，1-3 个月复查）。",
                en=f"{new} new nodules (more than 6): the doctor should consider infection or"
                " inflammation (category 0, LDCT in 1-3 months).",
            )
        )
    return categories[deciding].model_copy(
        update={
            "trace": (*steps, *categories[deciding].trace),
            "assumptions": tuple(assumptions),
        }
    )


def _no_nodule() -> Category:
    text = Text(zh="未发现结节 → 1", en="no nodule → 1")
    step = RuleStep(
        rule="lung-rads-2022/exam/no-nodule", text=text, inputs={"nodules": 0}, matched=True
    )
    return Category(
        guideline=GUIDELINE, value="1", management=MANAGEMENT["1"], trace=(step,), source=SOURCE
    )


def _facts(nodule: NoduleFacts) -> Facts:
    core = nodule.solid_diameter_mm
    return {
        "density": nodule.density,
        "state": _state(nodule),
        "mean_diameter_mm": to_tenth(nodule.mean_diameter_mm),
        "solid_diameter_mm": None if core is None else to_tenth(core),
        "juxtapleural": nodule.juxtapleural,
        "smooth": nodule.smooth,
        "spiculated": nodule.spiculated,
    }


def _state(nodule: NoduleFacts) -> str:
    if nodule.stable_from is not None:
        return f"stable-from-{nodule.stable_from}"
    if nodule.growing:
        return "growing"
    return "new" if nodule.is_new else "baseline"


def _assumptions(nodule: NoduleFacts) -> tuple[Text, ...]:
    found: list[Text] = []
    if _state(nodule) == "baseline":
        found.append(Text(
            zh="按基线检查处理：没有与既往 CT 比较。",
            en="Treated as a baseline examination: not compared with an earlier CT.",
        ))  # fmt: skip
    if nodule.density == "calcified":
        found.append(Text(
            zh="假定为良性钙化形态（完全性、中心性、爆米花样或环状）。",
            en="The calcification is taken as benign (complete, central, popcorn or rings).",
        ))  # fmt: skip
    if nodule.is_new and nodule.growing:
        found.append(Text(
            zh="同时标记为新发和增大：按更严重的“增大”处理。",
            en="Marked new and growing: treated as growing, the more severe of the two.",
        ))  # fmt: skip
    return tuple(found)
