# SPDX-License-Identifier: Apache-2.0
"""Lung-RADS v2022: rows, every threshold +-0.1 mm, and a second encoding as an if-tree."""

import random

import pytest

from healthvision.clinical.guidelines import (
    Density,
    GuidelineInputError,
    NoduleFacts,
    lung_rads_2022,
    lung_rads_2022_nodule,
)
from healthvision.clinical.guidelines.lung_rads import EXCEPTIONS, TABLES

DENSITIES: tuple[Density, ...] = ("solid", "part-solid", "ground-glass", "calcified", "fat")


def _solid(n: NoduleFacts, tenths: int) -> str:
    if n.growing:
        return "4B" if tenths >= 80 else "4A"
    limits = (40, 60, 80) if n.is_new else (60, 80, 150)
    return ("2", "3", "4A", "4B")[sum(tenths >= limit for limit in limits)]


def _part_solid(n: NoduleFacts, tenths: int, core: int) -> str:
    if n.growing:
        return "4B" if core >= 40 else "4A"
    if n.is_new:
        if core >= 40:
            return "4B"
        return "3" if tenths < 60 else "4A"
    if tenths < 60:
        return "2"
    return "3" if core < 60 else "4A" if core < 80 else "4B"


def by_if_tree(n: NoduleFacts, *, micrometres: int, core_micrometres: int) -> str:
    """The same guideline written a second time, on integers, without the tables."""
    tenths, core = (micrometres + 50) // 100, (core_micrometres + 50) // 100
    if n.density in ("calcified", "fat") and n.stable_from is None:
        return "1"
    if n.stable_from is not None:
        value = "2" if n.stable_from == "3" else "3"
    elif n.density == "solid":
        benign = n.juxtapleural and n.smooth and not n.growing and tenths < 100
        value = "2" if benign else _solid(n, tenths)
    elif n.density == "part-solid":
        value = _part_solid(n, tenths, core)
    else:
        value = "3" if tenths >= 300 else "2"
    return "4X" if n.spiculated and value in ("3", "4A", "4B") else value


def random_case(rng: random.Random) -> tuple[NoduleFacts, int, int]:
    density = rng.choice(DENSITIES)
    size = rng.randint(500, 35_000)
    core = rng.randint(0, size)
    spiculated = rng.random() < 0.3
    new, growing = rng.random() < 0.3, rng.random() < 0.3
    stable = not new and not growing and rng.random() < 0.2
    facts = NoduleFacts(
        density=density,
        mean_diameter_mm=size / 1000,
        solid_diameter_mm=core / 1000 if density == "part-solid" else None,
        juxtapleural=rng.random() < 0.4,
        smooth=not spiculated and rng.random() < 0.5,
        spiculated=spiculated,
        is_new=new,
        growing=growing,
        stable_from=rng.choice(("3", "4A")) if stable else None,
    )
    return facts, size, core


class TestLungRads2022Nodule:
    @pytest.mark.parametrize(
        ("state", "threshold", "below", "at"),
        [
            ("baseline", 6, "2", "3"),
            ("baseline", 8, "3", "4A"),
            ("baseline", 15, "4A", "4B"),
            ("new", 4, "2", "3"),
            ("new", 6, "3", "4A"),
            ("new", 8, "4A", "4B"),
            ("growing", 8, "4A", "4B"),
        ],
    )
    def test_solid_thresholds_hold_to_a_tenth_of_a_millimetre(
        self, state: str, threshold: float, below: str, at: str
    ) -> None:
        def value(size: float) -> str:
            n = NoduleFacts("solid", size, is_new=state == "new", growing=state == "growing")
            return lung_rads_2022_nodule(n).value

        assert [value(threshold + d) for d in (-0.1, 0, 0.1)] == [below, at, at]

    @pytest.mark.parametrize(("core", "below", "at"), [(6, "3", "4A"), (8, "4A", "4B")])
    def test_part_solid_core_thresholds_at_baseline(self, core: float, below: str, at: str) -> None:
        values = [
            lung_rads_2022_nodule(NoduleFacts("part-solid", 12, core + d)).value
            for d in (-0.1, 0, 0.1)
        ]
        assert values == [below, at, at]

    def test_part_solid_total_threshold_at_baseline(self) -> None:
        values = [
            lung_rads_2022_nodule(NoduleFacts("part-solid", d, 2)).value for d in (5.9, 6.0, 6.1)
        ]
        assert values == ["2", "3", "3"]

    def test_part_solid_new_or_growing_core_of_four_millimetres(self) -> None:
        for grown in (False, True):
            values = [
                lung_rads_2022_nodule(
                    NoduleFacts("part-solid", 12, core, is_new=not grown, growing=grown)
                ).value
                for core in (3.9, 4.0, 4.1)
            ]
            assert values == ["4A", "4B", "4B"]

    def test_part_solid_new_total_threshold(self) -> None:
        values = [
            lung_rads_2022_nodule(NoduleFacts("part-solid", d, 1, is_new=True)).value
            for d in (5.9, 6.0, 6.1)
        ]
        assert values == ["3", "4A", "4A"]

    @pytest.mark.parametrize("new", [False, True])
    def test_ground_glass_threshold_of_thirty_millimetres(self, new: bool) -> None:
        values = [
            lung_rads_2022_nodule(NoduleFacts("ground-glass", d, is_new=new)).value
            for d in (29.9, 30.0, 30.1)
        ]
        assert values == ["2", "3", "3"]

    def test_juxtapleural_smooth_solid_below_ten_is_category_two(self) -> None:
        values = [
            lung_rads_2022_nodule(NoduleFacts("solid", d, juxtapleural=True, smooth=True)).value
            for d in (9.9, 10.0, 10.1)
        ]
        assert values == ["2", "4A", "4A"]

    def test_growing_juxtapleural_nodule_gets_no_exception(self) -> None:
        n = NoduleFacts("solid", 7, juxtapleural=True, smooth=True, growing=True)
        assert lung_rads_2022_nodule(n).value == "4A"

    def test_stepped_management_lowers_a_stable_nodule_by_one(self) -> None:
        steps = {
            before: lung_rads_2022_nodule(NoduleFacts("solid", 9, stable_from=before)).value
            for before in ("3", "4A")
        }
        assert steps == {"3": "2", "4A": "3"}

    def test_spiculation_lifts_three_and_four_but_not_two(self) -> None:
        values = [
            lung_rads_2022_nodule(NoduleFacts("solid", d, spiculated=True)).value
            for d in (5, 7, 9, 20)
        ]
        assert values == ["2", "4X", "4X", "4X"]

    def test_diameters_are_compared_with_one_decimal(self) -> None:
        values = [lung_rads_2022_nodule(NoduleFacts("solid", d)).value for d in (5.949, 5.95)]
        assert values == ["2", "3"]

    def test_a_new_six_millimetre_nodule_is_4a_where_a_public_calculator_says_3(self) -> None:
        assert lung_rads_2022_nodule(NoduleFacts("solid", 6.5, is_new=True)).value == "4A"

    def test_agrees_with_the_if_tree_on_a_hundred_thousand_random_nodules(self) -> None:
        rng = random.Random(20260)
        seen: set[str] = set()
        for _ in range(100_000):
            facts, size, core = random_case(rng)
            category = lung_rads_2022_nodule(facts)
            expected = by_if_tree(facts, micrometres=size, core_micrometres=core)
            assert category.value == expected, facts
            seen.add(expected)
        assert seen == {"1", "2", "3", "4A", "4B", "4X"}

    def test_the_trace_names_every_row_of_the_table_and_one_match(self) -> None:
        trace = lung_rads_2022_nodule(NoduleFacts("solid", 8.4)).trace
        looked_at = [step.rule for step in trace]
        assert looked_at == [
            *(rule.id for rule in EXCEPTIONS),
            *(rule.id for rule in TABLES["solid"]),
            "lung-rads-2022/4x/spiculated",
        ]
        assert [s.rule for s in trace if s.matched] == ["lung-rads-2022/solid/baseline/4A"]

    def test_the_trace_shows_inputs_and_thresholds_for_a_hand_check(self) -> None:
        step = next(s for s in lung_rads_2022_nodule(NoduleFacts("solid", 8.44)).trace if s.matched)
        assert step.inputs["mean_diameter_mm"] == 8.4
        assert "8 ≤ mean diameter (mm) < 15" in step.text.en
        assert "8 ≤ 平均直径(mm) < 15" in step.text.zh


class TestLungRads2022:
    def test_no_nodule_is_category_one(self) -> None:
        assert lung_rads_2022([]).value == "1"

    def test_the_highest_nodule_decides(self) -> None:
        category = lung_rads_2022(
            [NoduleFacts("solid", 5), NoduleFacts("solid", 16), NoduleFacts("ground-glass", 12)]
        )
        deciding = [s.inputs["nodule"] for s in category.trace
                    if s.rule == "lung-rads-2022/exam/highest" and s.matched]  # fmt: skip
        assert (category.value, deciding) == ("4B", [2])

    def test_more_than_six_new_nodules_bring_infection_to_mind(self) -> None:
        def notes(count: int) -> str:
            new = [NoduleFacts("solid", 5, is_new=True)] * count
            return " ".join(text.en for text in lung_rads_2022(new).assumptions)

        assert "infection" not in notes(6)
        assert "7 new nodules" in notes(7)


class TestNoduleFacts:
    @pytest.mark.parametrize("size", [0, -1, float("nan"), float("inf")])
    def test_impossible_sizes_are_refused_by_name(self, size: float) -> None:
        with pytest.raises(GuidelineInputError, match="mean_diameter_mm"):
            NoduleFacts("solid", size)

    def test_a_part_solid_nodule_needs_its_core(self) -> None:
        with pytest.raises(GuidelineInputError, match="solid_diameter_mm"):
            NoduleFacts("part-solid", 10)

    def test_a_core_larger_than_the_nodule_is_refused(self) -> None:
        with pytest.raises(GuidelineInputError, match="core"):
            NoduleFacts("part-solid", 10, 11)

    def test_contradictions_are_refused(self) -> None:
        with pytest.raises(GuidelineInputError, match="smooth"):
            NoduleFacts("solid", 10, smooth=True, spiculated=True)
        with pytest.raises(GuidelineInputError, match="stable_from"):
            NoduleFacts("solid", 10, growing=True, stable_from="3")
