# SPDX-License-Identifier: Apache-2.0
"""A tiny engine for decision tables: rules are data, the trace shows every row looked at.

A table is a tuple of rules of which exactly one matches any admissible input (a partition), so
the order of rows carries no meaning and a person can recompute the outcome by hand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from healthvision.clinical.result import RuleStep, Text

Fact: TypeAlias = str | float | int | bool | None
Facts: TypeAlias = Mapping[str, Fact]


class RuleTableError(LookupError):
    """A rule table has a gap or an overlap: a bug in the table, never the user's fault."""


# Words for facts and their values in the texts of rules.
_WORDS: dict[str, Text] = {
    "mean_diameter_mm": Text(zh="平均直径(mm)", en="mean diameter (mm)"),
    "diameter_whole_mm": Text(zh="平均直径(取整，mm)", en="mean diameter (whole mm)"),
    "solid_diameter_mm": Text(zh="实性成分直径(mm)", en="solid core (mm)"),
    "solid_whole_mm": Text(zh="实性成分直径(取整，mm)", en="solid core (whole mm)"),
    "volume_mm3": Text(zh="体积(mm3)", en="volume (mm3)"),
    "density": Text(zh="密度", en="density"),
    "state": Text(zh="状态", en="state"),
    "risk": Text(zh="风险", en="risk"),
    "multiple": Text(zh="多发", en="multiple"),
    "juxtapleural": Text(zh="胸膜旁", en="juxtapleural"),
    "smooth": Text(zh="边缘光滑", en="smooth"),
    "spiculated": Text(zh="毛刺", en="spiculated"),
    "age_years": Text(zh="年龄(岁)", en="age (years)"),
    "probability": Text(zh="恶性概率", en="probability of malignancy"),
    "category": Text(zh="分级", en="category"),
    "lobe_percent": Text(zh="肺叶受累(%)", en="share of the lobe (%)"),
    "zone_percent": Text(zh="肺区受累(%)", en="share of the zone (%)"),
    "laa_percent": Text(zh="%LAA-950", en="%LAA-950"),
    "ctr": Text(zh="心胸比", en="cardiothoracic ratio"),
    "bmd_mg_cm3": Text(zh="骨密度(mg/cm3)", en="bone mineral density (mg/cm3)"),
    "l1_hu": Text(zh="L1 CT值(HU)", en="attenuation of L1 (HU)"),
    "evans": Text(zh="Evans指数", en="Evans index"),
    "aorta_mm": Text(zh="主动脉直径(mm)", en="diameter of the aorta (mm)"),
    "aorta_ratio": Text(zh="直径/均值", en="diameter over the mean"),
    "new_nodules": Text(zh="新发结节数", en="number of new nodules"),
    "solid": Text(zh="实性", en="solid"),
    "part-solid": Text(zh="部分实性", en="part-solid"),
    "ground-glass": Text(zh="磨玻璃", en="ground-glass"),
    "calcified": Text(zh="良性钙化", en="benign calcification"),
    "fat": Text(zh="含脂肪", en="fat"),
    "baseline": Text(zh="基线", en="baseline"),
    "new": Text(zh="新发", en="new"),
    "growing": Text(zh="增大", en="growing"),
    "stable-from-3": Text(zh="原3级随访稳定或缩小", en="stable or smaller, was 3"),
    "stable-from-4A": Text(zh="原4A级随访稳定或缩小", en="stable or smaller, was 4A"),
    "low": Text(zh="低", en="low"),
    "high": Text(zh="高", en="high"),
    "True": Text(zh="是", en="yes"),
    "False": Text(zh="否", en="no"),
}


def words(key: str) -> Text:
    """Return the words for a fact or a value; an unknown key stands for itself."""
    return _WORDS.get(key, Text(zh=key, en=key))


@dataclass(frozen=True, slots=True)
class Condition:
    """One test on one fact: equal to one of ``one_of``, or ``at_least`` <= fact < ``below``."""

    fact: str
    one_of: tuple[str | bool, ...] = ()
    at_least: float | None = None
    below: float | None = None

    def holds(self, facts: Facts) -> bool:
        """Say whether the fact fulfils the condition; a missing fact (None) never does."""
        value = facts[self.fact]
        if self.one_of:
            return value in self.one_of
        if value is None or isinstance(value, str):
            return False
        above = self.at_least is None or value >= self.at_least
        return above and (self.below is None or value < self.below)

    def describe(self) -> Text:
        """Return the condition in words, thresholds included."""
        name = words(self.fact)
        if self.one_of:
            values = [words(str(item)) for item in self.one_of]
            zh, en = "或".join(v.zh for v in values), " or ".join(v.en for v in values)
            return Text(zh=f"{name.zh}为{zh}", en=f"{name.en}: {en}")
        low = "" if self.at_least is None else f"{self.at_least:g} ≤ "
        high = "" if self.below is None else f" < {self.below:g}"
        return Text(zh=f"{low}{name.zh}{high}", en=f"{low}{name.en}{high}")


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of a table: a stable id, its conditions, the outcome and where it comes from."""

    id: str
    outcome: str
    when: tuple[Condition, ...]
    source: str
    text: Text = field(init=False)

    def __post_init__(self) -> None:
        """Write the row in words once, from its own thresholds."""
        parts = [condition.describe() for condition in self.when]
        zh, en = "；".join(p.zh for p in parts), "; ".join(p.en for p in parts)
        object.__setattr__(
            self, "text", Text(zh=f"{zh} → {self.outcome}", en=f"{en} → {self.outcome}")
        )

    def matches(self, facts: Facts) -> bool:
        """Say whether all conditions hold."""
        return all(condition.holds(facts) for condition in self.when)

    def step(self, facts: Facts, *, matched: bool) -> RuleStep:
        """Return this row as one step of a trace, with the facts that it looks at."""
        inputs = {condition.fact: facts[condition.fact] for condition in self.when}
        return RuleStep(rule=self.id, text=self.text, inputs=inputs, matched=matched)


@dataclass(frozen=True, slots=True)
class Decision:
    """The row that matched (or none, for tables of exceptions) and the whole trace."""

    rule: Rule | None
    trace: tuple[RuleStep, ...]

    def required(self) -> Rule:
        """Return the matching row; ``RuleTableError`` when there is none (a gap)."""
        if self.rule is None:
            raise RuleTableError(f"no row matches, last looked at {self.trace[-1].rule}")
        return self.rule


def evaluate(table: Sequence[Rule], facts: Facts) -> Decision:
    """Look at every row of the table and return the one that matches.

    Raises ``RuleTableError`` when two rows match.
    """
    steps: list[RuleStep] = []
    found: Rule | None = None
    for rule in table:
        matched = rule.matches(facts)
        steps.append(rule.step(facts, matched=matched))
        if matched and found is not None:
            raise RuleTableError(f"{found.id} and {rule.id} both match")
        found = rule if matched else found
    return Decision(found, tuple(steps))
