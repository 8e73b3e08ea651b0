# SPDX-License-Identifier: Apache-2.0
"""What breaks callers of the API, each kind of change beside a harmless one like it."""

import copy
from typing import Any

import pytest

from healthvision.app.compatibility import breaking

Json = dict[str, Any]
STRING, NULL = {"type": "string"}, {"type": "null"}


def _sent(schema: Json) -> Json:
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    answers = {"200": {"content": {"application/json": {"schema": STRING}}}}
    return {"paths": {"/v1/things": {"post": {"requestBody": body, "responses": answers}}}}


def _answered(schema: Json) -> Json:
    answers = {"200": {"content": {"application/json": {"schema": schema}}}}
    return {"paths": {"/v1/things": {"get": {"responses": answers}}}}


def _asked(schema: Json, **more: Any) -> Json:
    parameter = {"in": "query", "name": "q", "schema": schema, **more}
    operation = {"parameters": [parameter], "responses": {}}
    return {"paths": {"/v1/things": {"get": operation}}}


def _thing(required: tuple[str, ...] = (), **members: Json) -> Json:
    return {"type": "object", "properties": members, "required": list(required)}


def _any(*schemas: Json) -> Json:
    return {"anyOf": list(schemas)}


INTEGER, NUMBER = {"type": "integer"}, {"type": "number"}
# what is compared, schema before, schema after, words of the line
BREAKS = [
    ("body member's type", _thing(a=STRING), _thing(a=INTEGER), ".a type string became integer"),
    ("body number", NUMBER, INTEGER, "type number became integer"),
    ("body member gone", _thing(a=STRING, b=STRING), _thing(a=STRING), "member b is gone"),
    ("required", _thing(a=STRING), _thing(("a",), a=STRING), "member a is required now"),
    ("new and required", _thing(), _thing(("b",), b=STRING), "member b is required now"),
    ("null refused", _any(STRING, NULL), STRING, "null is not taken any more"),
    ("alternative gone", {"oneOf": [STRING, NUMBER, NULL]}, _any(STRING, NULL), "number is not"),
    ("type list", {"type": ["string", "null"]}, STRING, "null is not taken any more"),
    ("enum value gone", {"enum": ["a", "b"]}, {"enum": ["a"]}, "value 'b' is gone"),
    ("becomes an enum", STRING, {"type": "string", "enum": ["a"]}, "only ['a'] is taken now"),
    ("const", {"enum": ["a", "b"]}, {"const": "a"}, "value 'b' is gone"),
    ("maximum lower", {**NUMBER, "maximum": 9}, {**NUMBER, "maximum": 8}, "maximum is 8 now"),
    ("minimum new", NUMBER, {**NUMBER, "minimum": 1}, "minimum is 1 now"),
    ("longer at least", {**STRING, "minLength": 1}, {**STRING, "minLength": 2}, "minLength is 2"),
    ("shorter at most", STRING, {**STRING, "maxLength": 99}, "maxLength is 99 now"),
    ("fewer items", {"type": "array", "items": STRING}, {"type": "array", "items": STRING,
     "maxItems": 5}, "maxItems is 5 now"),
    ("pattern", STRING, {**STRING, "pattern": "^a"}, "pattern is '^a' now"),
    ("format", STRING, {**STRING, "format": "uuid"}, "format uuid is asked for now"),
    ("closed", _thing(a=STRING), {**_thing(a=STRING), "additionalProperties": False}, "further"),
    ("deep", _thing(a={"type": "array", "items": _thing(b=STRING)}),
     _thing(a={"type": "array", "items": _thing(b=NULL)}), ".a[].b type string became null"),
    ("map", {"type": "object", "additionalProperties": STRING},
     {"type": "object", "additionalProperties": NUMBER}, ".* type string became number"),
]  # fmt: skip
HARMLESS = [
    ("more members", _thing(a=STRING), _thing(a=STRING, b=STRING)),
    ("no longer required", _thing(("a",), a=STRING), _thing(a=STRING)),
    ("integer to number", INTEGER, NUMBER),
    ("null taken too", STRING, _any(STRING, NULL)),
    ("the order of alternatives", _any(STRING, NULL), {"oneOf": [NULL, STRING]}),
    ("type list as alternatives", {"type": ["string", "null"]}, _any(NULL, STRING)),
    ("enum value more", {"enum": ["a"]}, {"enum": ["a", "b"]}),
    ("enum to any text", {"type": "string", "enum": ["a"]}, STRING),
    ("maximum higher", {**NUMBER, "maximum": 9}, {**NUMBER, "maximum": 10}),
    ("minimum gone", {**NUMBER, "minimum": 1}, NUMBER),
    ("shorter allowed", {**STRING, "minLength": 2}, {**STRING, "minLength": 1}),
    ("pattern gone", {**STRING, "pattern": "^a"}, STRING),
    ("format gone", {**STRING, "format": "uuid"}, STRING),
    ("opened", {**_thing(), "additionalProperties": False}, _thing()),
    ("texts", {**STRING, "description": "x"}, {**STRING, "description": "y", "title": "z"}),
    ("anything", STRING, {}),
]
ANSWER_BREAKS = [
    ("type", _thing(a=STRING), _thing(a=INTEGER), ".a type string became integer"),
    ("number", INTEGER, NUMBER, "type integer became number"),
    ("member gone", _thing(a=STRING), _thing(), "member a is gone"),
    ("maybe absent", _thing(("a",), a=STRING), _thing(a=STRING), "member a may be absent now"),
    ("maybe null", _thing(a=STRING), _thing(a=_any(STRING, NULL)), ".a may be null now"),
    ("format gone", {**STRING, "format": "uuid"}, STRING, "format uuid became None"),
    ("items", {"type": "array", "items": STRING}, {"type": "array", "items": NULL}, "[] type"),
]
ANSWER_HARMLESS = [
    ("more members", _thing(a=STRING), _thing(("b",), a=STRING, b=STRING)),
    ("always there", _thing(a=STRING), _thing(("a",), a=STRING)),
    ("never null", _any(STRING, NULL), STRING),
    ("number to integer", NUMBER, INTEGER),
    ("enum value more", {"enum": ["a"]}, {"enum": ["a", "b"]}),
    ("looser bounds", {**NUMBER, "maximum": 9}, NUMBER),
    ("format new", STRING, {**STRING, "format": "uuid"}),
]


def _names(rows: list[Any]) -> list[str]:
    return [row[0] for row in rows]


class TestWhatCallersSend:
    @pytest.mark.parametrize(("what", "old", "new", "words"), BREAKS, ids=_names(BREAKS))
    def test_a_break_is_found_in_bodies_and_parameters(
        self, what: str, old: Json, new: Json, words: str
    ) -> None:
        for place in (_sent, _asked):
            (line,) = breaking(place(old), place(new))
            assert words in line, what

    @pytest.mark.parametrize(("what", "old", "new"), HARMLESS, ids=_names(HARMLESS))
    def test_a_harmless_change_is_let_pass(self, what: str, old: Json, new: Json) -> None:
        for place in (_sent, _asked):
            assert breaking(place(old), place(new)) == [], what

    def test_parameters(self) -> None:
        assert breaking(_asked(STRING), _asked(STRING, required=True)) == [
            "GET /v1/things: parameter q is required now"
        ]
        gone = _asked(STRING)
        gone["paths"]["/v1/things"]["get"]["parameters"] = []
        assert breaking(_asked(STRING), gone) == ["GET /v1/things: parameter q is gone"]
        assert breaking(gone, _asked(STRING)) == []
        assert breaking(_asked(STRING, required=True), _asked(STRING)) == []

    def test_bodies(self) -> None:
        without, optional = _sent(STRING), _sent(STRING)
        operation = without["paths"]["/v1/things"]["post"]
        del operation["requestBody"]
        optional["paths"]["/v1/things"]["post"]["requestBody"]["required"] = False
        assert breaking(without, _sent(STRING)) == ["POST /v1/things: a body is required now"]
        assert breaking(optional, _sent(STRING)) == ["POST /v1/things: a body is required now"]
        assert breaking(without, optional) == []
        assert breaking(_sent(STRING), without) == ["POST /v1/things: the body is gone"]

    def test_media_types(self) -> None:
        form = copy.deepcopy(_sent(STRING))
        content = form["paths"]["/v1/things"]["post"]["requestBody"]["content"]
        content["text/plain"] = content["application/json"]
        assert breaking(_sent(STRING), form) == []
        (line,) = breaking(form, _sent(STRING))
        assert "media type text/plain is gone" in line


class TestWhatCallersGet:
    @pytest.mark.parametrize(
        ("what", "old", "new", "words"), ANSWER_BREAKS, ids=_names(ANSWER_BREAKS)
    )
    def test_a_break_is_found(self, what: str, old: Json, new: Json, words: str) -> None:
        (line,) = breaking(_answered(old), _answered(new))
        assert words in line, what

    @pytest.mark.parametrize(("what", "old", "new"), ANSWER_HARMLESS, ids=_names(ANSWER_HARMLESS))
    def test_a_harmless_change_is_let_pass(self, what: str, old: Json, new: Json) -> None:
        assert breaking(_answered(old), _answered(new)) == [], what

    def test_statuses(self) -> None:
        more = _answered(STRING)
        more["paths"]["/v1/things"]["get"]["responses"]["202"] = {}
        more["paths"]["/v1/things"]["get"]["responses"]["404"] = {}
        assert breaking(_answered(STRING), more) == []
        assert breaking(more, _answered(STRING)) == ["GET /v1/things: status 202 is gone"]


class TestSchemasThatHoldThemselves:
    def _tree(self, leaf: Json) -> Json:
        node = _thing(leaf=leaf, kids={"type": "array", "items": {"$ref": "#/components/x/Node"}})
        document = _answered({"$ref": "#/components/x/Node"})
        return {**document, "components": {"schemas": {"Node": node}}}

    def test_are_compared_once(self) -> None:
        assert breaking(self._tree(STRING), self._tree(STRING)) == []
        (line,) = breaking(self._tree(STRING), self._tree(NUMBER))
        assert ".leaf type string became number" in line
