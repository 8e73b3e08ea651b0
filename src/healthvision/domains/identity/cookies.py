# SPDX-License-Identifier: Apache-2.0
"""The cookie of the web interface: its name, when it counts, what must come with it."""

import hmac
import re

from healthvision.kernel.http import READ_METHODS, Credentials

CSRF_HEADER = "x-csrf-token"
BACKGROUND_HEADER = "x-background"  # the page calls by itself, the person does nothing
_TOKEN = re.compile(r"^[A-Za-z0-9_-]{43}$")


def cookie_name(public_url: str) -> str:
    """Return the cookie's name; with TLS the prefix binds it to this host (RFC 6265bis 4.1.3)."""
    return "__Host-hv_session" if public_url.startswith("https:") else "hv_session"


def session_cookie(request: Credentials, public_url: str) -> str | None:
    """Return the session's secret when the call is proven by nothing else."""
    if "authorization" in request.headers or "x-api-key" in request.headers:
        return None
    value = request.cookies.get(cookie_name(public_url))
    return value if value is not None and _TOKEN.match(value) else None


def csrf_sent(request: Credentials, expected: str) -> bool:
    """Tell whether a call may change something: it reads only, or it carries the page's token."""
    if request.method in READ_METHODS:
        return True
    return hmac.compare_digest(request.headers.get(CSRF_HEADER, "").encode(), expected.encode())


def is_doing(request: Credentials) -> bool:
    """Tell whether the call counts as the person's doing: no event stream, no polling."""
    streaming = "text/event-stream" in request.headers.get("accept", "")
    return not streaming and BACKGROUND_HEADER not in request.headers
