# SPDX-License-Identifier: Apache-2.0
"""Head, spine, aorta and radiograph phantoms: repeatable, truthful, mini versions whole."""

from dataclasses import replace

import numpy as np
import pytest

from healthvision.clinical.phantoms import aorta as a
from healthvision.clinical.phantoms import head as h
from healthvision.clinical.phantoms import radiograph as r
from healthvision.clinical.phantoms import spine as s
from healthvision.clinical.phantoms.truth import truth_json


class TestHead:
    @pytest.mark.parametrize("contrast", ["T1", "T2", "FLAIR"])
    def test_the_levels_are_in_the_order_of_the_contrast(self, contrast: h.Contrast) -> None:
        p = h.head(2, replace(h.MINI, contrast=contrast, bias=0.0))
        level = {i: float(np.median(p.volume.voxels[p.labels == i])) for i in (1, 2, 3)}
        dark_to_bright = {"T1": (1, 2, 3), "T2": (3, 2, 1), "FLAIR": (1, 3, 2)}[contrast]
        assert tuple(sorted(level, key=lambda i: level[i])) == dark_to_bright

    def test_the_same_seed_gives_the_same_voxels(self) -> None:
        assert np.array_equal(h.head(3, h.MINI).volume.voxels, h.head(3, h.MINI).volume.voxels)
        assert not np.array_equal(h.head(3, h.MINI).volume.voxels, h.head(4, h.MINI).volume.voxels)

    def test_wider_ventricles_have_a_larger_index(self) -> None:
        values = [h.head(5, replace(h.MINI, ventricles=v)).evans for v in (0.8, 1.2, 1.6)]
        assert values == sorted(values)
        assert 0.1 < values[0] < values[-1] < 0.5

    def test_a_lesion_lies_where_the_truth_says(self) -> None:
        p = h.head(6, replace(h.MINI, tumour_mm=40.0))
        assert p.tumour_centre is not None
        index = tuple(round(i) for i in p.volume.to_index(p.tumour_centre))
        assert p.labels[index] == h.TUMOUR


class TestSpine:
    def test_each_body_has_its_density(self) -> None:
        p = s.spine(1, s.SpineConfig(trabecular_hu=(50.0, 100.0, 200.0), noise_sd=10.0))
        assert len(p.bodies) == 5
        for body in p.bodies:
            inside = p.volume.voxels[p.labels == body.number]
            assert float(np.median(inside)) == pytest.approx(body.trabecular_hu, abs=3.0)

    def test_a_fractured_body_is_lower(self) -> None:
        p = s.spine(1, replace(s.MINI, fractured=(3,)))
        heights = {b.number: b.height_mm for b in p.bodies}
        assert heights[3] == pytest.approx(0.65 * heights[2])
        assert p.bodies[2].fractured

    def test_the_centre_lies_in_its_body(self) -> None:
        p = s.spine(2, replace(s.SpineConfig(), curve_mm=12.0))
        for body in p.bodies:
            index = tuple(round(i) for i in p.volume.to_index(body.centre))
            assert p.labels[index] == body.number


class TestAorta:
    def test_the_area_across_the_descending_part_is_that_of_its_diameter(self) -> None:
        p = a.aorta(1, a.AortaConfig(descending_mm=28.0))
        z = round(p.volume.to_index(p.centreline[-30])[0])
        half = p.labels[z, p.labels.shape[1] // 2 :] > 0
        area = float(half.sum()) * p.volume.spacing[1] * p.volume.spacing[2]
        assert 2 * np.sqrt(area / np.pi) == pytest.approx(28.0, abs=1.0)

    def test_an_aneurysm_reaches_its_diameter(self) -> None:
        p = a.aorta(2, replace(a.MINI, aneurysm_mm=55.0))
        assert p.diameters.max() == pytest.approx(55.0, abs=0.5)

    def test_a_dissection_has_two_lumina_and_a_flap(self) -> None:
        p = a.aorta(3, replace(a.AortaConfig(), dissected=True))
        assert set(np.unique(p.labels)) == {0, a.TRUE_LUMEN, a.FALSE_LUMEN, a.FLAP}


class TestRadiograph:
    def test_lungs_are_dark_and_inverted_ones_bright(self) -> None:
        p = r.radiograph(1, r.MINI)
        q = r.radiograph(1, replace(r.MINI, inverted=True))
        middle = np.median(p.pixels)
        assert np.median(p.pixels[p.lungs & ~p.heart]) < middle
        assert np.median(q.pixels[q.lungs & ~q.heart]) > np.median(q.pixels)

    def test_the_ratio_is_that_of_its_masks(self) -> None:
        p = r.radiograph(2, r.MINI)
        assert 0.3 < p.ctr < 0.7
        assert p.heart.shape == p.lungs.shape == p.pixels.shape

    def test_a_planted_opacity_is_denser_at_its_place(self) -> None:
        clean = r.radiograph(3, replace(r.MINI, noise=0.0))
        planted = r.radiograph(3, replace(r.MINI, noise=0.0, opacity_mm=25.0))
        assert planted.opacity is not None
        at = tuple(round(i) for i in planted.opacity)
        assert planted.pixels[at] > clean.pixels[at]


class TestTruthJson:
    def test_every_phantom_says_what_is_in_it(self) -> None:
        made = (h.head(1, h.MINI), s.spine(1, s.MINI), a.aorta(1, a.MINI), r.radiograph(1, r.MINI))
        for p in made:
            truth = truth_json(p)
            assert '"seed": 1' in truth
            assert "array" not in truth
