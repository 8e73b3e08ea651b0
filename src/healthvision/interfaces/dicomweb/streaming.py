# SPDX-License-Identifier: Apache-2.0
"""Answers that leave piece by piece."""

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

Piece = bytes | memoryview


class Streamed(StreamingResponse):
    """A streaming answer without a group of tasks; ends early when the caller is gone."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI request."""
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        gone = asyncio.create_task(_gone(receive))
        try:
            async for piece in self.body_iterator:
                if gone.done():
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            gone.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def streamed(
    body: AsyncIterator[Piece] | AsyncIterator[bytes],
    media: str,
    headers: dict[str, str],
    status: int = 200,
) -> Response:
    """Return a streaming answer whose first piece is already made."""
    first = await anext(body, b"")

    async def whole() -> AsyncIterator[Piece]:
        yield first
        async for piece in body:
            yield piece

    return Streamed(whole(), status, headers, media_type=media)
