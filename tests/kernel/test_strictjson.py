# SPDX-License-Identifier: Apache-2.0
"""JSON that would hurt later is refused at the door."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthvision.kernel import strictjson
from healthvision.kernel.errors import Problem

safe_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**300), 10**300)
    | safe_text
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(safe_text, inner, max_size=5),
    max_leaves=20,
)


class TestLoads:
    @given(documents)
    def test_gives_back_every_sane_document(self, document: object) -> None:
        assert strictjson.loads(json.dumps(document)) == document

    @pytest.mark.parametrize(
        ("text", "status"),
        [
            ("NaN", 422),
            ('{"a": Infinity}', 422),
            ("[-Infinity]", 422),
            ("1e999", 422),
            ('"\\ud800"', 422),
            ('{"\\udfff": 1}', 422),
            ('"a\\u0000b"', 422),
            ('{"a": 1, "a": 2}', 422),
            ("1" * 5000, 422),
            ("[" * 100_000, 422),
            ("[" * 70 + "]" * 70, 422),
            ("{", 400),
            ("", 400),
            ("'a'", 400),
            ("1 2", 400),
        ],
    )
    def test_refuses_with_a_status(self, text: str, status: int) -> None:
        with pytest.raises(Problem) as caught:
            strictjson.loads(text)
        assert caught.value.status == status

    def test_refuses_bytes_that_are_no_utf8(self) -> None:
        with pytest.raises(strictjson.BadJson):
            strictjson.loads(b'"\xff"')


class TestDumps:
    def test_is_the_same_for_equal_values(self) -> None:
        assert strictjson.dumps({"b": 1, "a": "é"}) == strictjson.dumps({"a": "é", "b": 1})

    def test_refuses_nan(self) -> None:
        with pytest.raises(ValueError, match="JSON"):
            strictjson.dumps(float("nan"))
