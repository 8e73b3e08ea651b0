# SPDX-License-Identifier: Apache-2.0
"""Volume doubling time against the published vector and the limits of BTS 2015."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthvision.clinical.guidelines import GuidelineInputError, growth, volume_doubling_time_days


class TestVolumeDoublingTimeDays:
    def test_published_vector(self) -> None:
        days = volume_doubling_time_days(113.1, 268.1, 90)
        assert days is not None
        assert round(days) == 72

    @given(st.floats(1, 1e4), st.floats(1, 2000))
    def test_doubling_takes_exactly_the_interval(self, volume: float, days: float) -> None:
        assert volume_doubling_time_days(volume, 2 * volume, days) == pytest.approx(days)

    def test_shrinking_has_no_doubling_time(self) -> None:
        assert volume_doubling_time_days(200, 199, 90) is None

    @pytest.mark.parametrize("bad", [0.0, -1.0, float("nan")])
    def test_impossible_input_is_refused(self, bad: float) -> None:
        with pytest.raises(GuidelineInputError, match="days"):
            volume_doubling_time_days(100, 200, bad)


class TestGrowth:
    @pytest.mark.parametrize(("second", "verdict"), [(124.9, "stable"), (125.1, "suspicious")])
    def test_a_quarter_more_volume_is_growth(self, second: float, verdict: str) -> None:
        assert growth(100, second, 30).verdict == verdict

    @pytest.mark.parametrize(
        ("days", "verdict"),
        [(399, "suspicious"), (401, "intermediate"), (599, "intermediate"), (601, "benign-like")],
    )
    def test_limits_of_the_doubling_time(self, days: float, verdict: str) -> None:
        assert growth(100, 200, days).verdict == verdict
