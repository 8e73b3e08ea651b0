# SPDX-License-Identifier: Apache-2.0
"""Risk models: published vectors, a second encoding, ranges over missing inputs, refusals."""

import math
import random

import pytest

from healthvision.clinical.risk import (
    BROCK_FULL,
    BROCK_WITHOUT_SPICULATION,
    MAYO,
    MODELS,
    PKU,
    VETERANS,
    LogisticModel,
    RiskInputError,
    estimate,
)
from healthvision.clinical.risk.engine import Inputs

RANDOM_INPUTS = 20_000  # per model: 100,000 in all


def given(model: LogisticModel, **known: float | bool | None) -> dict[str, float | bool | None]:
    """Return the inputs of a model: flags are absent unless named."""
    flags = {t.input: False for t in model.terms if t.shape == "flag"}
    return {**flags, **known}


def by_hand(model: str, v: Inputs) -> float:
    """The same models written once more, as formulae from the papers."""
    n = {k: float(x or 0) for k, x in v.items()}
    if model == "brock-2b":
        size = (n["diameter_mm"] / 10) ** -0.5 - (4 / 10) ** -0.5
        x = -6.7892 + 0.0287 * (n["age_years"] - 62) + 0.6011 * n["female"]
        x += 0.2961 * n["family_history_lung"] + 0.2953 * n["emphysema"] - 5.3854 * size
        x += 0.6581 * n["upper_lobe"] + 0.377 * n["part_solid"] - 0.1276 * n["ground_glass"]
        x += -0.0824 * (n["nodule_count"] - 4) + 0.7729 * n["spiculation"]
    elif model == "brock-2a":
        size = (n["diameter_mm"] / 10) ** -0.5 - (4 / 10) ** -0.5
        x = -6.8071 + 0.0321 * (n["age_years"] - 62) + 0.5635 * n["female"]
        x += 0.3013 * n["family_history_lung"] + 0.3462 * n["emphysema"] - 5.6693 * size
        x += 0.7116 * n["upper_lobe"] + 0.3395 * n["part_solid"] - 0.3055 * n["ground_glass"]
        x += -0.0803 * (n["nodule_count"] - 4)
    elif model == "mayo":
        x = -6.8272 + 0.0391 * n["age_years"] + 0.7917 * n["ever_smoker"]
        x += 1.3388 * n["extrathoracic_cancer"] + 0.1274 * n["diameter_mm"]
        x += 1.0407 * n["spiculation"] + 0.7838 * n["upper_lobe"]
    elif model == "va":
        x = -8.404 + 0.0779 * n["age_years"] + 2.061 * n["ever_smoker"]
        x += 0.112 * n["diameter_mm"] - 0.0567 * n["years_since_quit"]
    else:
        x = -4.496 + 0.07 * n["age_years"] + 0.0676 * n["diameter_mm"] + 0.736 * n["spiculation"]
        x += 1.267 * n["family_history_cancer"] - 1.615 * n["calcification"]
        x -= 1.408 * n["smooth_border"]
    return 1 / (1 + math.exp(-x))


def drawn(model: LogisticModel, rng: random.Random) -> dict[str, float | bool | None]:
    """Return one random admissible input."""
    found: dict[str, float | bool | None] = {}
    for term in model.terms:
        is_flag = term.shape == "flag"
        found[term.input] = rng.random() < 0.5 if is_flag else rng.uniform(term.low, term.high)
    for first, second in model.exclusive:
        if found[first]:
            found[second] = False
    return found


class TestEstimate:
    @pytest.mark.parametrize(
        ("model", "known", "probability"),
        [
            (
                BROCK_FULL,
                {
                    "age_years": 62,
                    "female": True,
                    "diameter_mm": 10,
                    "upper_lobe": True,
                    "nodule_count": 1,
                },
                0.1040,
            ),
            (
                BROCK_FULL,
                {
                    "age_years": 70,
                    "female": True,
                    "family_history_lung": True,
                    "emphysema": True,
                    "diameter_mm": 15,
                    "part_solid": True,
                    "upper_lobe": True,
                    "spiculation": True,
                    "nodule_count": 1,
                },
                0.6913,
            ),
            (
                BROCK_FULL,
                {"age_years": 55, "diameter_mm": 6, "ground_glass": True, "nodule_count": 2},
                0.0045,
            ),
            (MAYO, {"age_years": 60, "ever_smoker": True, "diameter_mm": 10}, 0.0820),
            (
                MAYO,
                {
                    "age_years": 70,
                    "ever_smoker": True,
                    "diameter_mm": 20,
                    "spiculation": True,
                    "upper_lobe": True,
                },
                0.7454,
            ),
            (MAYO, {"age_years": 45, "diameter_mm": 8}, 0.0171),
            (VETERANS, {"age_years": 62, "diameter_mm": 10, "years_since_quit": 0}, 0.079),
        ],
    )
    def test_published_vectors_hold(
        self, model: LogisticModel, known: dict[str, float | bool], probability: float
    ) -> None:
        found = estimate(model, given(model, **known)).probability
        assert found == pytest.approx(probability, abs=1e-4 if probability != 0.079 else 5e-4)

    def test_brock_is_its_intercept_at_the_centres(self) -> None:
        inputs = given(BROCK_FULL, age_years=62, diameter_mm=4, nodule_count=4)
        assert estimate(BROCK_FULL, inputs).x == pytest.approx(-6.7892, abs=1e-6)

    @pytest.mark.parametrize("model", MODELS.values(), ids=lambda m: m.id)
    def test_agrees_with_a_second_encoding_on_random_inputs(self, model: LogisticModel) -> None:
        rng = random.Random(7)
        for _ in range(RANDOM_INPUTS):
            inputs = drawn(model, rng)
            found = estimate(model, inputs).probability
            assert found is not None
            assert math.isclose(found, by_hand(model.id, inputs), rel_tol=1e-6)

    @pytest.mark.parametrize("model", MODELS.values(), ids=lambda m: m.id)
    def test_a_missing_input_gives_the_range_over_it(self, model: LogisticModel) -> None:
        rng = random.Random(11)
        for _ in range(200):
            whole = drawn(model, rng)
            hidden = rng.sample(list(whole), k=rng.randint(1, len(whole)))
            found = estimate(model, {**whole, **dict.fromkeys(hidden, None)})
            truth = estimate(model, whole).probability
            assert truth is not None
            assert found.probability is None
            assert set(found.missing) == set(hidden)
            assert found.low - 1e-12 <= truth <= found.high + 1e-12

    def test_the_range_over_one_flag_is_exactly_its_two_values(self) -> None:
        known = given(MAYO, age_years=60, ever_smoker=True, diameter_mm=10)
        ends = sorted(
            estimate(MAYO, {**known, "spiculation": f}).probability or 0 for f in (True, False)
        )
        found = estimate(MAYO, {**known, "spiculation": None})
        assert [found.low, found.high] == pytest.approx(ends)

    def test_shares_add_up_to_x(self) -> None:
        found = estimate(PKU, given(PKU, age_years=60, diameter_mm=12, spiculation=True))
        assert PKU.intercept + sum(s.amount for s in found.shares) == pytest.approx(found.x)

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            ({"age_years": 6}, "age_years"),
            ({"diameter_mm": 31}, "diameter_mm"),
            ({"diameter_mm": 3.9}, "diameter_mm"),
            ({"diameter_mm": math.nan}, "diameter_mm"),
            ({"age_years": True}, "age_years"),
            ({"spiculation": 1}, "spiculation"),
            ({"shoe_size": 43}, "shoe_size"),
        ],
    )
    def test_impossible_inputs_are_refused_by_name(
        self, change: dict[str, float | bool], word: str
    ) -> None:
        inputs = given(MAYO, age_years=60, diameter_mm=10)
        with pytest.raises(RiskInputError, match=word):
            estimate(MAYO, {**inputs, **change})

    def test_an_input_that_was_not_named_is_refused(self) -> None:
        with pytest.raises(RiskInputError, match="not given"):
            estimate(MAYO, {"age_years": 60})

    def test_two_densities_at_once_are_refused(self) -> None:
        inputs = given(BROCK_WITHOUT_SPICULATION, age_years=60, diameter_mm=8, nodule_count=1)
        both = {**inputs, "part_solid": True, "ground_glass": True}
        with pytest.raises(RiskInputError, match="at most one"):
            estimate(BROCK_WITHOUT_SPICULATION, both)
