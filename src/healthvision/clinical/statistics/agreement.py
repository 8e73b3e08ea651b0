# SPDX-License-Identifier: Apache-2.0
"""Shares with Wilson intervals, and agreement of two readers (Cohen's kappa)."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

_Z95 = 1.959963984540054  # 97.5 % quantile of the normal distribution


@dataclass(frozen=True, slots=True)
class Share:
    """``count`` of ``n`` with the 95 % Wilson score interval; nothing is said when n is 0."""

    count: int
    n: int
    share: float | None
    low: float | None
    high: float | None


def wilson(count: int, n: int) -> Share:
    """Return the share with its interval (Wilson 1927, without continuity correction).

    Raises ValueError unless 0 <= count <= n.
    """
    if not 0 <= count <= n:
        raise ValueError(f"wilson: {count} of {n}")
    if n == 0:
        return Share(0, 0, None, None, None)
    p, z2 = count / n, _Z95 * _Z95
    centre = p + z2 / (2 * n)
    spread = _Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    scale = 1 + z2 / n
    low = 0.0 if count == 0 else (centre - spread) / scale
    high = 1.0 if count == n else (centre + spread) / scale
    return Share(count, n, p, low, high)


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two readers on the same ``n`` things: share of equal decisions and Cohen's kappa."""

    n: int
    observed: float
    kappa: float | None


def cohen(decisions: Mapping[tuple[str, str], int]) -> PairAgreement:
    """Return the agreement of two readers (Cohen 1960).

    ``decisions``: (decision of one, decision of the other) -> number of things. ``kappa`` is
    None when chance alone would agree always. Raises ValueError without things.
    """
    n = sum(decisions.values())
    if n == 0:
        raise ValueError("cohen: nothing was judged by both")
    first: Counter[str] = Counter()
    second: Counter[str] = Counter()
    for (one, other), number in decisions.items():
        first[one] += number
        second[other] += number
    observed = sum(number for (a, b), number in decisions.items() if a == b) / n
    by_chance = sum(first[d] * second[d] for d in first) / (n * n)
    kappa = None if by_chance >= 1 else (observed - by_chance) / (1 - by_chance)
    return PairAgreement(n, observed, kappa)
