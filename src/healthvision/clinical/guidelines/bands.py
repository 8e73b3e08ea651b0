# SPDX-License-Identifier: Apache-2.0
"""Grades that depend on one number: a row per band, its words, its source and its standing.

A missing number gives the grades that are possible over the range the caller can still name, and
an impossible one is refused. ``draft`` marks tables whose limits come from memory or a second
hand; they must be shown as such until somebody has compared them with the original.
"""

import math
from dataclasses import dataclass, field

from healthvision.clinical.guidelines.facts import GuidelineInputError
from healthvision.clinical.guidelines.rules import Condition, Rule, RuleTableError, evaluate, words
from healthvision.clinical.result import Category, Text

DRAFT = Text(
    zh="草案：该表的界值尚未与原文核对。",
    en="Draft: the limits of this table have not been checked against the original text.",
)


@dataclass(frozen=True, slots=True)
class Band:
    """One grade for values from ``at_least`` (None: no lower limit) to below the next band."""

    grade: str
    at_least: float | None
    words: Text


@dataclass(frozen=True, slots=True)
class BandTable:
    """Bands in rising order that leave no gap; ``fact`` names the number, ``unit`` is UCUM.

    ``closed_above``: limits belong to the band below them ("above 0.50"), else to the one above.
    ``low``..``high``: numbers that are possible at all. Raises RuleTableError for disorder.
    """

    id: str
    fact: str
    unit: str
    bands: tuple[Band, ...]
    source: str
    low: float = 0.0
    high: float = math.inf
    closed_above: bool = False
    draft: bool = False
    notes: tuple[Text, ...] = ()
    rules: tuple[Rule, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Check the order of the bands and write them as rules once."""
        limits = [b.at_least for b in self.bands]
        later = [limit for limit in limits[1:] if limit is not None]
        if limits[0] is not None or len(later) != len(limits) - 1 or later != sorted(set(later)):
            raise RuleTableError(f"{self.id}: bands out of order")
        rows = []
        for i, band in enumerate(self.bands):
            above = limits[i + 1] if i + 1 < len(limits) else None
            low, high = (self._edge(limit) for limit in (band.at_least, above))
            when = (Condition(self.fact, at_least=low, below=high),)
            rows.append(Rule(f"{self.id}/{band.grade}", band.grade, when, self.source))
        object.__setattr__(self, "rules", tuple(rows))

    def _edge(self, limit: float | None) -> float | None:
        if limit is None or not self.closed_above:
            return limit
        return math.nextafter(limit, math.inf)

    def grade(self, value: float | None) -> Category:
        """Return the grade of a number. Raises GuidelineInputError when it is missing or odd."""
        if value is None:
            raise GuidelineInputError(f"{self.fact}: not given")
        if not (math.isfinite(value) and self.low <= value <= self.high):
            raise GuidelineInputError(f"{self.fact}: {value!r} is outside {self.low}..{self.high}")
        decision = evaluate(self.rules, {self.fact: value})
        grade = decision.required().outcome
        return Category(
            guideline=self.id,
            value=grade,
            management=next(b.words for b in self.bands if b.grade == grade),
            trace=decision.trace,
            source=self.source,
            assumptions=(DRAFT, *self.notes) if self.draft else self.notes,
        )

    def possible(self, low: float | None, high: float | None) -> tuple[str, ...]:
        """Return the grades possible while the number lies in low..high (None: unknown)."""
        first = self.grade(self.low if low is None else low).value
        top = self.high if high is None else high
        names = [b.grade for b in self.bands]
        last = names[-1] if math.isinf(top) else self.grade(top).value
        if names.index(last) < names.index(first):
            raise GuidelineInputError(f"{self.fact}: the range is upside down")
        return tuple(names[names.index(first) : names.index(last) + 1])

    def describe(self) -> Text:
        """Return the name of the number in words."""
        return words(self.fact)
