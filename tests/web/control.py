# SPDX-License-Identifier: Apache-2.0
"""A loopback port by which a journey in the browser works on the server under test."""

import http.server
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Act = Callable[[], object]


class _Acts(http.server.BaseHTTPRequestHandler):
    """POST /<name> runs one act and answers when it is done."""

    acts: Mapping[str, Act]

    def do_POST(self) -> None:
        """Run the act of this path."""
        act = self.acts.get(self.path.lstrip("/"))
        if act is not None:
            act()
        self.send_response(404 if act is None else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Keep silent."""


@contextmanager
def controlled(**acts: Act) -> Iterator[str]:
    """Serve acts by name while the block runs; yields the address (HV_E2E_CONTROL)."""
    handler = type("Acts", (_Acts,), {"acts": acts})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
