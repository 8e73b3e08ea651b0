# SPDX-License-Identifier: Apache-2.0
"""Growth of a nodule between two examinations: relative volume change and doubling time.

BTS 2015 (PMC6784443 T4; Eur Radiol s00330-021-08302-0): growth is a volume change of at least
25 %; a volume doubling time below 400 days is suspicious, above 600 days benign-like.
"""

import math
from dataclasses import dataclass
from typing import Literal

from healthvision.clinical.guidelines.facts import GuidelineInputError


@dataclass(frozen=True, slots=True)
class Growth:
    """Change of volume: ``change`` is relative (0.25 = +25 %), ``doubling_days`` None if <= 0."""

    change: float
    doubling_days: float | None
    verdict: Literal["stable", "suspicious", "intermediate", "benign-like"]


def volume_doubling_time_days(first_mm3: float, second_mm3: float, days: float) -> float | None:
    """Return ln2*t/ln(V2/V1) in days; None when the nodule did not grow.

    Raises ``GuidelineInputError`` for volumes or an interval that are not above zero.
    """
    for name, value in (("first_mm3", first_mm3), ("second_mm3", second_mm3), ("days", days)):
        if not (math.isfinite(value) and value > 0):
            raise GuidelineInputError(f"{name}: must be above zero, not {value!r}")
    if second_mm3 <= first_mm3:
        return None
    return math.log(2) * days / math.log(second_mm3 / first_mm3)


def growth(first_mm3: float, second_mm3: float, days: float) -> Growth:
    """Judge the change of volume between two examinations ``days`` apart (BTS 2015)."""
    doubling = volume_doubling_time_days(first_mm3, second_mm3, days)
    change = second_mm3 / first_mm3 - 1
    if doubling is None or change < 0.25:
        return Growth(change, doubling, "stable")
    if doubling < 400:
        return Growth(change, doubling, "suspicious")
    return Growth(change, doubling, "benign-like" if doubling > 600 else "intermediate")
