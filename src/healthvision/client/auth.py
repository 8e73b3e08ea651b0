# SPDX-License-Identifier: Apache-2.0
"""Ways to sign in: an API key, a token at hand, or client credentials (RFC 6749 4.4)."""

import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

from healthvision.client.effects import Call

TOKEN_PATH = "/oauth/token"
EARLY_S = 30.0  # a token is renewed this long before its end


class Auth(Protocol):
    """Gives the headers of the next request; may ask for a token first."""

    def headers(self) -> Generator[Call, httpx.Response, dict[str, str]]:
        """Yield token requests, return the headers."""
        ...

    def renew(self) -> bool:
        """Forget what the server no longer takes; tells whether another try makes sense."""
        ...


@dataclass(frozen=True, slots=True)
class NoAuth:
    """Sends no credentials."""

    def headers(self) -> Generator[Call, httpx.Response, dict[str, str]]:
        """Return no headers."""
        yield from ()
        return {}

    def renew(self) -> bool:
        """Return False: nothing to renew."""
        return False


@dataclass(frozen=True, slots=True)
class Bearer:
    """An access token (or an API key sent as bearer) that is at hand."""

    token: str = field(repr=False)

    def headers(self) -> Generator[Call, httpx.Response, dict[str, str]]:
        """Return the Authorization header."""
        yield from ()
        return {"Authorization": f"Bearer {self.token}"}

    def renew(self) -> bool:
        """Return False: the token is all there is."""
        return False


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key of a user or service."""

    key: str = field(repr=False)

    def headers(self) -> Generator[Call, httpx.Response, dict[str, str]]:
        """Return the X-API-Key header."""
        yield from ()
        return {"X-API-Key": self.key}

    def renew(self) -> bool:
        """Return False: the key is all there is."""
        return False


@dataclass(slots=True)
class ClientCredentials:
    """A registered client with its secret; tokens are fetched and renewed as needed."""

    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""
    token_path: str = TOKEN_PATH
    _token: str = field(default="", repr=False)
    _until: float = 0.0

    def headers(self) -> Generator[Call, httpx.Response, dict[str, str]]:
        """Fetch a token when there is none or it is about to end; return the header."""
        if not self._token or time.monotonic() >= self._until:
            response = yield self._request()
            answer: dict[str, Any] = response.json()
            self._token = str(answer["access_token"])
            lifetime = float(answer.get("expires_in", 300))
            self._until = time.monotonic() + max(1.0, lifetime - EARLY_S)
        return {"Authorization": f"Bearer {self._token}"}

    def renew(self) -> bool:
        """Drop the token, so that the next request fetches a new one."""
        had = bool(self._token)
        self._token = ""
        return had

    def _request(self) -> Call:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }
        if self.scope:
            form["scope"] = self.scope
        return Call("POST", self.token_path, form=form)
