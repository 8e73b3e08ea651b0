# SPDX-License-Identifier: Apache-2.0
"""The whole API against its own OpenAPI document: every success, and generated input."""

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import requests
import schemathesis
from schemathesis.core.failures import FailureGroup

from tests.journeys.calls import MAKERS, SPARE, Call
from tests.journeys.fuzzing import Fuzzer, strategies
from tests.journeys.operations import Operation, body_schema, document, operations
from tests.journeys.world import World, opened_world

LONG_CASES = int(os.environ.get("HV_TEST_API_LONG_CASES", "10500"))
LONG_SECONDS = float(os.environ.get("HV_TEST_API_LONG_SECONDS", "330"))
# What these change is everybody's: they come last, and the world of the long run is its own.
DISRUPTIVE = frozenset({"change_model", "rotate_signing_key", "mark_all_read"})
CASES = int(os.environ.get("HV_TEST_API_CASES", "24"))
SECONDS = float(os.environ.get("HV_TEST_API_SECONDS", "45"))


@pytest.fixture(scope="module")
def schema() -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_dict(document())


@pytest.fixture
def fuzzer(world: World) -> Iterator[Fuzzer]:
    with requests.Session() as session:
        yield Fuzzer(world.url, world.admin.headers, session)


def _fuzz(
    world: World,
    fuzzer: Fuzzer,
    schema: schemathesis.BaseSchema,
    *,
    cases: int,
    seconds: float,
) -> None:
    end = time.monotonic() + seconds
    left = len(operations())
    for operation in operations():
        now = time.monotonic()
        until = now + (end - now) / left * 2
        left -= 1
        target = schema[operation.path][operation.method]
        call = SPARE.get(operation.id, MAKERS[operation.id])(world)
        label = f"{operation.method} {operation.path}"
        fuzzer.run(strategies(target, call), label, cases, min(until, end))


def _judge(fuzzer: Fuzzer) -> None:
    """Every operation was tried, however slow the machine is, and nothing undocumented came."""
    found = fuzzer.findings
    assert found.failures == {}, "\n\n".join(f"{k}\n{v}" for k, v in found.failures.items())
    tried = {label for label, count in found.tried.items() if count}
    assert {f"{o.method} {o.path}" for o in operations()} - tried == set()


def _settle(world: World, seeds: dict[str, Call]) -> None:
    """Bring everything into the state that the seeds were made in."""
    world.ask("PATCH", "/v1/models/lung-ct", json={"enabled": True})
    for name in ("get_study", "get_result", "get_task", "get_batch", "get_patient", "get_space"):
        operation = next(o for o in operations() if o.id == name)
        answer = seeds[name].send(world.http, "GET", operation.path, world.admin.headers)
        assert answer.status_code == 200, f"{name} lost its seed: {answer.text}"


@pytest.fixture
def own_world(tmp_path: Path) -> Iterator[World]:
    """A platform that generated calls may wear out."""
    with opened_world(tmp_path) as opened:
        yield opened


@pytest.mark.long
@pytest.mark.timeout(900)
class TestAtLength:
    def test_ten_thousand_generated_calls_are_answered_as_documented(
        self, own_world: World, schema: schemathesis.BaseSchema
    ) -> None:
        """All seeds are made before the first generated call; disruptive operations come last."""
        ordered = sorted(operations(), key=lambda o: o.id in DISRUPTIVE)
        seeds = {o.id: SPARE.get(o.id, MAKERS[o.id])(own_world) for o in ordered}
        end = time.monotonic() + LONG_SECONDS
        with requests.Session() as session:
            fuzzer = Fuzzer(own_world.url, own_world.admin.headers, session)
            found = fuzzer.findings
            for round_ in count():
                fuzzer.seed = round_
                missing = LONG_CASES - found.tried.total()
                if missing <= 0 or time.monotonic() > end:
                    break
                for number, operation in enumerate(ordered):
                    share = (end - time.monotonic()) / (len(ordered) - number) * 2
                    target = schema[operation.path][operation.method]
                    label = f"{operation.method} {operation.path}"
                    wanted = missing // len(ordered) + 1
                    until = min(time.monotonic() + share, end)
                    fuzzer.run(strategies(target, seeds[operation.id]), label, wanted, until)
                _settle(own_world, seeds)
        sys.stdout.write(f"{found.tried.total()} cases, statuses {dict(found.statuses)}\n")
        _judge(fuzzer)


class TestDocument:
    def test_every_operation_has_an_id_of_its_own(self) -> None:
        ids = [o.id for o in operations()]
        assert len(ids) == len(set(ids))

    def test_every_operation_has_a_seed(self) -> None:
        assert [o.id for o in operations() if o.id not in MAKERS] == []

    def test_every_seed_is_of_an_operation(self) -> None:
        assert sorted(MAKERS.keys() - {o.id for o in operations()}) == []


class TestEveryOperation:
    @pytest.mark.parametrize("operation", operations(), ids=lambda o: o.id)
    def test_reaches_a_success_that_is_as_documented(
        self, operation: Operation, world: World, schema: schemathesis.BaseSchema
    ) -> None:
        call = MAKERS[operation.id](world)
        answer = call.send(world.http, operation.method, operation.path, world.admin.headers)
        assert answer.is_success, f"{answer.status_code} {answer.text[:2000]}"
        target = schema[operation.path][operation.method]
        try:
            target.validate_response(answer)
        except FailureGroup as group:
            pytest.fail(str(group))

    def test_answers_generated_input_as_documented(
        self, world: World, fuzzer: Fuzzer, schema: schemathesis.BaseSchema
    ) -> None:
        _fuzz(world, fuzzer, schema, cases=CASES, seconds=SECONDS)
        _judge(fuzzer)


PATCHES = [o for o in operations() if o.method == "PATCH"]
TIMES = ("2030-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "soon")


def _optional(operation: Operation) -> list[str]:
    return list((body_schema(operation) or {}).get("properties", {}))


def _times(operation: Operation) -> list[str]:
    return [p["name"] for p in operation.parameters if "date-time" in str(p["schema"])]


class TestEdges:
    @pytest.mark.parametrize("operation", PATCHES, ids=lambda o: o.id)
    def test_null_in_a_change_is_no_server_error(self, operation: Operation, world: World) -> None:
        call = SPARE.get(operation.id, MAKERS[operation.id])(world)
        for name in _optional(operation):
            nulled = replace(call, json={name: None})
            answer = nulled.send(world.http, "PATCH", operation.path, world.admin.headers)
            assert answer.status_code in (200, 403, 409, 422), (name, answer.text)

    @pytest.mark.parametrize(
        "operation", [o for o in operations() if _times(o)], ids=lambda o: o.id
    )
    @pytest.mark.parametrize("text", TIMES)
    def test_a_time_no_database_knows_is_refused(
        self, operation: Operation, text: str, world: World
    ) -> None:
        call = MAKERS[operation.id](world)
        for name in _times(operation):
            timed = replace(call, query={**call.query, name: text})
            answer = timed.send(world.http, operation.method, operation.path, world.admin.headers)
            assert answer.status_code == 422, (name, answer.text)
            assert name in answer.json()["detail"]

    @pytest.mark.parametrize("path", sorted({o.path for o in operations()}))
    def test_a_method_that_is_not_there_is_405_and_names_those_that_are(
        self, path: str, world: World
    ) -> None:
        answer = world.http.request("TRACE", path.replace("{", "").replace("}", ""))
        assert answer.status_code == 405
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["allow"]
