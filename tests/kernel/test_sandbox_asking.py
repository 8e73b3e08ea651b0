# SPDX-License-Identifier: Apache-2.0
"""A child's questions to its parent: answered, refused, limited."""

import io
import threading
from typing import Any

import numpy as np
import pytest

from healthvision.kernel.errors import NotFound
from healthvision.kernel.sandbox import Limits, run
from healthvision.kernel.sandbox_asking import AskLimits, BadMessage, Values, receive, send
from healthvision.kernel.sandbox_desk import Answerer

LIMITS = Limits(memory_mb=400, cpu_seconds=20, wall_seconds=20, output_mb=20, threads=1)
SMALL = AskLimits(head_bytes=200, array_bytes=1000, arrays=2)


def _asks(answerer: Answerer | None, limits: AskLimits | None = None, count: int = 5) -> Any:
    request = {"engine": "echo", "count": count}
    target = "tests.support.sandbox_targets:asks"
    asks = limits or AskLimits()
    return run(target, request, limits=LIMITS, answerer=answerer, ask_limits=asks).answer


def _double(name: str, values: Values) -> Values:
    assert name == "echo"
    return {"x": values["x"] * values["factor"]}


class TestAsk:
    def test_the_parent_answers_with_arrays(self) -> None:
        assert _asks(_double) == 20

    def test_without_an_answerer_the_child_cannot_ask(self) -> None:
        assert _asks(None) == "closed"

    def test_a_problem_is_told_by_its_code(self) -> None:
        def refuse(_name: str, _values: Values) -> Values:
            raise NotFound("there is no such engine")

        assert _asks(refuse) == NotFound.code

    def test_a_late_answer_is_refused(self) -> None:
        never = threading.Event()

        def wait(_name: str, values: Values) -> Values:
            never.wait(20)
            return values

        try:
            assert _asks(wait, AskLimits(seconds=0.2)) == "timeout"
        finally:
            never.set()

    def test_too_large_an_answer_is_refused(self) -> None:
        def grow(_name: str, _values: Values) -> Values:
            return {"x": np.zeros(5000)}

        assert _asks(grow, AskLimits(array_bytes=2000)) == "answer-too-large"


def _sent(values: Values) -> io.BytesIO:
    pipe = io.BytesIO()
    send(pipe, "n", values, AskLimits())
    pipe.seek(0)
    return pipe


class TestReceive:
    def test_gives_back_what_was_sent(self) -> None:
        said = receive(_sent({"a": [1, "b"], "x": np.eye(3, dtype=np.float32)}), AskLimits())
        assert said is not None
        assert (said[0], said[1]["a"]) == ("n", [1, "b"])
        assert np.array_equal(said[1]["x"], np.eye(3))

    def test_the_end_is_none(self) -> None:
        assert receive(io.BytesIO(), AskLimits()) is None

    @pytest.mark.parametrize(
        "values",
        [{"a": "x" * 300}, {"x": np.zeros(500)}, {n: np.zeros(1) for n in "abc"}],
        ids=["head", "arrays", "count"],
    )
    def test_more_than_the_limits_is_refused(self, values: dict[str, Any]) -> None:
        with pytest.raises(BadMessage):
            receive(_sent(values), SMALL)

    @pytest.mark.parametrize(
        "data",
        [
            b"no json\n",
            b"[]\n",
            b'{"name": "n", "values": {}, "arrays": [["x", -1]]}\n',
            b'{"name": "n", "values": {}, "arrays": [["x", 9]]}\nshort',
            b'{"name": "n", "values": {}, "arrays": [["x", 9]]}\n123456789',
        ],
    )
    def test_broken_messages_are_refused(self, data: bytes) -> None:
        with pytest.raises(BadMessage):
            receive(io.BytesIO(data), AskLimits())

    def test_an_array_that_promises_more_than_it_has_is_refused(self) -> None:
        data = _sent({"x": np.zeros(4)}).getvalue().replace(b"(4,)", b"(9,)")
        with pytest.raises(BadMessage):
            receive(io.BytesIO(data), AskLimits())

    def test_arrays_of_objects_are_not_sent(self) -> None:
        with pytest.raises(BadMessage):
            send(io.BytesIO(), "n", {"x": np.array([object()])}, AskLimits())
