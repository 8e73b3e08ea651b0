# SPDX-License-Identifier: Apache-2.0
"""Lung-RADS, C-Lung-RADS and BTS against trees of ifs written apart, 10^5 random nodules."""

import random
from functools import cache

import pytest

from healthvision.clinical.guidelines import (
    Density,
    NoduleFacts,
    bts_2015,
    c_lung_rads,
    lung_rads_2022_nodule,
)

DRAWS = 100_000
LIMITS = (3, 4, 5, 6, 8, 10, 15, 18, 20, 30)
SIZES = [round(limit + d, 2) for limit in LIMITS for d in (-0.1, -0.05, 0.0, 0.1)]
CORES = [0.0, *(round(limit + d, 2) for limit in (4, 6, 8, 10) for d in (-0.1, -0.05, 0.0, 0.1))]
DENSITIES: tuple[Density, ...] = ("solid", "part-solid", "ground-glass", "calcified", "fat")


def tenth(value: float) -> float:
    """Round half up by whole hundredths, another way than the engine's decimals."""
    return (round(value * 100) + 5) // 10 / 10


def drawn(rng: random.Random) -> NoduleFacts:
    density = rng.choice(DENSITIES)
    size = rng.choice(SIZES)
    core = None
    if density == "part-solid":
        core = rng.choice([c for c in CORES if c <= size])
    state = rng.choice(("baseline", "new", "growing", "stable-3", "stable-4A"))
    edge = rng.choice(("", "smooth", "spiculated"))
    return NoduleFacts(
        density,
        size,
        core,
        volume_mm3=rng.choice((None, 79.9, 80.0, 80.1, 299.9, 300.0, 300.1)),
        juxtapleural=rng.random() < 0.3,
        smooth=edge == "smooth",
        spiculated=edge == "spiculated",
        is_new=state == "new",
        growing=state == "growing",
        stable_from={"stable-3": "3", "stable-4A": "4A"}.get(state),  # type: ignore[arg-type]
    )


def lung_rads_plain(n: NoduleFacts) -> str:
    size, core = tenth(n.mean_diameter_mm), tenth(n.solid_diameter_mm or 0.0)
    if n.stable_from:
        return "2" if n.stable_from == "3" else "3"
    if n.density in ("calcified", "fat"):
        return "1"
    if n.density == "ground-glass":
        return "3" if size >= 30 else "2"
    if n.density == "solid":
        if n.juxtapleural and n.smooth and not n.growing and size < 10:
            return "2"
        if n.growing:
            return "4B" if size >= 8 else "4A"
        steps = (4, 6, 8) if n.is_new else (6, 8, 15)
        return ("2", "3", "4A", "4B")[sum(size >= s for s in steps)]
    return part_solid_plain(n, size, core)


def part_solid_plain(n: NoduleFacts, size: float, core: float) -> str:
    if n.growing:
        return "4B" if core >= 4 else "4A"
    if n.is_new:
        if core >= 4:
            return "4B"
        return "4A" if size >= 6 else "3"
    if size < 6:
        return "2"
    return ("3", "4A", "4B")[(core >= 6) + (core >= 8)]


def lung_rads_by_hand(n: NoduleFacts) -> str:
    plain = lung_rads_plain(n)
    return "4X" if n.spiculated and plain in ("3", "4A", "4B") else plain


def c_lung_rads_by_hand(n: NoduleFacts, p: float | None) -> str:
    size, core = tenth(n.mean_diameter_mm), tenth(n.solid_diameter_mm or 0.0)
    if n.density == "calcified":
        return "0"
    if n.density == "fat":
        return "not-applicable"
    if size < 6:
        return "1"
    if n.density == "solid":
        plain = 2 + (size >= 10) + (size >= 18)
    elif n.density == "part-solid":
        plain = 2 + (core >= 6) + (core >= 10)
    else:
        plain = 2 + (size >= 20)
    return "4" if plain in (2, 3) and p is not None and p >= 0.5 else str(plain)


def bts_by_hand(n: NoduleFacts, p: float | None) -> str:
    if n.density in ("calcified", "fat"):
        return "benign"
    if n.density != "solid":
        return "not-applicable"
    if n.volume_mm3 is not None:
        step = (n.volume_mm3 >= 80) + (n.volume_mm3 >= 300)
        name = ("discharge", "ct-3-months", "assess-risk")[step]
    else:
        size = tenth(n.mean_diameter_mm)
        names = ("discharge", "ct-12-months", "ct-3-months", "assess-risk")
        name = names[(size >= 5) + (size >= 6) + (size >= 8)]
    if name == "assess-risk" and p is not None:
        return "pet-ct" if p >= 0.10 else "ct-surveillance"
    return name


class TestSecondEncoding:
    """The engine is asked once for each distinct nodule: there are fewer than draws."""

    def test_lung_rads(self) -> None:
        engine = cache(lambda n: lung_rads_2022_nodule(n).value)
        rng = random.Random(1)
        for _ in range(DRAWS):
            n = drawn(rng)
            n = NoduleFacts(
                n.density, n.mean_diameter_mm, n.solid_diameter_mm, None, n.juxtapleural, n.smooth,
                n.spiculated, n.is_new, n.growing, n.stable_from,
            )  # fmt: skip
            assert engine(n) == lung_rads_by_hand(n), n

    @pytest.mark.parametrize("name", ["c-lung-rads", "bts"])
    def test_with_a_probability(self, name: str) -> None:
        @cache
        def engine(n: NoduleFacts, p: float | None) -> str:
            if name == "bts":
                return bts_2015(n, brock_probability=p).value
            return c_lung_rads(n, model_probability=p).value

        by_hand = bts_by_hand if name == "bts" else c_lung_rads_by_hand
        rng = random.Random(2)
        for _ in range(DRAWS):
            n = drawn(rng)
            n = NoduleFacts(
                n.density,
                n.mean_diameter_mm,
                n.solid_diameter_mm,
                n.volume_mm3 if name == "bts" else None,
            )
            p = rng.choice((None, 0.0, 0.09, 0.1, 0.11, 0.49, 0.5, 0.51, 1.0))
            assert engine(n, p) == by_hand(n, p), (n, p)
