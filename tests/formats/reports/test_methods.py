# SPDX-License-Identifier: Apache-2.0
"""Methods of the applications are told in Chinese too."""

import re

import pytest

from healthvision.clinical.chest.intervals import ERRORS
from healthvision.formats.reports.methods import method_words
from healthvision.plugins.applications.chest_xray import findings, signs
from healthvision.plugins.applications.lung_ct.findings import FOREST_METHOD, NO_INTERVAL

ENGLISH = re.compile(r"(?<![A-Za-z-])[a-z]{3,}")  # a word; names such as Saabas and LAA are none


class TestMethodWords:
    @pytest.mark.parametrize(
        "method",
        [
            findings.RATIO_METHOD,
            f"{findings.RATIO_METHOD}; at the detector, magnified",
            findings.OPACITY_METHOD,
            signs.METHOD,
            FOREST_METHOD,
            "Saabas path attribution of the forest (share of votes)",
            f"half maximum; {NO_INTERVAL}",
            *(f"half maximum; interval from 12 {kind} nodules of phantoms" for kind in ERRORS),
            "half maximum; interval from 12 dim and 30 part-solid nodules of phantoms",
            "T1: N4, three normal classes, neighbourhood prior, partial volume",
            "coarse grid 2.5 mm, largest axial section, only the part within the expected lung",
        ],
    )
    def test_no_english_word_is_left_in_chinese(self, method: str) -> None:
        text = method_words(method)
        assert text.en == method
        assert not ENGLISH.search(text.zh), text.zh

    def test_an_unknown_method_stays_as_it_is(self) -> None:
        assert method_words("spin the wheel; network map").zh == "spin the wheel；网络输出图"
