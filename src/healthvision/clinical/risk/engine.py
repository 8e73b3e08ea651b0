# SPDX-License-Identifier: Apache-2.0
"""Logistic risk models as data: P = 1 / (1 + exp(-x)), x = intercept + sum of the terms.

A model is a table of terms. An input that is not known gives no single probability but the range
over everything the input may be; an input outside what the model was made for is refused.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal

from healthvision.clinical.result import Text

Shape = Literal["linear", "flag", "inverse-root"]
Inputs = Mapping[str, float | bool | None]


class RiskInputError(ValueError):
    """An input is missing from the call, of the wrong kind, or outside the model's domain."""


@dataclass(frozen=True, slots=True)
class Term:
    """One term: ``weight * shape(input)``.

    ``linear``: input - ``centre``; ``flag``: 1 when present, else 0; ``inverse-root``:
    (input / 10) ** -0.5 - ``centre``. ``low``..``high``: what the model was made for, and the
    range a missing input is taken over (numbers only).
    """

    input: str
    weight: float
    shape: Shape
    label: Text
    centre: float = 0.0
    low: float = 0.0
    high: float = 1.0

    def amount(self, value: float | bool) -> float:
        """Return what the term adds to x for a value of its input."""
        if self.shape == "flag":
            return self.weight * float(bool(value))
        if self.shape == "inverse-root":
            return self.weight * (1.0 / math.sqrt(float(value) / 10) - self.centre)
        return self.weight * (float(value) - self.centre)

    def check(self, value: float | bool) -> None:
        """Raise RiskInputError when the value is of the wrong kind or outside the domain."""
        if self.shape == "flag":
            if not isinstance(value, bool):
                raise RiskInputError(f"{self.input}: must be true or false")
            return
        if isinstance(value, bool) or not math.isfinite(value):
            raise RiskInputError(f"{self.input}: must be a number")
        if not self.low <= value <= self.high:
            raise RiskInputError(
                f"{self.input}: {value:g} is outside {self.low:g}-{self.high:g}, "
                "for which the model was made"
            )


@dataclass(frozen=True, slots=True)
class LogisticModel:
    """A published model. ``exclusive``: groups of flags of which at most one may be present."""

    id: str
    title: Text
    intercept: float
    terms: tuple[Term, ...]
    source: str
    population: Text
    exclusive: tuple[tuple[str, ...], ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in the order of the terms."""
        return tuple(t.input for t in self.terms)


@dataclass(frozen=True, slots=True)
class Share:
    """What one known input added to x, for the bar of terms; ``amount`` in units of log odds."""

    input: str
    label: Text
    value: float | bool
    amount: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """The answer of a model: one probability, or the range while inputs are missing.

    ``low``/``high`` (0..1) equal ``probability`` when nothing is missing; then ``x`` is set too.
    """

    model: str
    probability: float | None
    low: float
    high: float
    x: float | None
    shares: tuple[Share, ...]
    missing: tuple[str, ...]
    source: str


def estimate(model: LogisticModel, inputs: Inputs) -> Estimate:
    """Apply a model to the inputs; None stands for "not known".

    Raises RiskInputError for inputs the model does not have, that were not named at all, of the
    wrong kind, outside its domain, or that contradict each other.
    """
    unknown = sorted(set(inputs) - set(model.inputs))
    absent = [name for name in model.inputs if name not in inputs]
    if unknown or absent:
        raise RiskInputError(f"{model.id}: unknown {unknown}, not given {absent}")
    shares = []
    for term in model.terms:
        value = inputs[term.input]
        if value is not None:
            term.check(value)
            shares.append(Share(term.input, term.label, value, term.amount(value)))
    for group in model.exclusive:
        if sum(bool(inputs[name]) for name in group) > 1:
            raise RiskInputError(f"{', '.join(group)}: at most one can be true")
    x = model.intercept + sum(s.amount for s in shares)
    missing = tuple(t.input for t in model.terms if inputs[t.input] is None)
    if not missing:
        p = logistic(x)
        return Estimate(model.id, p, p, p, x, tuple(shares), (), model.source)
    offsets = _offsets(model, inputs)
    low, high = logistic(x + min(offsets)), logistic(x + max(offsets))
    return Estimate(model.id, None, low, high, None, tuple(shares), missing, model.source)


def _offsets(model: LogisticModel, inputs: Inputs) -> list[float]:
    """Return what the missing inputs can add together: extremes of every monotone term."""
    grouped = {name for group in model.exclusive for name in group}
    alone = [t for t in model.terms if inputs[t.input] is None and t.input not in grouped]
    ends = [_ends(t) for t in alone]
    for group in model.exclusive:
        terms = [t for t in model.terms if t.input in group and inputs[t.input] is None]
        if terms:
            taken = any(bool(inputs[name]) for name in group)
            ends.append([0.0] if taken else [0.0, *(t.weight for t in terms)])
    return [sum(choice) for choice in product(*([min(e), max(e)] for e in ends))]


def _ends(term: Term) -> list[float]:
    if term.shape == "flag":
        return [0.0, term.weight]
    return [term.amount(term.low), term.amount(term.high)]


def logistic(x: float) -> float:
    """Return 1 / (1 + exp(-x)) without overflow."""
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    grown = math.exp(x)
    return grown / (1.0 + grown)
