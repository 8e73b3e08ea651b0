# SPDX-License-Identifier: Apache-2.0
"""Records one real call of every operation as the examples of the OpenAPI document.

    .venv/bin/python -m tests.journeys.recording

Writes ``src/healthvision/app/examples.json``. What is random or secret is replaced, so that the
examples read well and give nothing away; long lists are cut to their beginning.
"""

import json
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

import healthvision
from tests.journeys.calls import MAKERS, Call
from tests.journeys.operations import Operation, operations
from tests.journeys.world import World, opened_world

TARGET = Path(healthvision.__file__).parent / "app" / "examples.json"
FORM, EVENTS, CSV = "application/x-www-form-urlencoded", "text/event-stream", "text/csv"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")
_THING = re.compile(r"thing-(\d+)-[0-9a-f]{6}")
_SIGNED = re.compile(r"((?:signature|sig|token|code|user_code|ticket)=)[^&\s\"]+")
_SECRET_NAMES = """
secret token access_token refresh_token client_secret device_code csrf csrf_token ticket sig
"""
_SECRETS = frozenset(_SECRET_NAMES.split())
_KEY = re.compile(r"\bhv[a-z]*_[A-Za-z0-9_-]{16,}")
_FRAGMENT = re.compile(r"#[\w-]{20,}")
_JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+")
_NAMES = "ward-north night-shift chest-ct emergency outpatients trial-seven west-clinic"
_WORDS = tuple(_NAMES.split())
_START = datetime(2026, 1, 15, 8, 0, tzinfo=UTC)
_MOST, _LONG, _MEMBERS = 2, 1200, 10


@dataclass
class Cleaner:
    """Replaces what is random: ids, times, names, secrets, addresses; the same by the same."""

    url: str
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    ids: dict[str, str] = field(default_factory=dict)

    def text(self, value: str) -> str:
        """Return a text with everything random replaced."""
        value = value.replace(self.url, "http://127.0.0.1:8080")
        value = value.replace(urlsplit(self.url).netloc, "127.0.0.1:8080")
        value = _JWT.sub("eyJhbGciOiJFZERTQSJ9.eyJleGFtcGxlIjp0cnVlfQ.c2lnbmF0dXJl", value)
        value = _KEY.sub(lambda m: m.group()[: m.group().index("_") + 1] + "example" * 4, value)
        value = _SIGNED.sub(r"\1EXAMPLE", value)
        value = _FRAGMENT.sub("#example0example0", value)
        value = _UUID.sub(lambda m: self._id(m.group()), value)
        value = _TIME.sub(lambda m: self._time(m.group()), value)
        return _THING.sub(lambda m: self._name(int(m.group(1))), value)

    def _id(self, value: str) -> str:
        return self.ids.setdefault(value, f"019bc0de-0000-7000-8000-{len(self.ids) + 1:012x}")

    def _time(self, value: str) -> str:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        seconds = round((moment - self.begun).total_seconds())
        return (_START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")

    def _name(self, number: int) -> str:
        word = _WORDS[number % len(_WORDS)]
        return f"{word}-{number // len(_WORDS)}" if number >= len(_WORDS) else word

    def json(self, value: Any, name: str = "") -> Any:
        """Return a JSON value, shortened and with everything random replaced."""
        if isinstance(value, str):
            return _hidden(value) if name in _SECRETS else self.text(value)
        if isinstance(value, list):
            things = any(isinstance(v, dict | list) for v in value)
            short = value[: _few(value)] if things or len(value) > 30 else value
            return [self.json(v, name) for v in short]
        if isinstance(value, dict):
            names = list(value)
            if all(re.fullmatch(r"[0-9A-F]{8}", n) for n in names):  # DICOM JSON
                names = names[:_MEMBERS]
            return {self.text(n): self.json(value[n], n) for n in names}
        return value


def _few(value: list[Any]) -> int:
    return 1 if len(json.dumps(value[:_MOST])) > _LONG else _MOST


def _hidden(value: str) -> str:
    """Return something as long and of the same family (``hv_...``, ``whsec_...``)."""
    family = re.match(r"[a-z]{2,6}_", value)
    return f"{family.group() if family else ''}{'example0' * 8}"[: min(len(value), 40)]


def _request(call: Call, clean: Cleaner) -> dict[str, Any]:
    if call.json is not None:
        return {"application/json": clean.json(call.json)}
    if call.form is not None:
        return {FORM: clean.json(call.form)}
    return {}


def _answer(answer: httpx.Response, clean: Cleaner) -> dict[str, Any]:
    media = answer.headers.get("content-type", "").split(";")[0]
    if not answer.content:
        return {}
    if media.endswith("json"):
        return {media: clean.json(answer.json())}
    if media in (EVENTS, CSV):
        whole = clean.text(answer.text.removeprefix("\ufeff"))
        parts = re.split(r"(?<=\n\n)" if media == EVENTS else r"(?<=\n)", whole)
        return {media: "".join(parts[:3])}
    return {}


def record(world: World, operation: Operation, clean: Cleaner) -> dict[str, Any]:
    """Make the call of an operation and return what is told about it; AssertionError if refused."""
    call = MAKERS[operation.id](world)
    answer = call.send(world.http, operation.method, operation.path, world.admin.headers)
    assert answer.is_success, f"{operation.id}: {answer.status_code} {answer.text[:500]}"
    parameters = clean.json({**call.path, **{k: v for k, v in call.query.items()}})
    return {
        "parameters": parameters,
        "request": _request(call, clean),
        "answer": _answer(answer, clean),
    }


def record_all(world: World, tell: Callable[[str], object]) -> dict[str, Any]:
    """Record every operation that has a seed, in the order of the document."""
    clean, found = Cleaner(world.url), dict[str, Any]()
    for operation in operations():
        if operation.id not in MAKERS:
            tell(f"{operation.id}: no seed in tests/journeys/calls.py, not recorded")
            continue
        tell(operation.id)
        found[operation.id] = record(world, operation, clean)
    return found


def main() -> None:
    """Write the examples of this version."""
    with tempfile.TemporaryDirectory() as folder, opened_world(Path(folder)) as world:
        found = record_all(world, lambda name: sys.stderr.write(f"{name}\n"))
    text = json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True)
    TARGET.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
