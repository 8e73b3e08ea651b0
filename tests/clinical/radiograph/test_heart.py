# SPDX-License-Identifier: Apache-2.0
"""The ratio and opacities on drawn chests whose truth is known."""

import numpy as np

from healthvision.clinical.radiograph.frame import SIDE
from healthvision.clinical.radiograph.heart import measure_heart
from healthvision.clinical.radiograph.lungs import LungFields, is_inverted, lung_fields
from healthvision.clinical.radiograph.opacity import Atlas, find_opacities
from healthvision.clinical.volume import Array


def chest() -> tuple[Array, LungFields]:
    """Draw two lungs of columns 40-110 and 146-216 and a heart of columns 100-176."""
    y, x = np.mgrid[:SIDE, :SIDE]
    left = (y > 40) & (y < 210) & (x >= 40) & (x <= 110)
    right = (y > 40) & (y < 210) & (x >= 146) & (x <= 216)
    pixels = np.where(left | right, 0.25, 0.8)
    heart = (y > 120) & (x >= 100) & (x <= 176)
    pixels = np.where(heart, 0.8, pixels).astype(np.float32)
    fields = lung_fields(np.stack([left, right]).astype(float), np.ones((SIDE, SIDE), bool))
    assert fields is not None
    return pixels, fields


def clear() -> tuple[Array, LungFields]:
    """Draw the same lungs without a heart: both are alike."""
    _, fields = chest()
    return np.where(fields.both, 0.25, 0.8).astype(np.float32), fields


def flat_atlas() -> Atlas:
    """Return normal lungs that are dark above and brighter below."""
    atlas = Atlas(np.full((2, 48, 24), 0.1), np.full((2, 48, 24), 0.15))
    atlas.mean[:, 20:, :] = 0.5
    return atlas


class TestMeasureHeart:
    def test_the_ratio_of_a_drawn_chest_is_right(self) -> None:
        pixels, fields = chest()
        heart = measure_heart(pixels, fields)
        assert heart is not None
        truth = 77 / 177
        assert abs(heart.ratio - truth) < 0.02
        assert heart.low <= truth <= heart.high

    def test_a_border_that_slopes_to_the_diaphragm_is_followed_to_its_end(self) -> None:
        pixels, fields = chest()
        y, x = np.mgrid[:SIDE, :SIDE]
        apex = (y > 120) & (x >= 128) & (x <= 176 + (y - 120) * 0.3)
        heart = measure_heart(np.where(apex, 0.8, pixels).astype(np.float32), fields)
        assert heart is not None
        assert abs(heart.ratio - (77 + 26) / 177) < 0.03  # 209 is the lowest row

    def test_the_hilum_at_the_picture_s_left_is_no_heart(self) -> None:
        pixels, fields = chest()
        hilum = pixels.copy()
        hilum[135:158, 78:111] = 0.8
        heart = measure_heart(hilum, fields)
        assert heart is not None
        assert abs(heart.ratio - 77 / 177) < 0.02

    def test_a_white_chest_gives_no_ratio(self) -> None:
        _, fields = chest()
        rng = np.random.default_rng(1)
        noise = (0.6 + 0.2 * rng.standard_normal((SIDE, SIDE))).astype(np.float32)
        assert measure_heart(noise, fields) is None
        assert measure_heart(np.full((SIDE, SIDE), 0.8, np.float32), fields) is None


class TestLungFields:
    def test_one_lung_alone_is_none(self) -> None:
        _, fields = chest()
        one = np.stack([fields.left_side, np.zeros((SIDE, SIDE))]).astype(float)
        assert lung_fields(one, np.ones((SIDE, SIDE), bool)) is None

    def test_inverted_greys_are_seen(self) -> None:
        pixels, fields = chest()
        assert not is_inverted(pixels, fields)
        assert is_inverted(1 - pixels, fields)


class TestFindOpacities:
    def test_a_dense_patch_is_marked_on_its_side_and_zone_only(self) -> None:
        pixels, fields = chest()
        pixels[60:90, 170:200] = 0.7
        found = find_opacities(pixels, fields, flat_atlas(), same_age=True)
        assert found.shares[1, 0] > 0.1
        assert found.shares[0].max() == 0
        assert found.marked[70:80, 175:195].all()
        assert (found.beside == found.marked).all()
        assert found.reported(fields.right_side, 1)
        assert not found.reported(fields.left_side, 0)

    def test_a_mark_too_small_to_report_is_not_reported(self) -> None:
        pixels, fields = clear()
        pixels[60:76, 170:190] = 0.7
        found = find_opacities(pixels, fields, flat_atlas(), same_age=True)
        assert found.marked.any()
        assert not found.reported(fields.right_side, 1)

    def test_other_ages_need_a_larger_difference_between_the_lungs(self) -> None:
        pixels, fields = clear()
        pixels[60:110, 160:200] = 0.47
        young, other = (
            find_opacities(pixels, fields, flat_atlas(), same_age=same) for same in (True, False)
        )
        assert young.reported(fields.right_side, 1)
        assert not other.marked.any()

    def test_both_lungs_dense_are_marked_only_where_normals_fit_the_patient(self) -> None:
        pixels, fields = clear()
        pixels[50:110][fields.both[50:110]] = 0.75
        found = find_opacities(pixels, fields, flat_atlas(), same_age=True)
        assert found.reported(fields.left_side, 0)
        assert found.reported(fields.right_side, 1)
        assert not found.beside.any()
        assert not find_opacities(pixels, fields, flat_atlas(), same_age=False).marked.any()
