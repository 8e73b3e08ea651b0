# SPDX-License-Identifier: Apache-2.0
"""The rule language: types at save, defaults for what is absent, bounded work."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthvision.kernel.rules import RuleFailed, RuleInvalid, compile_rule

NAMES = {"Modality": str, "count": int, "thickness": float, "urgent": bool}


class TestCompileRule:
    @pytest.mark.parametrize(
        ("expression", "column"),
        [
            ("Modality = 'CT'", 10),
            ("count + 'a' == 3", 7),
            ("nothing == 1", 1),
            ("thickness > 2", 11),
            ("['a'].exists(x, x == Modality)", 6),
        ],
    )
    def test_refuses_and_names_the_place(self, expression: str, column: int) -> None:
        with pytest.raises(RuleInvalid) as caught:
            compile_rule(expression, NAMES)
        assert (caught.value.extra["line"], caught.value.extra["column"]) == (1, column)

    def test_refuses_what_is_no_condition(self) -> None:
        with pytest.raises(RuleInvalid, match="true or false"):
            compile_rule("count + 1", NAMES)

    def test_refuses_long_and_empty_text(self) -> None:
        for text in ("", "  ", "count > 0 || " * 200 + "true"):
            with pytest.raises(RuleInvalid):
                compile_rule(text, NAMES)

    def test_a_macro_name_inside_a_text_is_fine(self) -> None:
        assert compile_rule("Modality != '.all('", NAMES).matches({"Modality": "CT"})

    @given(st.text(max_size=60))
    def test_any_text_compiles_or_is_refused(self, text: str) -> None:
        try:
            compile_rule(text, NAMES)
        except RuleInvalid as problem:
            assert problem.detail


class TestMatches:
    def test_absent_values_have_defaults_and_say_so(self) -> None:
        rule = compile_rule("!has_count && count == 0 && Modality == ''", NAMES)
        assert rule.matches({})
        assert not rule.matches({"count": 0})

    def test_values_of_another_type_are_refused(self) -> None:
        rule = compile_rule("count > 1", NAMES)
        with pytest.raises(RuleFailed):
            rule.matches({"count": "2"})
        with pytest.raises(RuleFailed):
            rule.matches({"count": True})
        assert compile_rule("thickness >= 2.0", NAMES).matches({"thickness": 2})

    def test_a_division_by_zero_is_told(self) -> None:
        with pytest.raises(RuleFailed):
            compile_rule("1 / count == 1", NAMES).matches({"count": 0})

    def test_a_hostile_pattern_takes_linear_time(self) -> None:
        rule = compile_rule("Modality.matches('(a+)+$')", NAMES)
        started = time.monotonic()
        assert not rule.matches({"Modality": "a" * 20000 + "b"})
        assert time.monotonic() - started < 10  # backtracking would take for ever
