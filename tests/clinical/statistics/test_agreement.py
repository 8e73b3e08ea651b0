# SPDX-License-Identifier: Apache-2.0
"""Wilson intervals and Cohen's kappa against published values."""

import pytest

from healthvision.clinical.statistics.agreement import cohen, wilson


class TestWilson:
    def test_published_values(self) -> None:
        """Newcombe 1998 (Stat Med 17:857), table I, method 3: 81/263 and 0/20."""
        found = wilson(81, 263)
        assert found.low == pytest.approx(0.2553, abs=5e-5)
        assert found.high == pytest.approx(0.3662, abs=5e-5)
        none = wilson(0, 20)
        assert none.low == 0.0
        assert none.high == pytest.approx(0.1611, abs=5e-5)

    def test_nothing_counted_says_nothing_and_nonsense_is_refused(self) -> None:
        assert wilson(0, 0).share is None
        with pytest.raises(ValueError, match="wilson"):
            wilson(3, 2)


class TestCohen:
    def test_a_worked_example(self) -> None:
        """Both yes 20, first only 5, second only 10, both no 15: kappa 0.4."""
        table = {("y", "y"): 20, ("y", "n"): 5, ("n", "y"): 10, ("n", "n"): 15}
        found = cohen(table)
        assert found.n == 50
        assert found.observed == pytest.approx(0.7)
        assert found.kappa == pytest.approx(0.4)

    def test_no_variation_has_no_kappa(self) -> None:
        found = cohen({("y", "y"): 4})
        assert (found.observed, found.kappa) == (1.0, None)
        with pytest.raises(ValueError, match="cohen"):
            cohen({})
