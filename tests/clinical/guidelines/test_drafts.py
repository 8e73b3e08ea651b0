# SPDX-License-Identifier: Apache-2.0
"""Draft guidelines: labelled, refused unless asked for, limits, second encoding."""

import random
from typing import get_args

import pytest

from healthvision.clinical.guidelines import GuidelineInputError, NoduleFacts
from healthvision.clinical.guidelines.bands import DRAFT
from healthvision.clinical.guidelines.drafts import (
    Guideline,
    Risk,
    draft_guideline,
    possible_steps,
)

NAMES: tuple[Guideline, ...] = get_args(Guideline)


def value(name: Guideline, n: NoduleFacts, risk: Risk | None = "low", p: float | None = 0.3) -> str:
    return draft_guideline(name, n, risk=risk, probability=p, draft=True).value


def by_hand(name: Guideline, n: NoduleFacts, risk: Risk, p: float) -> str:
    """The same tables as a tree of ifs."""
    size, core = n.mean_diameter_mm, n.solid_diameter_mm or 0.0
    if n.density in ("calcified", "fat"):
        return "benign"
    if name == "nccn-screening":
        if n.density == "solid":
            if size < 8:
                return "ct-12" if size < 6 else "ct-6"
            return "ct-3-or-pet" if size < 15 else "ct-or-pet"
        if n.density == "ground-glass":
            return "ct-6" if size >= 20 else "ct-12"
        return "pet" if core >= 8 else "ct-3" if core >= 6 else "ct-6"
    if n.density == "solid":
        if size > 8:
            return "surgery" if p > 0.65 else "surveillance" if p < 0.05 else "pet-or-biopsy"
        steps = ["optional", "ct-12", "ct-6-12-18-24", "ct-3-6-9-12-24"]
        return steps[(size > 4) + (size > 6) + (risk == "high")]
    if n.density == "ground-glass":
        small, large = {
            "accp-2013": ("none", "annual-3-years"),
            "asian-2016": ("annual", "annual-3-years"),
            "china-2018": ("ct-6-then-annual", "ct-3-then-annual"),
        }[name]
        return large if size > 5 else small
    if size > 8:
        return "ct-3-then-work-up"
    return "ct-3-6-12-24" if name == "china-2018" else "ct-3-12-24"


class TestDraftGuideline:
    @pytest.mark.parametrize("name", NAMES)
    def test_is_refused_unless_asked_for_and_says_draft(self, name: Guideline) -> None:
        n = NoduleFacts("solid", 7)
        with pytest.raises(GuidelineInputError, match="draft"):
            draft_guideline(name, n, risk="low", probability=None)
        found = draft_guideline(name, n, risk="low", probability=None, draft=True)
        assert found.assumptions[0] == DRAFT
        assert "draft" in found.source

    @pytest.mark.parametrize("name", NAMES)
    def test_agrees_with_a_second_encoding_on_random_inputs(self, name: Guideline) -> None:
        rng = random.Random(3)
        for _ in range(8_000):
            size = round(rng.uniform(0.5, 30), 1)
            density = rng.choice(("solid", "part-solid", "ground-glass", "calcified", "fat"))
            core = round(rng.uniform(0, size), 1) if density == "part-solid" else None
            n = NoduleFacts(density, size, core)  # type: ignore[arg-type]
            risk: Risk = rng.choice(("low", "high"))
            p = round(rng.random(), 2)
            assert value(name, n, risk, p) == by_hand(name, n, risk, p)

    @pytest.mark.parametrize(("limit", "below", "above"), [
        (4, "optional", "ct-12"), (6, "ct-12", "ct-6-12-18-24"),
    ])  # fmt: skip
    def test_small_solid_limits_belong_to_the_smaller_band(
        self, limit: float, below: str, above: str
    ) -> None:
        found = [value("accp-2013", NoduleFacts("solid", limit + d)) for d in (-0.1, 0, 0.1)]
        assert found == [below, below, above]

    def test_over_eight_millimetres_the_probability_decides(self) -> None:
        n = NoduleFacts("solid", 8.1)
        found = [value("accp-2013", n, p=p) for p in (0.04, 0.05, 0.65, 0.66)]
        assert found == ["surveillance", "pet-or-biopsy", "pet-or-biopsy", "surgery"]
        assert value("accp-2013", n, p=None) == "estimate-probability"

    def test_a_missing_risk_is_refused_and_its_range_can_be_asked_for(self) -> None:
        n = NoduleFacts("solid", 5)
        with pytest.raises(GuidelineInputError, match="risk"):
            value("china-2018", n, risk=None)
        assert possible_steps("china-2018", n, probability=None) == ("ct-12", "ct-6-12-18-24")

    def test_impossible_probabilities_are_refused(self) -> None:
        with pytest.raises(GuidelineInputError, match="probability"):
            value("accp-2013", NoduleFacts("solid", 9), p=1.2)

    def test_the_asian_table_warns_of_calculators(self) -> None:
        n = NoduleFacts("solid", 7)
        found = draft_guideline("asian-2016", n, risk="low", probability=None, draft=True)
        assert len(found.assumptions) == 2
