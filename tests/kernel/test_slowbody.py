# SPDX-License-Identifier: Apache-2.0
"""Bodies that trickle in are cut; slow work and slow lines are not."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from healthvision.kernel import slowbody
from healthvision.kernel.slowbody import BodyTooSlow, Message, in_time
from tests.kernel.test_http import modules

__all__ = ["modules"]  # the cups


class Line:
    """A sender whose pieces of so many bytes come after so many seconds each."""

    def __init__(self, pieces: list[tuple[float, int]]) -> None:
        self.left = list(pieces)
        self.at = 0.0

    async def receive(self) -> Message:
        seconds, size = self.left.pop(0)
        self.at += seconds
        return {"type": "http.request", "body": b"x" * size, "more_body": bool(self.left)}


class TestInTime:
    async def _taken(self, monkeypatch: pytest.MonkeyPatch, pieces: list[tuple[float, int]]) -> int:
        line = Line(pieces)
        monkeypatch.setattr(slowbody, "monotonic", lambda: line.at)
        receive, size = in_time(line.receive), 0
        for _ in pieces:
            size += len((await receive())["body"])
        return size

    async def test_lets_a_slow_line_pass(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert await self._taken(monkeypatch, [(5.0, 40_960)] * 100) == 4_096_000

    async def test_cuts_a_trickle_that_is_never_idle_for_long(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(BodyTooSlow):
            await self._taken(monkeypatch, [(5.0, 1)] * 100)

    async def test_cuts_a_sender_that_stops(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(slowbody, "GRACE_S", 0.05)

        async def never() -> Message:
            await asyncio.Event().wait()
            raise AssertionError

        with pytest.raises(BodyTooSlow):
            await in_time(never)()

    async def test_waits_for_the_end_of_the_connection_as_long_as_it_takes(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(slowbody, "GRACE_S", 0.05)
        gone = asyncio.Event()
        messages = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Message:
            if messages:
                return messages.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        timed = in_time(receive)
        await timed()
        waiting = asyncio.ensure_future(timed())
        await asyncio.sleep(0.1)
        gone.set()
        assert (await waiting)["type"] == "http.disconnect"


class TestEdge:
    async def test_a_trickled_body_is_a_400_that_says_so(
        self, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(slowbody, "GRACE_S", 0.05)

        async def body() -> AsyncIterator[bytes]:
            yield b"{"
            await asyncio.sleep(5)
            yield b"}"

        answer = await client.post(
            "/v1/cups", content=body(), headers={"content-type": "application/json"}
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "body-too-slow")
