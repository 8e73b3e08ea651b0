# SPDX-License-Identifier: Apache-2.0
"""The whole API against its own OpenAPI document: every success, and generated input."""

import os
import time
from collections.abc import Iterator

import pytest
import requests
import schemathesis
from schemathesis.core.failures import FailureGroup

from tests.journeys.calls import MAKERS, SPARE
from tests.journeys.fuzzing import Fuzzer, strategies
from tests.journeys.operations import Operation, document, operations
from tests.journeys.world import World

CASES = int(os.environ.get("HV_TEST_API_CASES", "24"))
SECONDS = float(os.environ.get("HV_TEST_API_SECONDS", "60"))
LONG_CASES = int(os.environ.get("HV_TEST_API_LONG_CASES", "200"))
LONG_SECONDS = float(os.environ.get("HV_TEST_API_LONG_SECONDS", "900"))


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
        until = now + (end - now) / left * 4
        left -= 1
        target = schema[operation.path][operation.method]
        call = SPARE.get(operation.id, MAKERS[operation.id])(world)
        label = f"{operation.method} {operation.path}"
        fuzzer.run(strategies(target, call), label, cases, min(until, end))


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
        found = fuzzer.findings
        assert found.failures == {}, "\n\n".join(f"{k}\n{v}" for k, v in found.failures.items())
        assert found.cases >= 5 * len(operations()), found.statuses

    @pytest.mark.long
    @pytest.mark.timeout(1800)
    def test_answers_ten_thousand_generated_calls_as_documented(
        self, world: World, fuzzer: Fuzzer, schema: schemathesis.BaseSchema
    ) -> None:
        _fuzz(world, fuzzer, schema, cases=LONG_CASES, seconds=LONG_SECONDS)
        found = fuzzer.findings
        assert found.failures == {}, "\n\n".join(f"{k}\n{v}" for k, v in found.failures.items())
        assert found.cases >= 10_000, found.statuses
