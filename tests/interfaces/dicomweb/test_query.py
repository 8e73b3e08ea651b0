# SPDX-License-Identifier: Apache-2.0
"""QIDO parameters become a query, and wrong ones are named."""

import pytest

from healthvision.interfaces.dicomweb.query import (
    MAX_RESULTS,
    BadParameter,
    UnknownAttribute,
    attribute,
    parse_query,
    with_requested,
)


class TestParseQuery:
    def test_takes_keywords_and_tags_alike(self) -> None:
        got = parse_query([("PatientName", "WANG*"), ("00080020", "20200101-20201231")])
        assert got.query.filters == {"PatientName": "WANG*", "StudyDate": "20200101-20201231"}

    def test_joins_repeated_uids_into_a_list(self) -> None:
        got = parse_query([("StudyInstanceUID", "1.2"), ("0020000D", "1.3")])
        assert got.query.filters == {"StudyInstanceUID": "1.2,1.3"}

    def test_reads_the_control_parameters(self) -> None:
        got = parse_query([("limit", "7"), ("offset", "3"), ("fuzzymatching", "true")])
        assert (got.query.limit, got.query.offset, got.query.fuzzy) == (7, 3, True)

    def test_caps_the_limit(self) -> None:
        assert parse_query([("limit", "999999")]).query.limit == MAX_RESULTS
        assert parse_query([]).query.limit == MAX_RESULTS

    def test_collects_includefields(self) -> None:
        pairs = [("includefield", "00081030,PatientID"), ("includefield", "BodyPartExamined")]
        got = parse_query(pairs)
        assert got.fields == {"00081030", "00100020", "00180015"}
        assert not got.everything
        assert parse_query([("includefield", "all")]).everything

    @pytest.mark.parametrize("name", ["Patient", "PatientNam", "zzzzzzzz", "00091001", "limits"])
    def test_names_an_unknown_attribute(self, name: str) -> None:
        with pytest.raises(UnknownAttribute, match=name) as caught:
            parse_query([(name, "x")])
        assert caught.value.status == 400
        assert caught.value.extra["parameter"] == name

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("limit", "-1"),
            ("limit", "x"),
            ("offset", "1.5"),
            ("offset", "99999999999"),
            ("fuzzymatching", "maybe"),
            ("PatientID", "a\x00b"),
        ],
    )
    def test_names_a_bad_value(self, name: str, value: str) -> None:
        with pytest.raises(BadParameter, match=name):
            parse_query([(name, value)])


class TestAttribute:
    def test_reads_a_path_into_a_sequence(self) -> None:
        path = "RequestAttributesSequence.ScheduledProcedureStepID"
        assert attribute("00400275.00400009") == path
        assert attribute(path) == path


class TestWithRequested:
    def test_shows_asked_attributes_without_a_value(self) -> None:
        request = parse_query([("includefield", "00081030"), ("PatientID", "1")])
        got = with_requested({"00100020": {"vr": "LO", "Value": ["1"]}}, request)
        assert got == {
            "00081030": {"vr": "LO"},
            "00100020": {"vr": "LO", "Value": ["1"]},
        }
