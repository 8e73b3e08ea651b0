# SPDX-License-Identifier: Apache-2.0
"""Credentials, retries and errors for every request, shared by both clients."""

import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from healthvision.client.auth import Auth
from healthvision.client.effects import Call, Effect, Listen, Operation, Pause, Save, T, Work
from healthvision.client.errors import ApiError, ConnectionFailed

RETRIED = frozenset({429, 502, 503, 504})
Outcome = httpx.Response | httpx.TransportError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long to try again.

    ``attempts``: tries in all; ``first_s`` doubles with each try up to ``longest_s``, with up to
    a quarter of random addition; a Retry-After is honoured up to ``patience_s``.
    """

    attempts: int = 5
    first_s: float = 0.5
    longest_s: float = 20.0
    patience_s: float = 120.0
    random: Callable[[], float] = field(default=random.random, repr=False)

    def delay(self, attempt: int, response: httpx.Response | None) -> float | None:
        """Return the seconds before try ``attempt + 1``, None when it is no use."""
        if attempt >= self.attempts:
            return None
        asked = retry_after(response) if response is not None else None
        if asked is not None:
            return asked if asked <= self.patience_s else None
        back_off = min(self.longest_s, self.first_s * 2.0 ** (attempt - 1))
        return back_off * (1 + self.random() / 4)


def retry_after(response: httpx.Response) -> float | None:
    """Return the seconds of a Retry-After header (number or HTTP date), None without one."""
    text = response.headers.get("retry-after", "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def drive(operation: Operation[T], auth: Auth, policy: RetryPolicy) -> Generator[Effect, Any, T]:
    """Run an operation: its effects come out with credentials, are retried, errors raised."""
    try:
        effect = next(operation)
        while True:
            try:
                if isinstance(effect, Pause | Work):
                    outcome = yield effect
                else:
                    outcome = yield from _perform(effect, auth, policy)
            except (ApiError, ConnectionFailed) as error:
                effect = operation.throw(error)
            else:
                effect = operation.send(outcome)
    except StopIteration as stop:
        result: T = stop.value
        return result


def _perform(
    effect: Call | Listen | Save, auth: Auth, policy: RetryPolicy
) -> Generator[Effect, Any, Any]:
    call = effect if isinstance(effect, Call) else effect.call
    attempt, renewed = 0, False
    while True:
        attempt += 1
        headers = {} if call.signed else (yield from _credentials(auth, policy))
        outcome: Any = yield _with_headers(effect, headers)
        if isinstance(outcome, httpx.Response) and outcome.status_code == 401 and not renewed:
            renewed = True
            if not call.signed and auth.renew():
                continue
        response = outcome if isinstance(outcome, httpx.Response) else None
        if not _again(call, outcome):
            return _checked(call, outcome)
        delay = policy.delay(attempt, response)
        if delay is None:
            return _checked(call, outcome)
        yield Pause(delay)


def _again(call: Call, outcome: Any) -> bool:
    if isinstance(outcome, httpx.TransportError):
        return call.repeatable
    if not isinstance(outcome, httpx.Response) or outcome.status_code not in RETRIED:
        return False
    return outcome.status_code in (429, 503) or call.repeatable


def _credentials(auth: Auth, policy: RetryPolicy) -> Generator[Effect, Any, dict[str, str]]:
    steps = auth.headers()
    try:
        call = next(steps)
        while True:
            attempt = 1
            outcome: Any = yield call
            while _again(replace(call, method="GET"), outcome):
                response = outcome if isinstance(outcome, httpx.Response) else None
                delay = policy.delay(attempt, response)
                if delay is None:
                    break
                yield Pause(delay)
                attempt += 1
                outcome = yield call
            call = steps.send(_checked(call, outcome))
    except StopIteration as stop:
        headers: dict[str, str] = stop.value
        return headers


def _with_headers(effect: Call | Listen | Save, headers: dict[str, str]) -> Effect:
    if isinstance(effect, Call):
        return replace(effect, headers={**effect.headers, **headers})
    return replace(effect, call=replace(effect.call, headers={**effect.call.headers, **headers}))


def _checked(call: Call, outcome: Any) -> Any:
    if isinstance(outcome, httpx.TransportError):
        raise ConnectionFailed(f"{call.method} {call.path.partition('?')[0]}: {outcome}")
    if isinstance(outcome, httpx.Response):
        bad = not outcome.is_success and outcome.status_code not in call.expected
        if bad:
            raise api_error(outcome)
    return outcome


def api_error(response: httpx.Response) -> ApiError:
    """Return the error of a bad answer, also when it is no problem document (a proxy's page)."""
    try:
        document = response.json()
    except ValueError:
        document = {}
    if not isinstance(document, dict):
        document = {}
    code = str(document.get("code") or document.get("error") or "http-error")
    detail = document.get("detail") or document.get("error_description") or response.reason_phrase
    return ApiError(response.status_code, code, str(detail), document)


def deadline(seconds: float) -> float:
    """Return the monotonic time some seconds from now."""
    return time.monotonic() + seconds


def left(until: float) -> float:
    """Return the seconds up to a deadline, not below 0."""
    return max(0.0, until - time.monotonic())
