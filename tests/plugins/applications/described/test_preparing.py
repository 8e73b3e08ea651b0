# SPDX-License-Identifier: Apache-2.0
"""The way onto the grid of a network and back."""

from typing import Any

import numpy as np
import pytest

from healthvision.clinical.volume import Array, Volume, axial
from healthvision.domains.modelhub.description import InputSpec, Intensity
from healthvision.plugins.applications.described import preparing

AXES = ("SPL", "RAS", "LPS", "ASR", "IAR")


def _marked() -> Volume:
    """A volume whose brightest voxel is far to the head, the back and the left."""
    voxels = np.zeros((6, 8, 10), np.float32)
    voxels[5, 7, 9] = 1.0
    return axial(voxels, (3.0, 2.0, 1.0))


def _spec(**changes: Any) -> InputSpec:
    return InputSpec.model_validate({"kind": "volume", **changes}, strict=False)


class TestPrepare:
    @pytest.mark.parametrize("axes", AXES)
    def test_axes_grow_to_where_they_are_said_to(self, axes: str) -> None:
        fed = preparing.prepare(_marked(), _spec(axes=axes))
        at = np.unravel_index(int(np.argmax(fed.values)), fed.values.shape)
        for letter, index, size in zip(axes, at, fed.values.shape, strict=True):
            assert index == (size - 1 if letter in "SPL" else 0)

    @pytest.mark.parametrize("axes", AXES)
    def test_the_way_back_is_exact(self, axes: str) -> None:
        volume = axial(np.random.default_rng(1).normal(size=(5, 6, 7)).astype(np.float32))
        fed = preparing.prepare(volume, _spec(axes=axes))
        np.testing.assert_array_equal(fed.back(fed.values, 0), volume.voxels)

    def test_the_order_of_the_slices_does_not_matter(self) -> None:
        volume = axial(np.random.default_rng(1).normal(size=(5, 6, 7)).astype(np.float32))
        turned = Volume(
            volume.voxels[::-1], volume.spacing, volume.to_lps((4, 0, 0)),
            volume.direction * np.array([-1.0, 1.0, 1.0]),
        )  # fmt: skip
        first, second = (preparing.prepare(v, _spec(axes="RAS")) for v in (volume, turned))
        np.testing.assert_array_equal(first.values, second.values)
        np.testing.assert_array_equal(
            second.oriented.back(second.back(second.values, 0)), turned.voxels
        )

    def test_spacing_is_in_the_order_of_the_axes(self) -> None:
        fed = preparing.prepare(_marked(), _spec(axes="RAS", spacing_mm=(2.0, 2.0, 2.0)))
        assert fed.values.shape == (5, 8, 9)

    def test_a_block_keeps_its_place_over_another_grid(self) -> None:
        voxels = np.zeros((20, 20, 20), np.float32)
        voxels[6:14, 4:12, 8:16] = 1.0
        fed = preparing.prepare(axial(voxels, (2.0, 2.0, 2.0)), _spec(spacing_mm=(1.0, 1.0, 1.0)))
        back = fed.back(fed.values, 1) > 0.5
        np.testing.assert_array_equal(back, voxels > 0.5)

    def test_a_grid_that_is_too_large_is_refused(self) -> None:
        with pytest.raises(preparing.TooLarge):
            preparing.prepare(
                axial(np.zeros((40, 40, 40)), (30.0, 30.0, 30.0)), _spec(spacing_mm=(1.0, 1.0, 1.0))
            )


class TestScaled:
    @pytest.mark.parametrize(
        ("how", "low", "high"),
        [
            (Intensity(clip=(0.0, 50.0), scale="range"), 0.0, 1.0),
            (Intensity(clip=(0.0, 50.0), scale="range", to=(-1.0, 1.0)), -1.0, 1.0),
            (Intensity(clip=(10.0, 50.0)), 10.0, 50.0),
            (Intensity(scale="range"), 0.0, 1.0),
            (Intensity(scale="fixed", mean=50.0, sd=50.0), -1.0, 1.0),
            (Intensity(percentiles=(25.0, 75.0), scale="range"), 0.0, 1.0),
        ],
    )
    def test_limits(self, how: Intensity, low: float, high: float) -> None:
        out = preparing.scaled(np.arange(101, dtype=np.float32), how)
        assert (out.min(), out.max()) == (pytest.approx(low), pytest.approx(high))

    def test_standard_scores_of_what_is_not_zero(self) -> None:
        values = np.array([0, 0, 10, 20, 30], np.float32)
        out = preparing.scaled(values, Intensity(scale="zscore", nonzero=True))
        assert out[:2].tolist() == [0, 0]
        assert float(out[2:].mean()) == pytest.approx(0, abs=1e-6)

    def test_an_even_image_gives_numbers(self) -> None:
        flat = np.full(10, 7, np.float32)
        for scale in ("range", "zscore"):
            out = preparing.scaled(flat, Intensity(scale=scale))
            assert np.isfinite(out).all()


class TestAnswer:
    @pytest.mark.parametrize("window", [None, (8, 8, 8), (16, 8, 32)])
    def test_pieces_give_the_same_as_the_whole(self, window: tuple[int, ...] | None) -> None:
        volume = axial(np.random.default_rng(2).normal(size=(11, 19, 17)).astype(np.float32))
        fed = preparing.prepare(volume, _spec(window=window, multiple_of=8))
        asked: list[tuple[int, ...]] = []

        def ask(values: Array) -> Array:
            asked.append(values.shape)
            return np.stack([values, 1 - values])

        found = preparing.answer(fed, ask, lambda _share: None)
        np.testing.assert_allclose(found[0], fed.values, atol=1e-5)
        assert set(asked) == {window or (16, 24, 24)}

    def test_a_map_of_another_size_is_refused(self) -> None:
        fed = preparing.prepare(axial(np.zeros((8, 8, 8))), _spec())
        with pytest.raises(ValueError, match="for an image of"):
            preparing.answer(fed, lambda v: v[None, ::2], lambda _share: None)


class TestResized:
    def test_smooths_only_when_asked(self) -> None:
        line = np.zeros((16,), np.float32)
        line[8] = 1.0
        plain = preparing.resized(line, (4,), 1)
        smooth = preparing.resized(line, (4,), 1, antialias=True)
        assert set(np.unique(plain)) <= {0.0, 0.5, 1.0}
        assert float(smooth.sum()) == pytest.approx(0.25, abs=0.05)
