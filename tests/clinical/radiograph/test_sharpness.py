# SPDX-License-Identifier: Apache-2.0
"""Sharpness: falls with blur, not with contrast."""

import numpy as np
from scipy import ndimage

from healthvision.clinical.radiograph.sharpness import sharpness
from tests.clinical.radiograph.test_sheet import fields, greys


def test_it_falls_with_blur_and_stays_with_contrast() -> None:
    lungs = fields()
    noise = ndimage.gaussian_filter(np.random.default_rng(2).standard_normal((256, 256)), 0.8)
    film = greys(lungs) + noise.astype(np.float32)
    found = [sharpness(ndimage.gaussian_filter(film, s), lungs) for s in (0.0, 1.0, 2.0)]
    assert found[0] > found[1] + 0.2
    assert found[1] > found[2]
    assert abs(sharpness(0.3 * film + 0.1, lungs) - found[0]) < 0.01


def test_a_flat_film_gives_a_number() -> None:
    assert np.isfinite(sharpness(np.full((256, 256), 0.5, np.float32), fields()))
