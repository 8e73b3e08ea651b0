# SPDX-License-Identifier: Apache-2.0
"""The table engine: gaps and overlaps are found, ids are unique, sources are marked."""

import pytest

from healthvision.clinical.guidelines import bts, fleischner, lung_rads
from healthvision.clinical.guidelines.c_lung_rads import TABLES as C_TABLES
from healthvision.clinical.guidelines.c_lung_rads import UPGRADE as C_UPGRADE
from healthvision.clinical.guidelines.rules import Condition, Rule, RuleTableError, evaluate

LOW = Rule("t/low", "low", (Condition("x", below=5),), "S: test")
HIGH = Rule("t/high", "high", (Condition("x", at_least=4),), "S: test")

ALL_RULES = [
    *lung_rads.EXCEPTIONS,
    *(rule for table in lung_rads.TABLES.values() for rule in table),
    lung_rads.UPGRADE,
    *fleischner.SOLID,
    *fleischner.SUBSOLID,
    *fleischner.BENIGN,
    *bts.BY_VOLUME,
    *bts.BY_DIAMETER,
    *bts.BY_RISK,
    *bts.BY_DENSITY,
    *(rule for table in C_TABLES.values() for rule in table),
    C_UPGRADE,
]


class TestEvaluate:
    def test_an_overlap_is_an_error(self) -> None:
        with pytest.raises(RuleTableError, match="t/low and t/high"):
            evaluate((LOW, HIGH), {"x": 4.5})

    def test_a_gap_is_an_error_when_a_row_is_required(self) -> None:
        with pytest.raises(RuleTableError, match="no row"):
            evaluate((LOW,), {"x": 7}).required()

    def test_a_missing_fact_never_matches(self) -> None:
        assert evaluate((LOW, HIGH), {"x": None}).rule is None


class TestTables:
    def test_rule_ids_are_unique(self) -> None:
        ids = [rule.id for rule in ALL_RULES]
        assert len(ids) == len(set(ids))

    def test_every_row_names_the_source_it_was_read_in(self) -> None:
        assert [rule.id for rule in ALL_RULES if not rule.source.startswith("S: ")] == []
