# SPDX-License-Identifier: Apache-2.0
"""A small real HTTP server that keeps what it gets."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Got:
    """One request as it arrived; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Answers every request with ``status`` and remembers it, also the refused ones."""

    port: int = 0
    status: int = 204
    answer: bytes = b""
    extra: str = ""
    delay_s: float = 0.0
    got: list[Got] = field(default_factory=list)
    accepted: list[Got] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = head[0].split(" ")
            headers = {
                k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if ": " in line)
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            got = Got(method, path, headers, body)
            self.got.append(got)
            if 200 <= self.status < 300:
                self.accepted.append(got)
            await asyncio.sleep(self.delay_s)
            lines = f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(self.answer)}\r\n"
            writer.write(f"{lines}{self.extra}Connection: close\r\n\r\n".encode() + self.answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(context: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Serve on a loopback port until the block ends."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=context)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        await server.wait_closed()
