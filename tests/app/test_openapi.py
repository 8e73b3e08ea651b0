# SPDX-License-Identifier: Apache-2.0
"""The published API: up to date in the repository, and never broken for callers."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from healthvision.app import reference
from healthvision.app.compatibility import breaking

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
RELEASED = REFERENCE / "openapi-released.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return reference.openapi()


class TestReference:
    def test_the_pages_in_the_repository_are_those_of_the_code(self) -> None:
        stale = [
            name
            for name, content in reference.pages()
            if (REFERENCE / name).read_text("utf-8") != content
        ]
        assert stale == [], "run: make openapi"

    def test_nothing_breaks_callers_of_the_released_api(self, document: dict[str, Any]) -> None:
        released = json.loads(RELEASED.read_text("utf-8"))
        assert breaking(released, document) == []

    def test_every_operation_has_a_group_a_summary_and_its_errors(
        self, document: dict[str, Any]
    ) -> None:
        for path, item in document["paths"].items():
            for method, operation in item.items():
                name = f"{method} {path}"
                assert operation.get("tags"), name
                assert operation.get("summary"), name
                assert operation.get("description"), name
                assert any(s.startswith("2") or s == "302" for s in operation["responses"]), name

    def test_every_post_under_v1_of_a_known_caller_takes_an_idempotency_key(
        self, document: dict[str, Any]
    ) -> None:
        without = {
            path
            for path, item in document["paths"].items()
            if path.startswith("/v1/") and "post" in item
            if "Idempotency-Key"
            not in [p["name"] for p in item["post"].get("parameters", []) if p["in"] == "header"]
        }
        assert without == {"/v1/invites/accept", "/v1/password-resets/complete"}  # single-use

    def test_the_seven_groups_are_there(self, document: dict[str, Any]) -> None:
        tags = {t for i in document["paths"].values() for o in i.values() for t in o["tags"]}
        groups = {"user", "image", "analysis", "result", "model", "system", "webhook"}
        assert groups - tags == set()


class TestBreaking:
    def _operation(self) -> dict[str, Any]:
        answer = {"type": "object", "properties": {"id": {"type": "string"}}}
        operation = {
            "parameters": [{"in": "query", "name": "q", "schema": {"enum": ["a", "b"]}}],
            "requestBody": {
                "content": {
                    "application/json": {
                        "schema": {"properties": {"x": {}}, "required": ["x"], "type": "object"}
                    }
                }
            },
            "responses": {"200": {"content": {"application/json": {"schema": answer}}}},
        }
        return {"paths": {"/v1/things": {"post": operation}}}

    def test_equal_documents_break_nothing(self) -> None:
        assert breaking(self._operation(), self._operation()) == []

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda d: d["paths"].clear(), "gone"),
            (lambda o: o["responses"].update({"201": o["responses"].pop("200")}), "status 200"),
            (lambda o: o["parameters"][0].update(required=True), "required now"),
            (lambda o: o["parameters"][0]["schema"]["enum"].remove("b"), "value 'b'"),
            (
                lambda o: o["requestBody"]["content"]["application/json"]["schema"].update(
                    required=["x", "y"]
                ),
                "body member y",
            ),
            (
                lambda o: o["responses"]["200"]["content"]["application/json"]["schema"][
                    "properties"
                ].clear(),
                "member id is gone",
            ),
        ],
    )
    def test_finds_each_kind_of_break(self, change: Any, words: str) -> None:
        after = copy.deepcopy(self._operation())
        change(after if words == "gone" else after["paths"]["/v1/things"]["post"])
        assert any(words in line for line in breaking(self._operation(), after))
