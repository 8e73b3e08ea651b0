# SPDX-License-Identifier: Apache-2.0
"""Fleischner 2017: the table, whole-millimetre thresholds, and a second encoding as an if-tree."""

import random
from typing import Literal

import pytest

from healthvision.clinical.guidelines import (
    Density,
    GuidelineInputError,
    NoduleFacts,
    fleischner_2017,
)

Risk = Literal["low", "high"]
DENSITIES: tuple[Density, ...] = ("solid", "part-solid", "ground-glass", "calcified", "fat")


def by_if_tree(
    density: str, size_um: int, core_um: int, *, multiple: bool, risk: str | None, age: int | None
) -> str:
    """The same guideline written a second time, on integers, without the tables."""
    mm, core = (size_um + 500) // 1000, (core_um + 500) // 1000
    if age is not None and age < 35:
        return "not-applicable"
    if density in ("calcified", "fat"):
        return "benign"
    if density == "solid":
        if multiple:
            name = "solid-multiple-" + ("under6" if mm < 6 else "6plus")
        else:
            name = "solid-single-" + ("under6" if mm < 6 else "6to8" if mm <= 8 else "over8")
        return name if risk is None else f"{name}-{risk}"
    if multiple:
        return "subsolid-multiple-under6" if mm < 6 else "subsolid-multiple-6plus"
    if density == "ground-glass":
        return "ggn-single-under6" if mm < 6 else "ggn-single-6plus"
    if mm < 6:
        return "part-solid-single-under6"
    return "part-solid-single-6plus-core-" + ("under6" if core < 6 else "6plus")


def value(n: NoduleFacts, *, multiple: bool = False, risk: Risk | None = "low") -> str:
    return fleischner_2017(n, multiple=multiple, risk=risk, age_years=60).value


class TestFleischner2017:
    @pytest.mark.parametrize(
        ("size", "expected"),
        [
            (5.3, "under6"),
            (5.4, "under6"),
            (5.5, "6to8"),
            (5.6, "6to8"),
            (5.9, "6to8"),
            (6.0, "6to8"),
            (6.1, "6to8"),
            (7.9, "6to8"),
            (8.0, "6to8"),
            (8.1, "6to8"),
            (8.4, "6to8"),
            (8.5, "over8"),
            (8.6, "over8"),
        ],
    )
    def test_single_solid_thresholds_round_to_whole_millimetres(
        self, size: float, expected: str
    ) -> None:
        assert value(NoduleFacts("solid", size)) == f"solid-single-{expected}-low"

    @pytest.mark.parametrize(("size", "expected"), [(5.4, "under6"), (5.5, "6plus"), (9, "6plus")])
    def test_multiple_solid_and_subsolid_thresholds(self, size: float, expected: str) -> None:
        assert value(NoduleFacts("solid", size), multiple=True).endswith(f"{expected}-low")
        assert value(NoduleFacts("ground-glass", size)).endswith(expected)
        several = value(NoduleFacts("part-solid", size, 2), multiple=True)
        assert several == f"subsolid-multiple-{expected}"

    def test_part_solid_core_threshold(self) -> None:
        values = [value(NoduleFacts("part-solid", 12, core)) for core in (5.4, 5.5, 5.6)]
        assert [v.rsplit("-", 1)[1] for v in values] == ["under6", "6plus", "6plus"]

    def test_unknown_risk_gives_both_managements_and_says_so(self) -> None:
        category = fleischner_2017(NoduleFacts("solid", 5), multiple=False, risk=None, age_years=60)
        assert category.value == "solid-single-under6"
        assert "Low risk: No routine" in category.management.en
        assert "High risk: Optional CT at 12" in category.management.en
        assert any("Risk unknown" in text.en for text in category.assumptions)

    def test_equal_management_for_both_risks_is_said_once(self) -> None:
        category = fleischner_2017(
            NoduleFacts("solid", 12), multiple=False, risk=None, age_years=60
        )
        assert category.management.en.count("PET/CT") == 1

    @pytest.mark.parametrize(("age", "applies"), [(34, False), (35, True), (36, True)])
    def test_does_not_apply_below_thirty_five_years(self, age: int, applies: bool) -> None:
        category = fleischner_2017(
            NoduleFacts("solid", 7), multiple=False, risk="low", age_years=age
        )
        assert (category.value != "not-applicable") is applies
        assert any("younger than 35" in text.en for text in category.assumptions) is not applies

    def test_unknown_age_is_an_assumption(self) -> None:
        category = fleischner_2017(
            NoduleFacts("solid", 7), multiple=False, risk="low", age_years=None
        )
        assert any("Age unknown" in text.en for text in category.assumptions)

    def test_a_volume_of_another_size_class_is_named(self) -> None:
        n = NoduleFacts("solid", 7, volume_mm3=260)
        category = fleischner_2017(n, multiple=False, risk="low", age_years=60)
        assert any("260 mm3" in text.en for text in category.assumptions)

    @pytest.mark.parametrize("age", [-1, 151])
    def test_impossible_ages_are_refused(self, age: int) -> None:
        with pytest.raises(GuidelineInputError, match="age_years"):
            fleischner_2017(NoduleFacts("solid", 7), multiple=False, risk="low", age_years=age)

    def test_agrees_with_the_if_tree_on_a_hundred_thousand_random_nodules(self) -> None:
        rng = random.Random(2017)
        risks: tuple[Risk | None, ...] = ("low", "high", None)
        seen: set[str] = set()
        for _ in range(100_000):
            density = rng.choice(DENSITIES)
            size = rng.randint(1000, 14_000)
            core = rng.randint(0, size)
            multiple, risk = rng.random() < 0.5, rng.choice(risks)
            age = rng.choice((None, 20, 34, 35, 36, 50, 80))
            n = NoduleFacts(density, size / 1000, core / 1000 if density == "part-solid" else None)
            category = fleischner_2017(n, multiple=multiple, risk=risk, age_years=age)
            expected = by_if_tree(density, size, core, multiple=multiple, risk=risk, age=age)
            assert category.value == expected, n
            seen.add(expected)
        assert len(seen) == 24
