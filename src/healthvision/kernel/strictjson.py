# SPDX-License-Identifier: Apache-2.0
"""JSON without its traps: no NaN, lone surrogates or doubled keys; bounded numbers and depth."""

import json
from typing import Any

from healthvision.kernel.errors import Invalid, Malformed

MAX_DEPTH = 64
MAX_DIGITS = 400


class BadJson(Malformed):
    """The text is no JSON document."""

    code, title = "bad-json", "Not a JSON document"


class UnsafeJson(Invalid):
    """The JSON holds a value that cannot be stored or sent on faithfully."""

    code, title = "unsafe-json", "JSON value not accepted"


def _constant(name: str) -> Any:
    raise UnsafeJson(f"the value {name} is no JSON number")


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise UnsafeJson(f"a number has more than {MAX_DIGITS} digits")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise UnsafeJson("a number is outside the range of a 64-bit float")
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out:
            raise UnsafeJson(f"the key {key[:40]!r} occurs twice in one object")
        out[key] = value
    return out


def _check(value: Any, depth: int = 0) -> None:
    if depth > MAX_DEPTH:
        raise UnsafeJson(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check(item, depth + 1)


def _check_text(value: str) -> None:
    if any("\ud800" <= c <= "\udfff" for c in value):
        raise UnsafeJson("a text holds a lone surrogate")
    if "\x00" in value:
        raise UnsafeJson("a text holds U+0000")


def loads(data: bytes | str) -> Any:
    """Read one JSON document.

    Raises BadJson (400) when it is no JSON and UnsafeJson (422) for NaN, infinities, lone
    surrogates, U+0000, doubled keys, over-long numbers and deep nesting.
    """
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        value = json.loads(
            text,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_float,
            object_pairs_hook=_pairs,
        )
    except UnicodeDecodeError as error:
        raise BadJson(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise BadJson(f"{error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise UnsafeJson(f"nested deeper than {MAX_DEPTH} levels") from None
    _check(value)
    return value


def dumps(value: Any) -> str:
    """Write compact, deterministic JSON (sorted keys); raises ValueError on NaN and infinity."""
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
    )
