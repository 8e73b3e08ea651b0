# SPDX-License-Identifier: Apache-2.0
"""What was decoded lately."""

import pytest

from healthvision.interfaces.dicomweb.query import BadParameter
from healthvision.interfaces.dicomweb.transcode import Kept
from healthvision.interfaces.dicomweb.wado_uri import check_parameters, region_of


class TestKept:
    def test_drops_what_was_not_used_for_longest(self) -> None:
        kept = Kept(40)
        for name in "abcd":
            kept.put((name,), bytes(10))
        assert kept.get(("a",)) is not None
        kept.put(("e",), bytes(10))
        assert kept.get(("b",)) is None
        assert kept.get(("a",)) is not None

    def test_never_keeps_what_would_fill_it(self) -> None:
        kept = Kept(40)
        kept.put(("a",), bytes(11))
        assert kept.get(("a",)) is None


class TestRegionOf:
    def test_is_in_parts_of_the_picture(self) -> None:
        assert region_of("0.25,0.5,0.75,1", 512, 256) == (128, 128, 256, 128)

    @pytest.mark.parametrize("text", ["", "1", "0,0,0,0", "0.5,0,0.4,1", "0,0,2,1", "nan,0,1,1"])
    def test_refuses_others(self, text: str) -> None:
        with pytest.raises(BadParameter, match="region"):
            region_of(text, 512, 512)


class TestCheckParameters:
    def test_refuses_a_request_for_anonymous_copies(self) -> None:
        with pytest.raises(BadParameter, match="identity"):
            check_parameters({"requestType": "WADO", "anonymize": "yes"})
