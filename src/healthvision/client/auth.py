# SPDX-License-Identifier: Apache-2.0
"""Ways to sign in: an API key, a token at hand, a person's tokens, or client credentials."""

import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
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


@dataclass(frozen=True, slots=True)
class Tokens:
    """A person's tokens; ``until``: Unix time at which the access token ends."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    until: float


@dataclass(slots=True)
class SignedIn:
    """A person who signed in by device code; the access token is renewed as needed.

    A refresh token works only once, and its second use ends the sign-in: ``keep`` is told the new
    tokens at once, and ``alone`` holds off others that renew the same sign-in; it gives the tokens
    that one of them may have got in the meantime.
    """

    tokens: Tokens
    client_id: str
    keep: Callable[[Tokens], None] = field(repr=False)
    token_path: str = TOKEN_PATH
    alone: Callable[[], AbstractContextManager[Tokens | None]] = field(
        default=nullcontext, repr=False
    )

    def headers(self) -> Generator[Call, httpx.Response, dict[str, str]]:
        """Renew the access token when it is about to end; return the header."""
        if self._ends():
            with self.alone() as newest:
                if newest is not None and newest.refresh != self.tokens.refresh:
                    self.tokens = newest
                if self._ends():
                    yield from self._refresh()
        return {"Authorization": f"Bearer {self.tokens.access}"}

    def _ends(self) -> bool:
        return bool(self.tokens.refresh) and time.time() >= self.tokens.until - EARLY_S

    def _refresh(self) -> Generator[Call, httpx.Response, None]:
        form = {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "refresh_token": self.tokens.refresh,
        }
        asked = time.time()
        answer: dict[str, Any] = (yield Call("POST", self.token_path, form=form)).json()
        self.tokens = Tokens(
            access=str(answer["access_token"]),
            refresh=str(answer.get("refresh_token") or self.tokens.refresh),
            until=asked + float(answer.get("expires_in", 300)),
        )
        self.keep(self.tokens)

    def renew(self) -> bool:
        """Count the access token as ended; tells whether there is a refresh token."""
        self.tokens = replace(self.tokens, until=0.0)
        return bool(self.tokens.refresh)


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
