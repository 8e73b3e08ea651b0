# SPDX-License-Identifier: Apache-2.0
"""A little webhook receiver that checks signatures (Standard Webhooks form)."""

import base64
import binascii
import hashlib
import hmac
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from healthvision.kernel import strictjson


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message: its id, its document, and whether its signature is right."""

    id: str
    document: dict[str, Any]
    signed: bool


@dataclass
class Receiver:
    """Messages that came; ``secret`` is set once the subscription is made ('whsec_...')."""

    url: str = ""
    secret: str = ""
    arrivals: list[Arrival] = field(default_factory=list)

    def take(self, headers: dict[str, str], body: bytes) -> None:
        """Keep one message."""
        self.arrivals.append(
            Arrival(
                headers.get("webhook-id", ""), strictjson.loads(body), self._right(headers, body)
            )
        )

    def _right(self, headers: dict[str, str], body: bytes) -> bool:
        try:
            key = base64.b64decode(self.secret.removeprefix("whsec_"))
        except binascii.Error:
            return False
        signed = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
        right = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        given = [s.removeprefix("v1,") for s in headers.get("webhook-signature", "").split()]
        return any(hmac.compare_digest(right, one) for one in given)


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """Yield a receiver that listens on loopback; port 0 takes a free one."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            receiver.take({k.lower(): v for k, v in self.headers.items()}, body)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/healthvision"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
