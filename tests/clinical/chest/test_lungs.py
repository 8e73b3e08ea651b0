# SPDX-License-Identifier: Apache-2.0
"""Lungs and emphysema on phantoms, and what must not change them."""

from dataclasses import replace

import numpy as np
import pytest

from healthvision.clinical.chest.emphysema import measure_emphysema
from healthvision.clinical.chest.lungs import Lungs, find_lungs
from healthvision.clinical.chest.orient import orient
from healthvision.clinical.phantoms import ChestConfig, ChestPhantom, phantom
from healthvision.clinical.phantoms.chest import SMALL
from healthvision.clinical.volume import Volume


@pytest.fixture(scope="module")
def chest() -> ChestPhantom:
    """One small chest."""
    return phantom(101, SMALL)


def _dice(lungs: Lungs, truth: ChestPhantom) -> float:
    mask = lungs.labels > 0
    both = np.count_nonzero(mask & truth.lungs)
    return 2 * both / (np.count_nonzero(mask) + np.count_nonzero(truth.lungs))


def _found(volume: Volume) -> Lungs:
    lungs = find_lungs(orient(volume).volume)
    assert lungs is not None
    return lungs


class TestFindLungs:
    """``find_lungs(volume)``."""

    @pytest.mark.parametrize("seed", [101, 102, 103])
    def test_agrees_with_the_truth(self, seed: int) -> None:
        truth = phantom(seed, SMALL)
        lungs = _found(truth.volume)
        assert _dice(lungs, truth) >= 0.98
        assert lungs.total_ml == pytest.approx(truth.lung_ml, rel=0.03)
        assert lungs.left_ml == pytest.approx(truth.left_ml, rel=0.03)
        assert lungs.airways is not None
        assert lungs.touching == ()

    @pytest.mark.parametrize(
        "order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (2, 0, 1)], ids=lambda o: "".join(map(str, o))
    )
    @pytest.mark.parametrize("flips", [(), (0,), (2,), (0, 1, 2)])
    def test_axis_order_and_flips_change_nothing(
        self, chest: ChestPhantom, order: tuple[int, int, int], flips: tuple[int, ...]
    ) -> None:
        turned = _turned(chest.volume, order, flips)
        back = orient(turned)
        assert np.array_equal(back.volume.voxels, chest.volume.voxels)
        assert np.allclose(back.volume.affine, chest.volume.affine)
        assert np.array_equal(back.back(back.volume.voxels), turned.voxels)
        assert back.volume.to_lps((3, 4, 5)) == pytest.approx(
            turned.to_lps(back.original_index((3, 4, 5)))
        )

    def test_an_oblique_volume_keeps_left_and_right(self, chest: ChestPhantom) -> None:
        base = _found(chest.volume)
        angle = np.deg2rad(12)
        c, s = np.cos(angle), np.sin(angle)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        v = chest.volume
        origin = turn @ np.array(v.origin)
        place = (float(origin[0]), float(origin[1]), float(origin[2]))
        oblique = Volume(v.voxels[:, :, ::-1], v.spacing, place, turn @ v.direction)
        step = oblique.direction[:, 2] * v.spacing[2]
        mirrored = Volume(
            oblique.voxels,
            v.spacing,
            tuple(np.array(oblique.origin) + step * (v.shape[2] - 1)),
            oblique.direction * np.array([1, 1, -1]),
        )
        lungs = _found(mirrored)
        assert lungs.left_ml == pytest.approx(base.left_ml, rel=0.01)
        assert lungs.heart_shift_mm is not None
        assert lungs.heart_shift_mm > 5

    def test_an_array_mirrored_under_the_same_header_moves_the_heart(
        self, chest: ChestPhantom
    ) -> None:
        wrong = chest.volume.like(np.ascontiguousarray(chest.volume.voxels[:, :, ::-1]))
        shift = _found(wrong).heart_shift_mm
        assert shift is not None
        assert shift < -6

    @pytest.mark.parametrize("offset", [-30, 30])
    def test_an_offset_in_hu_hardly_changes_the_volume(
        self, chest: ChestPhantom, offset: int
    ) -> None:
        moved = chest.volume.like(chest.volume.voxels + np.int16(offset))
        assert _found(moved).total_ml == pytest.approx(_found(chest.volume).total_ml, rel=0.02)

    def test_strong_noise_hardly_changes_the_volume(self) -> None:
        quiet, loud = (phantom(101, replace(SMALL, noise_sd=n)) for n in (10.0, 60.0))
        assert _found(loud.volume).total_ml == pytest.approx(
            _found(quiet.volume).total_ml, rel=0.02
        )

    def test_an_upside_down_array_has_no_trachea(self, chest: ChestPhantom) -> None:
        wrong = chest.volume.like(np.ascontiguousarray(chest.volume.voxels[::-1]))
        assert _found(wrong).airways is None

    def test_a_cut_lung_is_named(self, chest: ChestPhantom) -> None:
        v = chest.volume
        cut = Volume(v.voxels[35:], v.spacing, v.to_lps((35, 0, 0)), v.direction)
        assert "bottom" in _found(cut).touching

    def test_water_has_no_lungs(self) -> None:
        water = phantom(1, SMALL).volume
        assert find_lungs(water.like(np.zeros(water.shape, np.int16))) is None


def _turned(v: Volume, order: tuple[int, int, int], flips: tuple[int, ...]) -> Volume:
    voxels = np.flip(v.voxels.transpose(order), flips)
    direction = v.direction[:, list(order)].copy()
    corner = [0.0, 0.0, 0.0]
    for axis in flips:
        direction[:, axis] *= -1
        corner[order[axis]] = v.shape[order[axis]] - 1
    spacing = (v.spacing[order[0]], v.spacing[order[1]], v.spacing[order[2]])
    return Volume(np.ascontiguousarray(voxels), spacing, v.to_lps(corner), direction)


class TestMeasureEmphysema:
    """``measure_emphysema(volume, lungs)``."""

    @pytest.mark.parametrize("noise", [10.0, 40.0, 60.0])
    def test_noise_alone_is_no_emphysema(self, noise: float) -> None:
        clean = phantom(104, ChestConfig(shape=(120, 240, 240), spacing=(1.5, 1.5, 1.5),
                                         noise_sd=noise))  # fmt: skip
        figures = measure_emphysema(clean.volume, _found(clean.volume))
        assert figures.laa950 < 1.0
        assert figures.noise_sd == pytest.approx(noise, rel=0.3, abs=6)

    @pytest.mark.parametrize("noise", [10.0, 40.0])
    def test_true_emphysema_is_within_three_points(self, noise: float) -> None:
        sick = phantom(105, ChestConfig(shape=(120, 240, 240), spacing=(1.5, 1.5, 1.5),
                                        noise_sd=noise, emphysema=0.15))  # fmt: skip
        figures = measure_emphysema(sick.volume, _found(sick.volume))
        assert figures.laa950 == pytest.approx(sick.emphysema_percent, abs=3.0)
