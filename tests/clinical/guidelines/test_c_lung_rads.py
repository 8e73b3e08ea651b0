# SPDX-License-Identifier: Apache-2.0
"""C-Lung-RADS: every threshold +-0.1 mm and the upgrade by a model probability."""

import pytest

from healthvision.clinical.guidelines import GuidelineInputError, NoduleFacts, c_lung_rads


def value(n: NoduleFacts, probability: float | None = None) -> str:
    return c_lung_rads(n, model_probability=probability).value


class TestCLungRads:
    @pytest.mark.parametrize(
        ("size", "below", "at"), [(6, "1", "2"), (10, "2", "3"), (18, "3", "4")]
    )
    def test_solid_thresholds(self, size: float, below: str, at: str) -> None:
        assert [value(NoduleFacts("solid", size + d)) for d in (-0.1, 0, 0.1)] == [below, at, at]

    @pytest.mark.parametrize(("core", "below", "at"), [(6, "2", "3"), (10, "3", "4")])
    def test_part_solid_core_thresholds(self, core: float, below: str, at: str) -> None:
        values = [value(NoduleFacts("part-solid", 25, core + d)) for d in (-0.1, 0, 0.1)]
        assert values == [below, at, at]

    @pytest.mark.parametrize(("size", "below", "at"), [(6, "1", "2"), (20, "2", "3")])
    def test_ground_glass_thresholds(self, size: float, below: str, at: str) -> None:
        values = [value(NoduleFacts("ground-glass", size + d)) for d in (-0.1, 0, 0.1)]
        assert values == [below, at, at]

    def test_calcified_is_zero(self) -> None:
        assert value(NoduleFacts("calcified", 12)) == "0"

    def test_a_probability_of_one_half_lifts_two_and_three_to_four(self) -> None:
        assert [value(NoduleFacts("solid", 7), p) for p in (0.49, 0.5)] == ["2", "4"]
        assert [value(NoduleFacts("solid", 12), p) for p in (0.49, 0.5)] == ["3", "4"]
        assert value(NoduleFacts("solid", 5), 0.9) == "1"

    def test_a_missing_probability_is_an_assumption(self) -> None:
        category = c_lung_rads(NoduleFacts("solid", 7), model_probability=None)
        assert "not applied" in category.assumptions[0].en

    def test_a_negative_probability_is_refused(self) -> None:
        with pytest.raises(GuidelineInputError, match="model_probability"):
            value(NoduleFacts("solid", 7), -0.1)
