# SPDX-License-Identifier: Apache-2.0
"""Every operation of the published API shows what goes in and what comes out, and it is true."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from healthvision.app import reference
from healthvision.app.examples import METHODS, PROBLEM, PROBLEMS, recorded

Json = dict[str, Any]
DOCUMENT = reference.openapi()
OPERATIONS = [
    pytest.param(item[method], id=item[method]["operationId"])
    for path, item in DOCUMENT["paths"].items()
    if path.startswith("/v1/")
    for method in METHODS
    if method in item
]
TOLD = ("application/json", "application/x-www-form-urlencoded", "text/event-stream")


def _faults(schema: Json, value: Any) -> list[str]:
    whole = {**schema, "components": DOCUMENT["components"]}
    checker = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
    return [f"{e.instance_path}: {e.message}"[:300] for e in checker.iter_errors(value)]


def _successes(operation: Json) -> Iterator[tuple[str, str, Json]]:
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            for media, told in answer.get("content", {}).items():
                yield status, media, told


class TestEveryOperation:
    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_has_an_example_of_its_body_that_holds(self, operation: Json) -> None:
        for media, told in operation.get("requestBody", {}).get("content", {}).items():
            if media in TOLD:
                assert "example" in told, f"run: python -m tests.journeys.recording ({media})"
                assert _faults(told["schema"], told["example"]) == []

    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_has_an_example_of_its_answer_that_holds(self, operation: Json) -> None:
        for status, media, told in _successes(operation):
            if media in TOLD:
                assert "example" in told, f"run: python -m tests.journeys.recording ({status})"
            if media == "application/json":
                assert _faults(told.get("schema", {}), told["example"]) == []

    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_has_an_example_for_each_part_of_its_path(self, operation: Json) -> None:
        places = [p for p in operation.get("parameters", []) if p["in"] == "path"]
        assert [p["name"] for p in places if "example" not in p] == []

    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_shows_each_error_it_may_answer(self, operation: Json) -> None:
        for status, answer in operation["responses"].items():
            if status.startswith(("4", "5")):
                told = answer["content"][PROBLEM]
                assert told["schema"]["$ref"].endswith("/ProblemDocument")
                name = told["examples"]["problem"]["$ref"].rsplit("/", 1)[1]
                assert name == f"problem-{status}"


class TestExamples:
    def test_are_of_operations_that_exist(self) -> None:
        known = {i[m]["operationId"] for i in DOCUMENT["paths"].values() for m in METHODS if m in i}
        assert sorted(recorded().keys() - known) == [], "run: python -m tests.journeys.recording"

    def test_give_no_secret_away_and_hold_nothing_of_the_machine(self) -> None:
        text = json.dumps(recorded())
        assert re.findall(r"hv[a-z]*_(?!example)[A-Za-z0-9_-]{20,}", text) == []
        assert re.findall(r"/(?:tmp|home|root)/", text) == []
        assert re.findall(r"thing-\d+", text) == []

    @pytest.mark.parametrize("status", [p.status for p in PROBLEMS])
    def test_of_errors_hold(self, status: int) -> None:
        example = DOCUMENT["components"]["examples"][f"problem-{status}"]["value"]
        assert example["status"] == status
        assert _faults(DOCUMENT["components"]["schemas"]["ProblemDocument"], example) == []

    def test_of_errors_are_one_per_status(self) -> None:
        statuses = [p.status for p in PROBLEMS]
        assert len(statuses) == len(set(statuses))
