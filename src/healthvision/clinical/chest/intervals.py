# SPDX-License-Identifier: Apache-2.0
"""How far the true size of a nodule lies from the measured one: intervals fitted on phantoms.

Split conformal prediction (Vovk 2005; Lei 2018) by class of difficulty: of calibration nodules
whose truth is known, the ratio of true to measured size is kept, and its quantiles times a new
measurement are the interval. ``scripts/fit_lung_sizes.py`` writes the table.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Literal

from healthvision.clinical.chest.features import NAMES
from healthvision.clinical.chest.measure import Density
from healthvision.clinical.volume import FloatArray

TABLE = "nodule_sizes.json"
COVERAGE = 0.95
LEAST = math.ceil(2 / (1 - COVERAGE)) - 1  # nodules from which both ends are quantiles

Difficulty = Literal["clear", "dim", "touching", "ground-glass", "part-solid"]
CLASSES: tuple[Difficulty, ...] = ("clear", "dim", "touching", "ground-glass", "part-solid")
WIDEST: Difficulty = "part-solid"  # a dim core is often a part of one
DIM_HU = -140.0  # a solid core darker than this is often the core of a part-solid nodule
TOUCHING_PARTS = 2.0
OPENED_SHARE = 0.88


@dataclass(frozen=True, slots=True)
class Span:
    """The lowest and the highest ratio of true to measured size."""

    low: float
    high: float

    def around(self, value: float) -> tuple[float, float]:
        """Return the interval of a measured value in its own unit."""
        return value * self.low, value * self.high

    def joined(self, other: "Span") -> "Span":
        """Return the span that holds both."""
        return Span(min(self.low, other.low), max(self.high, other.high))


@dataclass(frozen=True, slots=True)
class Errors:
    """What ``n`` calibration nodules of one class say of diameter and volume.

    ``lent``: nodules of ``WIDEST`` that stand in where the class has fewer than ``LEAST``.
    """

    n: int
    diameter: Span
    volume: Span
    lent: int = 0


def difficulty(density: Density, features: FloatArray) -> Difficulty:
    """Return the class of a nodule; ``features`` in the order of ``features.NAMES``.

    Neighbours that touch blur where a nodule ends, and a dim core may be only a part of it.
    """
    if density in ("ground-glass", "part-solid"):
        return "ground-glass" if density == "ground-glass" else "part-solid"
    value = dict(zip(NAMES, features.tolist(), strict=True))
    if value["core_hu"] < DIM_HU:
        return "dim"
    if value["shell_parts"] >= TOUCHING_PARTS or value["opened_share"] < OPENED_SHARE:
        return "touching"
    return "clear"


def conformal(ratios: Sequence[float]) -> Span:
    """Return the span that holds the next ratio with ``COVERAGE``, half of the rest on each side.

    With fewer than ``LEAST`` ratios the outermost ones, which cover less: see ``widened``.
    """
    ordered, n = sorted(ratios), len(ratios)
    rank = math.ceil((n + 1) * (1 + COVERAGE) / 2)
    rank = min(rank, n)
    return Span(round(ordered[n - rank], 4), round(ordered[rank - 1], 4))


def widened(known: Mapping[Difficulty, Errors]) -> Mapping[Difficulty, Errors]:
    """Return the table with the classes of fewer than ``LEAST`` nodules pooled with ``WIDEST``.

    The span that holds the spans of both lies around the quantiles of all their ratios together.
    """
    wide = known[WIDEST]
    return {
        name: own
        if own.n >= LEAST
        else replace(
            own,
            diameter=own.diameter.joined(wide.diameter),
            volume=own.volume.joined(wide.volume),
            lent=wide.n,
        )
        for name, own in known.items()
    }


def read_errors() -> Mapping[Difficulty, Errors]:
    """Return the packaged table by class, as it was fitted."""
    file = resources.files("healthvision.clinical.chest").joinpath(TABLE)
    classes = json.loads(file.read_text(encoding="utf-8"))["classes"]
    return {
        name: Errors(
            classes[name]["n"], Span(*classes[name]["diameter"]), Span(*classes[name]["volume"])
        )
        for name in CLASSES
    }


ERRORS = widened(read_errors())
