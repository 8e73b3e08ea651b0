# SPDX-License-Identifier: Apache-2.0
"""Intervals of nodule sizes: what they promise, and what the packaged table holds."""

import numpy as np
import pytest

from healthvision.clinical.chest import intervals
from healthvision.clinical.chest.features import NAMES
from healthvision.clinical.chest.intervals import CLASSES, COVERAGE, ERRORS, LEAST, Span
from healthvision.clinical.chest.measure import Density
from healthvision.clinical.volume import FloatArray


def _features(**given: float) -> FloatArray:
    values = {"core_hu": 30.0, "shell_parts": 0.0, "opened_share": 1.0, **given}
    return np.array([values.get(name, 0.0) for name in NAMES])


class TestConformal:
    def test_the_next_ratio_lies_inside_as_often_as_promised(self) -> None:
        rng = np.random.default_rng(5)
        inside = []
        for _ in range(400):
            ratios = rng.lognormal(0.0, 0.3, size=100)
            span = intervals.conformal(ratios[:-1].tolist())
            inside.append(span.low <= ratios[-1] <= span.high)
        assert np.mean(inside) >= COVERAGE - 0.02

    def test_few_ratios_give_the_outermost_ones(self) -> None:
        assert intervals.conformal([1.1, 0.9, 1.0]) == Span(0.9, 1.1)

    def test_many_leave_out_the_strange_ones_on_both_sides(self) -> None:
        ratios = [1 + i / 1000 for i in range(-100, 101)]
        span = intervals.conformal([*ratios, 0.01, 50.0])
        assert 0.9 <= span.low < 0.91
        assert 1.09 < span.high <= 1.1


class TestDifficulty:
    @pytest.mark.parametrize(
        ("density", "features", "wanted"),
        [
            ("solid", {}, "clear"),
            ("calcified", {}, "clear"),
            ("solid", {"core_hu": -200.0}, "dim"),
            ("solid", {"shell_parts": 5.0}, "touching"),
            ("calcified", {"opened_share": 0.5}, "touching"),
            ("ground-glass", {"shell_parts": 5.0}, "ground-glass"),
            ("part-solid", {}, "part-solid"),
        ],
    )
    def test_is_told_from_density_core_and_neighbours(
        self, density: Density, features: dict[str, float], wanted: str
    ) -> None:
        assert intervals.difficulty(density, _features(**features)) == wanted


class TestTable:
    def test_holds_every_class_with_enough_nodules_and_the_measured_size(self) -> None:
        assert tuple(ERRORS) == CLASSES
        for errors in ERRORS.values():
            assert errors.n >= 20
            assert errors.diameter.low < 1 < errors.diameter.high
            assert errors.volume.low < 1 < errors.volume.high
        assert ERRORS["clear"].n >= LEAST

    def test_every_interval_rests_on_enough_nodules_or_falls_back_on_the_widest_class(
        self,
    ) -> None:
        fitted, wide = intervals.read_errors(), ERRORS[intervals.WIDEST]
        assert wide.n >= LEAST
        for name, errors in ERRORS.items():
            assert errors.n + errors.lent >= LEAST
            if fitted[name].n >= LEAST:
                assert errors == fitted[name]
                continue
            for span, *inner in (
                (errors.diameter, fitted[name].diameter, wide.diameter),
                (errors.volume, fitted[name].volume, wide.volume),
            ):
                assert span.low == min(one.low for one in inner)
                assert span.high == max(one.high for one in inner)
        assert ERRORS["dim"].lent == wide.n

    def test_the_hard_classes_are_wider_than_the_clear_one(self) -> None:
        widths = {k: e.diameter.high - e.diameter.low for k, e in ERRORS.items()}
        assert min(widths, key=lambda k: widths[k]) == "clear"
