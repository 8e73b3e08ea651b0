# SPDX-License-Identifier: Apache-2.0
"""The chest phantom: repeatable, and its truth is what was drawn."""

from dataclasses import replace

import numpy as np
import pytest

from healthvision.clinical.phantoms import ChestConfig, phantom
from healthvision.clinical.phantoms.chest import SMALL

QUIET = ChestConfig(
    shape=(100, 180, 180),
    spacing=(1.8, 1.9, 1.9),
    wishes=(("solid", "isolated", 16.0), ("ground-glass", "isolated", 15.0)),
    noise_sd=0.0,
    psf_mm=0.01,
    vessel_density=0.3,
)


class TestPhantom:
    """``phantom(seed, config)``."""

    def test_the_same_seed_gives_the_same_voxels(self) -> None:
        first, second = phantom(5, SMALL), phantom(5, SMALL)
        assert np.array_equal(first.volume.voxels, second.volume.voxels)
        assert first.nodules == second.nodules

    def test_another_seed_gives_other_nodules(self) -> None:
        assert phantom(5, SMALL).nodules != phantom(6, SMALL).nodules

    def test_the_drawn_nodule_has_the_volume_of_its_truth(self) -> None:
        drawn = phantom(3, QUIET)
        nodule = next(n for n in drawn.nodules if n.kind == "solid")
        affine = drawn.volume.affine
        index = np.indices(drawn.volume.shape).reshape(3, -1)
        place = (affine[:3, :3] @ index + affine[:3, 3:]).T.reshape(*drawn.volume.shape, 3)
        near = np.linalg.norm(place - np.array(nodule.centre), axis=-1) < 11.5
        values = drawn.volume.voxels[near].astype(float)
        inside = np.clip((values + 868) / (values.max() + 868), 0, 1)
        inside[inside < 0.08] = 0  # texture of the lung around it
        assert inside.sum() * drawn.volume.voxel_ml * 1000 == pytest.approx(
            nodule.volume_mm3, rel=0.06
        )

    def test_the_centre_of_a_nodule_is_where_its_truth_says(self) -> None:
        drawn = phantom(3, QUIET)
        for nodule in drawn.nodules:
            index = tuple(round(i) for i in drawn.volume.to_index(nodule.centre))
            assert drawn.volume.voxels[index] > (-100 if nodule.kind == "solid" else -680)

    def test_the_left_side_has_positive_lps_x_and_the_heart(self) -> None:
        drawn = phantom(3, SMALL)
        assert drawn.left_ml < drawn.right_ml
        for nodule in drawn.nodules:
            assert (nodule.centre[0] > 0) == (nodule.laterality == "left")

    @pytest.mark.parametrize("sd", [10.0, 40.0])
    def test_noise_in_muscle_has_the_wished_sd(self, sd: float) -> None:
        drawn = phantom(4, replace(SMALL, noise_sd=sd))
        z, y, x = (round(i) for i in drawn.volume.to_index((-50.0, 5.0, -95.0)))
        liver = drawn.volume.voxels[z - 2 : z + 3, y - 8 : y + 9, x - 8 : x + 9]
        assert float(np.std(liver)) == pytest.approx(sd, rel=0.15)

    def test_more_emphysema_wished_gives_more_emphysema(self) -> None:
        shares = [
            phantom(7, replace(SMALL, emphysema=e)).emphysema_percent for e in (0.0, 0.1, 0.25)
        ]
        assert shares[0] < 1.0 < shares[1] < shares[2]

    def test_a_wish_is_drawn_at_its_size(self) -> None:
        config = replace(SMALL, wishes=(("solid", "isolated", 12.0),))
        (nodule,) = phantom(9, config).nodules
        assert nodule.volume_mm3 == pytest.approx(4 / 3 * np.pi * 6**3, rel=1e-6)
