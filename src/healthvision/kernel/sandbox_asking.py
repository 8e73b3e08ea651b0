# SPDX-License-Identifier: Apache-2.0
"""Questions of a sandboxed child to its parent: JSON and arrays over two pipes, sizes limited.

One message is a line of JSON (``head``) and behind it the ``.npy`` files it names (never pickle).
The child asks one question at a time and waits; whatever it sends, the parent answers or stops
listening, so that a child can at most end its own run.
"""

import io
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt

Values = Mapping[str, Any]  # JSON values and arrays (npt.NDArray) by name
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(frozen=True, slots=True)
class AskLimits:
    """What the questions of one run may cost; sizes count for each message in both directions."""

    head_bytes: int = 1 << 20
    array_bytes: int = 256 << 20
    arrays: int = 16
    questions: int = 256
    seconds: float = 30.0  # for one answer


class AskRefused(RuntimeError):
    """The parent did not answer; the text is a stable word such as 'timeout' or 'no-engine'."""


class BadMessage(ValueError):
    """A message is not as agreed or over a limit."""


def send(pipe: IO[bytes], name: str, values: Values, limits: AskLimits) -> None:
    """Write one message; raises BadMessage when it is over a limit, BrokenPipeError."""
    arrays = {key: v for key, v in values.items() if isinstance(v, np.ndarray)}
    bodies = {key: _packed(value) for key, value in arrays.items()}
    plain = {key: v for key, v in values.items() if key not in arrays}
    sizes = [[key, len(body)] for key, body in bodies.items()]
    try:
        head = json.dumps({"name": name, "values": plain, "arrays": sizes}, allow_nan=False)
    except (TypeError, ValueError):
        raise BadMessage("values must be JSON or arrays") from None
    _check(len(head), [len(b) for b in bodies.values()], limits)
    pipe.write(head.encode() + b"\n")
    for body in bodies.values():
        pipe.write(body)
    pipe.flush()


def receive(pipe: IO[bytes], limits: AskLimits) -> tuple[str, dict[str, Any]] | None:
    """Read one message (name, values); None at the end. Raises BadMessage."""
    line = pipe.readline(limits.head_bytes + 1)
    if not line:
        return None
    if not line.endswith(b"\n"):
        raise BadMessage("the head is too long or cut")
    try:
        said = json.loads(line)
        name, values = str(said["name"]), dict(said["values"])
        sizes = [(str(key), int(size)) for key, size in said["arrays"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadMessage("the head cannot be read") from None
    _check(len(line) - 1, [size for _, size in sizes], limits)
    for key, size in sizes:
        values[key] = _unpacked(pipe.read(size), size)
    return name, values


def _check(head: int, sizes: list[int], limits: AskLimits) -> None:
    if head > limits.head_bytes or len(sizes) > limits.arrays:
        raise BadMessage("the message is too large")
    if any(size < 0 for size in sizes) or sum(sizes) > limits.array_bytes:
        raise BadMessage("the arrays are too large")


def _packed(values: npt.NDArray[Any]) -> bytes:
    out = io.BytesIO()
    try:
        np.save(out, values, allow_pickle=False)
    except ValueError:
        raise BadMessage("an array of objects") from None
    return out.getvalue()


def _unpacked(data: bytes, size: int) -> npt.NDArray[Any]:
    """Read an array; a head that promises more than is there allocates nothing."""
    try:
        if len(data) != size:
            raise BadMessage("an array is cut")
        file = io.BytesIO(data)
        shape, _, kind = _HEADERS[np.lib.format.read_magic(file)](file)
        if kind.hasobject or math.prod(shape) * kind.itemsize != size - file.tell():
            raise BadMessage("an array has another size than it says")
        found: npt.NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, KeyError, EOFError, OverflowError):
        raise BadMessage("an array cannot be read") from None
    return found


class Asking:
    """The child's side: asks and waits. Not for several threads at once."""

    def __init__(self, questions: int, answers: int, limits: AskLimits) -> None:
        self._out, self._in = os.fdopen(questions, "wb"), os.fdopen(answers, "rb")
        self._limits = limits

    def ask(self, name: str, values: Values) -> dict[str, Any]:
        """Return the parent's answer; raises AskRefused with the reason, BadMessage."""
        try:
            send(self._out, name, values, self._limits)
            said = receive(self._in, self._limits)
        except BrokenPipeError:
            said = None
        if said is None:
            raise AskRefused("closed")
        if said[0] != "answer":
            raise AskRefused(str(said[1].get("reason", "refused")))
        return said[1]
