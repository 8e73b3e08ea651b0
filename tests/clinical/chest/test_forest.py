# SPDX-License-Identifier: Apache-2.0
"""The packaged forest: plain arrays that add up."""

import numpy as np
import pytest

from healthvision.clinical.chest.features import NAMES
from healthvision.clinical.chest.forest import load, save
from healthvision.clinical.chest.nodules import read_forest


class TestForest:
    """Evaluation, attribution and calibration."""

    def test_contributions_and_the_roots_add_up_to_the_vote(self) -> None:
        forest, _ = read_forest()
        x = np.random.default_rng(0).normal(0, 50, len(NAMES))
        base = float(forest.value[forest.roots].mean())
        vote = float(forest.raw(x[None])[0])
        assert base + forest.attribute(x).sum() == pytest.approx(vote, abs=1e-6)

    def test_more_noise_gives_less_confidence_for_the_same_vote(self) -> None:
        forest, _ = read_forest()
        p = forest.calibrate(np.array([0.7, 0.7]), np.array([40.0, 10.0]))
        assert p[0] > p[1]

    def test_is_the_same_after_saving_and_loading(self) -> None:
        forest, _ = read_forest()
        again = load(save(forest))
        x = np.random.default_rng(1).normal(0, 50, (5, len(NAMES)))
        assert np.allclose(again.raw(x), forest.raw(x))

    def test_refuses_other_bytes(self) -> None:
        with pytest.raises(ValueError, match="forest"):
            load(b"not a zip file")
