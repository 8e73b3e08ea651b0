# SPDX-License-Identifier: Apache-2.0
"""The changes keep every voxel at its place in the patient."""

import numpy as np
import pytest

from healthvision.clinical import metamorphic as m
from healthvision.clinical.chest.orient import orient
from healthvision.clinical.volume import Volume, axial


def marked() -> Volume:
    """A volume with one bright voxel off the middle."""
    voxels = np.zeros((12, 14, 16), np.int16)
    voxels[3, 9, 5] = 1000
    return axial(voxels, (2.0, 1.0, 1.5), (-10.0, 5.0, 30.0))


def bright_place(volume: Volume) -> tuple[float, float, float]:
    z, y, x = np.unravel_index(int(np.argmax(volume.voxels)), volume.shape)
    return volume.to_lps((float(z), float(y), float(x)))


class TestStandard:
    @pytest.mark.parametrize("name", m.STANDARD)
    def test_the_bright_voxel_stays_in_its_place(self, name: str) -> None:
        changed = m.STANDARD[name](marked())
        assert bright_place(changed) == pytest.approx(bright_place(marked()))

    @pytest.mark.parametrize("name", ["flip-z", "flip-x", "sagittal", "coronal"])
    def test_orienting_undoes_a_change_of_order(self, name: str) -> None:
        back = orient(m.STANDARD[name](marked())).volume
        assert np.array_equal(back.voxels, marked().voxels)

    def test_under_measures_each_change(self) -> None:
        totals = m.under(m.STANDARD, marked(), lambda v: float(v.voxels.sum()) * v.voxel_ml)
        assert set(totals.values()) == {3.0}


class TestMislabelledFlip:
    def test_the_place_is_wrong_on_purpose(self) -> None:
        assert bright_place(m.mislabelled_flip(2)(marked()))[0] != bright_place(marked())[0]


class TestSpacing:
    def test_the_place_is_kept_within_half_a_voxel(self) -> None:
        changed = m.spacing((1.0, 2.0, 1.0))(marked())
        assert changed.spacing == (1.0, 2.0, 1.0)
        gap = np.array(bright_place(changed)) - np.array(bright_place(marked()))
        assert np.all(np.abs(gap) <= (0.5, 1.0, 0.5))


class TestGreyLevels:
    def test_offset_keeps_the_type_and_stops_at_its_limits(self) -> None:
        changed = m.offset(32_000)(marked())
        assert changed.voxels.dtype == np.int16
        assert changed.voxels.max() == 32767

    def test_noise_is_repeated_by_its_seed(self) -> None:
        first, again = (m.noise(10, seed=3)(marked()).voxels for _ in range(2))
        assert np.array_equal(first, again)
        assert np.std(first) > 5

    def test_scale_multiplies(self) -> None:
        assert m.scale(0.5)(marked()).voxels.max() == 500


class TestDropSlices:
    def test_the_spacing_says_what_is_missing(self) -> None:
        changed = m.drop_slices(3)(marked())
        assert changed.shape[0] == 4
        assert changed.spacing[0] == 6.0
        assert bright_place(changed) == pytest.approx(bright_place(marked()))

    def test_at_least_two_slices_are_left(self) -> None:
        with pytest.raises(ValueError, match="two slices"):
            m.drop_slices(12)(marked())


class TestCrop:
    def test_nothing_left_is_refused(self) -> None:
        with pytest.raises(ValueError, match="nothing"):
            m.crop((6, 0, 0), (6, 0, 0))(marked())
