# SPDX-License-Identifier: Apache-2.0
"""Quantities by short names."""

import pytest

from healthvision.clinical.vocabulary import Vocabulary

WORDS = Vocabulary.own("heart", {"width": ("心影宽度", "Width of the heart")})


class TestMeasurement:
    def test_has_its_code_both_names_and_what_was_measured_rounded(self) -> None:
        made = WORDS.measurement("width", 12.345, "cm", "by hand", (11.94, 12.96), digits=1)
        assert (made.code.scheme, made.code.value) == ("99HV", "heart-width")
        assert (made.code.meaning, made.label.zh) == ("Width of the heart", "心影宽度")
        assert made.interval is not None
        assert (made.value, made.interval.low, made.interval.high) == (12.3, 11.9, 13.0)
        assert (made.unit, made.method) == ("cm", "by hand")

    def test_without_an_interval_claims_none(self) -> None:
        assert WORDS.measurement("width", 12.345, "cm", "by hand", digits=2).interval is None
        with pytest.raises(KeyError):
            WORDS.measurement("depth", 1.0, "cm", "by hand")
