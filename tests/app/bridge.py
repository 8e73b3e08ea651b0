# SPDX-License-Identifier: Apache-2.0
"""A blocking client's way to the application under test."""

import asyncio
from dataclasses import dataclass

import httpx


@dataclass
class Bridge(httpx.BaseTransport):
    """Carries a blocking client's requests to the application on the test's loop."""

    web: httpx.AsyncClient
    loop: asyncio.AbstractEventLoop

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        body, headers = request.read(), dict(request.headers)
        sent = self.web.request(request.method, str(request.url), content=body, headers=headers)
        got = asyncio.run_coroutine_threadsafe(sent, self.loop).result()
        return httpx.Response(got.status_code, headers=got.headers, content=got.content)
