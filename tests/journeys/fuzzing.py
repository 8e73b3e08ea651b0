# SPDX-License-Identifier: Apache-2.0
"""Generated calls of one operation with schemathesis, and what is wrong with the answers."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import requests
import schemathesis
from hypothesis.strategies import SearchStrategy
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.journeys.calls import Call

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
Case = schemathesis.Case[Any]
Cases = SearchStrategy[Case]
schemathesis.serializer.alias("application/zip", "application/octet-stream")  # bytes as well


class _TimeOver(BaseException):
    """Ends a run at once; hypothesis would look for a smaller example of any Exception."""


@dataclass
class Findings:
    """How many cases ran, by operation and by status, and each kind of failure with one example."""

    tried: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)

    def add(self, label: str, error: FailureGroup) -> None:
        """Keep the first example of each kind of failure of an operation."""
        for failure in error.exceptions:
            kind = f"{label}: {failure.title}"
            self.failures.setdefault(kind, str(error)[:2500])


@dataclass
class Fuzzer:
    """Calls operations of a server over HTTP and checks every answer against the document.

    ``seed`` chooses other cases; None: the same ones in every run.
    """

    url: str
    headers: dict[str, str]
    session: requests.Session
    findings: Findings = field(default_factory=Findings)
    seed: int | None = None

    def check(self, case: Case, label: str) -> None:
        """Send one case; a failure is kept, so that one run shows them all."""
        answer = case.call(self.url, self.session, self.headers, timeout=60)
        self.findings.tried[label] += 1
        self.findings.statuses[answer.status_code] += 1
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as group:
            self.findings.add(label, group)

    def run(self, strategies: Iterable[Cases], label: str, cases: int, until: float) -> None:
        """Generate about ``cases`` calls, evenly over the strategies, while there is time.

        One call is made however late it is, so that no operation is left out.
        """
        found = list(strategies)
        for strategy in found:
            if self._over(label, until):
                return
            self._run(strategy, label, max(1, cases // len(found)), until)

    def _over(self, label: str, until: float) -> bool:
        return time.monotonic() > until and self.findings.tried[label] > 0

    def _run(self, strategy: Cases, label: str, cases: int, until: float) -> None:
        @hypothesis.settings(
            max_examples=cases,
            database=None,
            derandomize=self.seed is None,
            deadline=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=strategy)
        def each(case: Case) -> None:
            if self._over(label, until):
                raise _TimeOver
            self.check(case, label)

        try:
            (each if self.seed is None else hypothesis.seed(self.seed)(each))()
        except (_TimeOver, hypothesis.errors.Unsatisfiable):
            return  # the latter: nothing in this operation can be made wrong


def strategies(operation: Any, call: Call) -> list[Cases]:
    """Return generators: all parts random, with a real thing in the path, with a real body.

    ``operation`` is schemathesis' operation of the document.
    """
    found: list[Cases] = []
    for mode in MODES:
        found.append(operation.as_strategy(generation_mode=mode))
        if call.path:
            found.append(operation.as_strategy(generation_mode=mode, path_parameters=call.path))
    if call.json is not None:
        body = operation.as_strategy(path_parameters=call.path or None, body=call.json)
        found.append(body)
    return found
