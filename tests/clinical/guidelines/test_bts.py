# SPDX-License-Identifier: Apache-2.0
"""BTS 2015: thresholds by volume and by diameter, and the Brock step."""

import pytest

from healthvision.clinical.guidelines import GuidelineInputError, NoduleFacts, bts_2015


class TestBts2015:
    @pytest.mark.parametrize(
        ("size", "below", "at"),
        [
            (5, "discharge", "ct-12-months"),
            (6, "ct-12-months", "ct-3-months"),
            (8, "ct-3-months", "assess-risk"),
        ],
    )
    def test_diameter_thresholds(self, size: float, below: str, at: str) -> None:
        values = [
            bts_2015(NoduleFacts("solid", size + d), brock_probability=None).value
            for d in (-0.1, 0, 0.1)
        ]
        assert values == [below, at, at]

    @pytest.mark.parametrize(
        ("volume", "below", "at"),
        [(80, "discharge", "ct-3-months"), (300, "ct-3-months", "assess-risk")],
    )
    def test_volume_decides_when_known(self, volume: float, below: str, at: str) -> None:
        values = [
            bts_2015(NoduleFacts("solid", 5.5, volume_mm3=volume + d), brock_probability=None).value
            for d in (-0.1, 0, 0.1)
        ]
        assert values == [below, at, at]

    @pytest.mark.parametrize(
        ("probability", "expected"), [(0.099, "ct-surveillance"), (0.1, "pet-ct")]
    )
    def test_brock_of_ten_percent_asks_for_pet(self, probability: float, expected: str) -> None:
        category = bts_2015(NoduleFacts("solid", 9), brock_probability=probability)
        assert category.value == expected

    def test_subsolid_nodules_are_said_to_be_outside(self) -> None:
        category = bts_2015(NoduleFacts("ground-glass", 9), brock_probability=None)
        assert category.value == "not-applicable"

    def test_a_probability_above_one_is_refused(self) -> None:
        with pytest.raises(GuidelineInputError, match="brock_probability"):
            bts_2015(NoduleFacts("solid", 9), brock_probability=1.1)
