# SPDX-License-Identifier: Apache-2.0
"""Byte ranges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthvision.interfaces.dicomweb.ranges import RangeNotSatisfiable, Span, span_of


class TestSpanOf:
    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            (None, Span(0, 100, 100)),
            ("bytes=0-9", Span(0, 10, 100)),
            ("bytes=90-", Span(90, 10, 100)),
            ("bytes=-5", Span(95, 5, 100)),
            ("bytes=-500", Span(0, 100, 100)),
            ("bytes=50-5000", Span(50, 50, 100)),
            ("bytes=9-3", Span(0, 100, 100)),
            ("bytes=0-1,5-6", Span(0, 100, 100)),
            ("bytes=-", Span(0, 100, 100)),
            ("items=0-1", Span(0, 100, 100)),
        ],
    )
    def test_reads_one_range_and_gives_all_for_others(
        self, header: str | None, expected: Span
    ) -> None:
        assert span_of(header, 100) == expected

    @pytest.mark.parametrize("header", ["bytes=100-", "bytes=200-300", "bytes=-0"])
    def test_refuses_a_range_behind_the_end(self, header: str) -> None:
        with pytest.raises(RangeNotSatisfiable):
            span_of(header, 100)

    @given(header=st.text(max_size=20) | st.from_regex(r"bytes=\d{0,4}-\d{0,4}"))
    def test_never_leaves_the_bytes(self, header: str) -> None:
        try:
            span = span_of(header, 1000)
        except RangeNotSatisfiable:
            return
        assert span.start >= 0 and span.length > 0 and span.start + span.length <= 1000
        assert (span.status == 206) == ("Content-Range" in span.headers)
