# SPDX-License-Identifier: Apache-2.0
"""What a nodule guideline has to know about one lung nodule, and the roundings they use."""

import math
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal, TypeAlias

Density: TypeAlias = Literal["solid", "part-solid", "ground-glass", "calcified", "fat"]


class GuidelineInputError(ValueError):
    """A fact that the guideline needs is missing, impossible or contradicts another one."""


@dataclass(frozen=True, slots=True)
class NoduleFacts:
    """One lung nodule in the words of the guidelines. Lengths in mm, volume in mm3.

    ``mean_diameter_mm``: mean of the long and the short axis on the slice of largest area.
    ``solid_diameter_mm``: the same for the solid core; needed when ``density`` is part-solid.
    ``smooth``: smooth margin and oval, lentiform or triangular shape (Lung-RADS v2022, row
    "juxtapleural nodule"). ``growing``: mean diameter (part-solid: of the solid core) grew by
    more than 1.5 mm within 12 months; exactly 1.5 mm is no growth. ``calcified`` means a benign
    pattern (complete, central, popcorn or rings). ``stable_from``: the category of the earlier
    examination when this is the follow-up it asked for and the nodule is stable or smaller.

    Raises ``GuidelineInputError`` for impossible or contradictory values.
    """

    density: Density
    mean_diameter_mm: float
    solid_diameter_mm: float | None = None
    volume_mm3: float | None = None
    juxtapleural: bool = False
    smooth: bool = False
    spiculated: bool = False
    is_new: bool = False
    growing: bool = False
    stable_from: Literal["3", "4A"] | None = None

    def __post_init__(self) -> None:
        """Refuse what no nodule can be."""
        if self.density not in ("solid", "part-solid", "ground-glass", "calcified", "fat"):
            raise GuidelineInputError(f"density: unknown value {self.density!r}")
        _check_size("mean_diameter_mm", self.mean_diameter_mm, zero_allowed=False)
        _check_size("solid_diameter_mm", self.solid_diameter_mm, zero_allowed=True)
        _check_size("volume_mm3", self.volume_mm3, zero_allowed=False)
        if self.density == "part-solid":
            if self.solid_diameter_mm is None:
                raise GuidelineInputError("solid_diameter_mm: needed for a part-solid nodule")
            if self.solid_diameter_mm > self.mean_diameter_mm:
                raise GuidelineInputError("solid_diameter_mm: the core is larger than the nodule")
        if self.smooth and self.spiculated:
            raise GuidelineInputError("smooth: a nodule cannot be smooth and spiculated")
        if self.stable_from is not None and (self.is_new or self.growing):
            raise GuidelineInputError("stable_from: a stable nodule is neither new nor growing")


def _check_size(name: str, value: float | None, *, zero_allowed: bool) -> None:
    if value is None:
        return
    too_small = value < 0 if zero_allowed else value <= 0
    if not math.isfinite(value) or too_small:
        raise GuidelineInputError(f"{name}: {value!r} is no possible size")


def to_tenth(value_mm: float) -> float:
    """Round half up to one decimal, as Lung-RADS reports diameters (5.95 -> 6.0)."""
    return float(Decimal(str(value_mm)).quantize(Decimal("0.1"), ROUND_HALF_UP))


def to_whole(value_mm: float) -> int:
    """Round half up to whole mm, as Fleischner 2017 compares diameters (8.4 -> 8, 8.5 -> 9)."""
    return int(Decimal(str(value_mm)).quantize(Decimal("1"), ROUND_HALF_UP))
