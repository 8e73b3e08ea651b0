# SPDX-License-Identifier: Apache-2.0
"""Sign-in of the web interface: /ui/session, a cookie that scripts cannot read."""

from typing import Annotated

from fastapi import Depends, Request, Response

from healthvision.domains.identity import service as identity
from healthvision.domains.identity.cookies import cookie_name, csrf_sent, session_cookie
from healthvision.domains.identity.errors import ForgedRequest, SessionEnded
from healthvision.domains.identity.schemas import (
    Done,
    SessionChange,
    SessionRead,
    SessionState,
    SignIn,
)
from healthvision.kernel.http import (
    RateLimiter,
    credentials_of,
    database_of,
)
from healthvision.kernel.http import router as make_router
from healthvision.kernel.settings import CoreSettings

router = make_router("/ui", "user")


async def _caller(request: Request, response: Response) -> identity.Caller:
    """Count a call of somebody unknown against the 'auth' budget of the address."""
    seen = credentials_of(request)
    caller = identity.Caller(seen.address, seen.request_id, seen.trace_id)
    limiter = database_of(request).resources.get(RateLimiter)  # type: ignore[type-abstract]
    if request.method != "GET":
        await limiter.hit(caller.actor(), "auth")
    response.headers["Cache-Control"] = "no-store"
    return caller


Anybody = Annotated[identity.Caller, Depends(_caller)]


def _public_url(request: Request) -> str:
    return database_of(request).resources.get(CoreSettings).public_url


def _token(request: Request) -> str | None:
    return session_cookie(credentials_of(request), _public_url(request))


def _set(request: Request, response: Response, token: str | None) -> None:
    """Send the cookie, or take it back; it ends with the browser and never leaves this site."""
    url = _public_url(request)
    response.set_cookie(
        cookie_name(url),
        token or "",
        max_age=None if token else 0,
        path="/",
        secure=url.startswith("https:"),
        httponly=True,
        samesite="strict",
    )


async def _proven(request: Request) -> str:
    """Return the cookie of a changing call; raises SessionEnded, ForgedRequest."""
    token = _token(request)
    running = await identity.read_session(database_of(request), token) if token else None
    if token is None or running is None:
        raise SessionEnded("nobody is signed in")
    if not csrf_sent(credentials_of(request), running.csrf_token):
        raise ForgedRequest("send the page's token as X-CSRF-Token")
    return token


@router.get("/session")
async def get_session(request: Request, caller: Anybody) -> SessionState:
    """Return who is signed in at the web interface, with the page's token."""
    token = _token(request)
    if token is None:
        return SessionState(session=None)
    return SessionState(session=await identity.read_session(database_of(request), token))


@router.post("/session")
async def sign_in(
    person: SignIn, request: Request, response: Response, caller: Anybody
) -> SessionRead:
    """Sign in by password: the answer sets an HttpOnly, SameSite=Strict cookie."""
    opened = await identity.open_session(database_of(request), person, caller)
    _set(request, response, opened.token)
    return opened.read


@router.patch("/session")
async def switch_organisation(
    change: SessionChange, request: Request, caller: Anybody
) -> SessionRead:
    """Go on in another organisation of the person."""
    token = await _proven(request)
    return await identity.switch_organisation(database_of(request), token, change.org_id, caller)


@router.delete("/session")
async def sign_out(request: Request, response: Response, caller: Anybody) -> Done:
    """End the session and take the cookie back."""
    token = _token(request)
    if token is not None:
        await identity.close_session(database_of(request), await _proven(request), caller)
    _set(request, response, None)
    return Done()
