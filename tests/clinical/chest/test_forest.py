# SPDX-License-Identifier: Apache-2.0
"""The packaged forest: plain arrays that add up."""

import numpy as np
import pytest

from healthvision.clinical.chest.features import BEST_EVIDENCE, NAMES, evidence
from healthvision.clinical.chest.forest import RESERVE, load, save
from healthvision.clinical.chest.nodules import read_forest


class TestForest:
    """Evaluation, attribution and calibration."""

    def test_contributions_and_the_roots_add_up_to_the_vote(self) -> None:
        forest, _ = read_forest()
        x = np.random.default_rng(0).normal(0, 50, len(NAMES))
        base = float(forest.value[forest.roots].mean())
        vote = float(forest.raw(x[None])[0])
        assert base + forest.attribute(x).sum() == pytest.approx(vote, abs=1e-6)

    @pytest.mark.parametrize(
        ("feature", "clear", "hard"),
        [
            ("contrast_to_noise", 40.0, 10.0),
            ("diameter", 12.0, 5.0),
            ("shell_share", 0.0, 0.3),
            ("contrast", 800.0, 250.0),
        ],
    )
    @pytest.mark.parametrize("vote", [0.5, 0.7, 1.0])
    def test_more_noise_a_smaller_fainter_or_attached_nodule_gives_less_for_the_same_vote(
        self, feature: str, clear: float, hard: float, vote: float
    ) -> None:
        forest, _ = read_forest()
        x = np.zeros((2, len(NAMES)))
        for name, value in (("contrast_to_noise", 30.0), ("diameter", 8.0), ("contrast", 600.0)):
            x[:, NAMES.index(name)] = value
        x[:, NAMES.index(feature)] = clear, hard
        p = forest.calibrate(np.full(2, vote), evidence(x))
        assert p[0] > p[1] + 0.002

    def test_nothing_is_surer_than_the_calibration_can_show(self) -> None:
        forest, _ = read_forest()
        most = forest.calibrate(np.ones(1), np.array([BEST_EVIDENCE]))
        assert float(most[0]) == pytest.approx(1 - RESERVE)

    def test_is_the_same_after_saving_and_loading(self) -> None:
        forest, _ = read_forest()
        again = load(save(forest))
        x = np.random.default_rng(1).normal(0, 50, (5, len(NAMES)))
        assert np.allclose(again.raw(x), forest.raw(x))

    def test_refuses_other_bytes(self) -> None:
        with pytest.raises(ValueError, match="forest"):
            load(b"not a zip file")
