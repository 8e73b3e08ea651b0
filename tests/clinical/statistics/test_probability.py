# SPDX-License-Identifier: Apache-2.0
"""Calibration, conformal sets and their measures, against cases whose answer is known."""

import numpy as np
import pytest

from healthvision.clinical.statistics.probability import (
    area,
    at_share,
    brier_skill,
    calibration_error,
    fit_platt,
    fit_sets,
)
from healthvision.clinical.volume import BoolArray, FloatArray


def cases(n: int, seed: int) -> tuple[FloatArray, BoolArray, FloatArray]:
    """Return logits, truth drawn from 1 / (1 + exp(-(0.5 * logit + 1))), and that probability."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 4, n)
    p = 1 / (1 + np.exp(-(0.5 * logits + 1)))
    return logits, rng.random(n) < p, p


class TestFitPlatt:
    def test_finds_the_slope_and_intercept_that_made_the_cases(self) -> None:
        logits, truth, p = cases(20_000, 1)
        found = fit_platt(logits, truth)
        assert found.slope == pytest.approx(0.5, abs=0.02)
        assert found.intercept == pytest.approx(1.0, abs=0.06)
        assert np.abs(found(logits) - p).max() < 0.02

    def test_one_outcome_alone_is_refused(self) -> None:
        with pytest.raises(ValueError, match="both outcomes"):
            fit_platt(np.zeros(5), np.ones(5, bool))

    def test_cases_that_separate_stay_finite(self) -> None:
        found = fit_platt(np.array([-3.0, -2.0, 2.0, 3.0]), np.array([False, False, True, True]))
        p = found(np.array([-1e6, 0.0, 1e6]))
        assert np.isfinite(p).all()
        assert p[0] < 0.5 < p[2]


class TestFitSets:
    def test_other_cases_are_covered_as_promised_in_each_outcome(self) -> None:
        _, truth, p = cases(20_000, 2)
        sets = fit_sets(p, truth)
        _, other, q = cases(20_000, 3)
        yes, no = sets.holds(q)
        assert yes[other].mean() == pytest.approx(0.9, abs=0.015)
        assert no[~other].mean() == pytest.approx(0.9, abs=0.015)

    def test_too_few_cases_are_refused(self) -> None:
        with pytest.raises(ValueError, match="too few"):
            fit_sets(np.full(8, 0.5), np.arange(8) % 2 == 0)


class TestMeasures:
    def test_true_probabilities_have_almost_no_calibration_error(self) -> None:
        _, truth, p = cases(20_000, 4)
        assert calibration_error(p, truth) < 0.01
        assert calibration_error(np.clip(p + 0.2, 0, 1), truth) > 0.1

    def test_always_saying_the_share_has_no_skill(self) -> None:
        _, truth, p = cases(5_000, 5)
        assert brier_skill(np.full(5_000, truth.mean()), truth) == pytest.approx(0.0)
        assert brier_skill(p, truth) > 0.2
        assert brier_skill(1 - p, truth) < 0

    def test_the_area_is_the_share_of_pairs_in_order_and_ties_count_half(self) -> None:
        rng = np.random.default_rng(6)
        logits, truth = rng.integers(0, 6, 300).astype(float), rng.random(300) < 0.4
        gap = logits[truth][:, None] - logits[~truth]
        assert area(logits, truth) == pytest.approx((gap > 0).mean() + 0.5 * (gap == 0).mean())

    def test_another_share_changes_the_probability_by_bayes(self) -> None:
        assert at_share(0.7, 0.7, 0.2) == pytest.approx(0.2)
        assert at_share(0.9, 0.5, 0.5) == pytest.approx(0.9)
        assert at_share(at_share(0.83, 0.7, 0.1), 0.1, 0.7) == pytest.approx(0.83)
        assert at_share(1.0, 0.7, 0.1) == 1.0
