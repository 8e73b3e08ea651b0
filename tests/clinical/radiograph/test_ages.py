# SPDX-License-Identifier: Apache-2.0
"""The age look: what it is made of, and that its limit depends on the children alone."""

import numpy as np

from healthvision.clinical.radiograph.ages import KEPT, learn_look, traits
from healthvision.clinical.radiograph.sheet import lay_flat
from healthvision.clinical.volume import FloatArray
from tests.clinical.radiograph.test_sheet import fields, greys

SIZE = 64 + 2 * 16 * 8 + 2 * 16 * 16


def group(n: int, seed: int, shift: float) -> FloatArray:
    """Return traits of n films, the first ten of them moved by ``shift``."""
    made = np.random.default_rng(seed).normal(0, 1, (n, SIZE))
    made[:, :10] += shift
    return made


class TestTraits:
    def test_size_and_place_of_the_chest_hardly_change_them(self) -> None:
        seen = np.zeros(64, np.float32)
        small, large = (
            traits(seen, lay_flat(np.ones((256, 256), np.float32), f), f)
            for f in (fields(), fields(top=20, height=200))
        )
        assert small.shape == (SIZE,)
        assert np.abs(small - large)[64:].mean() < 0.05

    def test_they_hold_embedding_coarse_greys_and_outlines(self) -> None:
        lungs = fields()
        seen = np.arange(64, dtype=np.float32)
        found = traits(seen, lay_flat(greys(lungs), lungs), lungs)
        assert np.array_equal(found[:64], seen)
        assert found[-512:].min() >= 0
        assert found[-512:].max() <= 1


class TestLearnLook:
    def test_adults_lie_above_the_limit_and_children_below(self) -> None:
        look = learn_look(group(900, 1, 0.0), group(90, 2, 3.0))
        children = np.array([look.score(row) for row in group(300, 3, 0.0)])
        adults = np.array([look.score(row) for row in group(300, 4, 3.0)])
        assert (children <= look.limit).mean() > KEPT - 0.04
        assert (adults > look.limit).mean() > 0.95

    def test_the_limit_keeps_the_promised_share_of_the_children_learned_from(self) -> None:
        children = group(1000, 5, 0.0)
        look = learn_look(children, group(60, 6, 0.3))
        kept = np.mean([look.score(row) <= look.limit for row in children])
        assert abs(kept - KEPT) < 0.002
