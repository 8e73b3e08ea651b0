# SPDX-License-Identifier: Apache-2.0
"""The doors of OAuth: /oauth/*, /.well-known/*. Errors as RFC 6749 section 5.2 says."""

import base64
import binascii
from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import parse_qsl, unquote_plus

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict

from healthvision.domains.identity import consent, introspection, oauth, pages
from healthvision.domains.identity.api import count_address
from healthvision.domains.identity.consent import CSRF_COOKIE, ChoosePlace
from healthvision.domains.identity.errors import (
    BadCredentials,
    InvalidRequest,
    LockedOut,
    OAuthError,
)
from healthvision.domains.identity.signin import Caller
from healthvision.kernel.errors import Problem, TooMany
from healthvision.kernel.http import EdgeRequest, database_of, negotiated

MAX_FORM = 65_536
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
Known = Annotated[Caller, Depends(count_address)]


class OAuthErrorDocument(BaseModel):
    """RFC 6749 section 5.2."""

    error: str
    error_description: str


class TokenAnswer(BaseModel):
    """RFC 6749 section 5.1; ``org`` is the organisation the token speaks in."""

    model_config = ConfigDict(extra="allow")
    access_token: str
    token_type: str
    expires_in: int
    scope: str
    org: str
    refresh_token: str | None = None
    id_token: str | None = None


class DeviceAnswer(BaseModel):
    """RFC 8628 section 3.2."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


class Introspection(BaseModel):
    """RFC 7662 section 2.2; only ``active`` when the token is not valid."""

    model_config = ConfigDict(extra="allow")
    active: bool


class OAuthRoute(APIRoute):
    """Answers refusals as OAuth says, bounds the body, forbids caching."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        original = super().get_route_handler()

        async def handle(plain: Request) -> Response:
            try:
                response = await original(EdgeRequest(plain.scope, plain.receive))
            except Problem as problem:
                to_a_person = self.response_class is HTMLResponse
                response = _error_page(plain, problem) if to_a_person else _refusal(problem)
            for name, value in NO_STORE.items():
                response.headers.setdefault(name, value)
            return response

        return handle


def _refusal(problem: Problem) -> Response:
    error = "invalid_request"
    if isinstance(problem, OAuthError):
        error = problem.error
    elif problem.status >= 500:
        error = "temporarily_unavailable"
    elif isinstance(problem, TooMany):
        error = "slow_down"
    headers = {}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(problem.retry_after)))
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="oauth"'
    body = {"error": error, "error_description": problem.detail}
    return JSONResponse(body, problem.status, headers)


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    texts = {
        400: "Request refused",
        401: "Client unknown or not proven",
        413: "Over a size limit",
        415: "Not a form",
        422: "Input not valid",
        429: "Over the rate limit, or locked out",
        503: "Temporarily unavailable",
    }
    return {s: {"description": texts[s], "model": OAuthErrorDocument} for s in statuses}


router = APIRouter(
    prefix="/oauth",
    tags=["user"],
    route_class=OAuthRoute,
    responses=_errors(400, 401, 413, 422, 429, 503),
)
well_known = APIRouter(tags=["user"], responses=_errors(503))


def _form_schema(**fields: bool) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in fields},
        "required": [name for name, needed in fields.items() if needed],
    }
    content = {"application/x-www-form-urlencoded": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


def _pairs(text: str) -> dict[str, str]:
    try:
        found = parse_qsl(text, keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError:
        raise InvalidRequest("the parameters are not readable UTF-8") from None
    values = dict(found)
    if len(values) != len(found):
        raise InvalidRequest("a parameter occurs twice")
    if any("\x00" in v for v in values.values()):
        raise InvalidRequest("a parameter holds U+0000")
    return values


async def read_form(request: Request) -> dict[str, str]:
    """Return the form's fields; raises InvalidRequest for doubled or unreadable ones."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise InvalidRequest("the body must be application/x-www-form-urlencoded")
    body = await request.body()
    if len(body) > MAX_FORM:
        raise InvalidRequest("the form is over the limit")
    try:
        return _pairs(body.decode("ascii"))
    except UnicodeDecodeError:
        raise InvalidRequest("the form is not URL-encoded") from None


Form = Annotated[dict[str, str], Depends(read_form)]


def _proof(request: Request, form: dict[str, str]) -> oauth.ClientProof:
    header = request.headers.get("authorization", "")
    if header.lower().startswith("basic "):
        try:
            name, _, secret = base64.b64decode(header[6:], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise InvalidRequest("the Authorization header is not readable") from None
        if "client_secret" in form:
            raise InvalidRequest("client_secret: send it once, in the header or in the form")
        proof = oauth.ClientProof(unquote_plus(name), unquote_plus(secret) or None)
    else:
        proof = oauth.ClientProof(form.get("client_id", ""), form.get("client_secret") or None)
    if not proof.client_id or "\x00" in proof.client_id:
        raise InvalidRequest("client_id: is missing")
    return proof


@router.post(
    "/token",
    response_model=TokenAnswer,
    response_model_exclude_none=True,
    openapi_extra=_form_schema(
        grant_type=True,
        client_id=False,
        client_secret=False,
        scope=False,
        code=False,
        redirect_uri=False,
        code_verifier=False,
        refresh_token=False,
        device_code=False,
        username=False,
        password=False,
        org=False,
    ),
)
async def oauth_token(request: Request, caller: Known, form: Form) -> Any:
    """Exchange a code, device code, refresh token or client secret for tokens."""
    return await oauth.token(database_of(request), _proof(request, form), form, caller)


@router.post(
    "/device_authorization",
    response_model=DeviceAnswer,
    openapi_extra=_form_schema(client_id=True, scope=False),
)
async def oauth_device_authorization(request: Request, _caller: Known, form: Form) -> Any:
    """Start the device flow of a program without a browser (RFC 8628)."""
    proof = _proof(request, form)
    return await oauth.start_device(database_of(request), proof, form.get("scope", ""))


@router.post(
    "/revoke",
    openapi_extra=_form_schema(
        token=True, token_type_hint=False, client_id=False, client_secret=False
    ),
)
async def oauth_revoke(request: Request, caller: Known, form: Form) -> dict[str, str]:
    """Call a token back (RFC 7009); unknown tokens are answered the same."""
    db, proof = database_of(request), _proof(request, form)
    await introspection.revoke(db, proof, form.get("token", ""), caller)
    return {}


@router.post(
    "/introspect",
    response_model=Introspection,
    openapi_extra=_form_schema(
        token=True, token_type_hint=False, client_id=False, client_secret=False
    ),
)
async def oauth_introspect(request: Request, _caller: Known, form: Form) -> Any:
    """Tell a confidential client about a token of its own organisation (RFC 7662)."""
    db, proof = database_of(request), _proof(request, form)
    return await introspection.introspect(db, proof, form.get("token", ""))


def _html(page: pages.Page, status: int = 200, redirect_uri: str | None = None) -> HTMLResponse:
    return HTMLResponse(pages.render(page), status, pages.headers(redirect_uri))


def _zh(request: Request) -> bool:
    return negotiated(request.headers, "zh") == "zh"


def _with_csrf(request: Request, response: Response, cookie: str) -> Response:
    issuer = oauth.issuer_of(database_of(request))
    response.set_cookie(
        CSRF_COOKIE,
        cookie,
        max_age=3600,
        path="/oauth",
        httponly=True,
        samesite="lax",
        secure=issuer.startswith("https:"),
    )
    return response


def _error_text(problem: Problem, zh: bool) -> str:
    if isinstance(problem, BadCredentials):
        return "邮箱或密码错误" if zh else "The address or the password is wrong"
    if isinstance(problem, LockedOut):
        return "登录失败次数过多，请稍后再试" if zh else "Too many failed sign-ins, try again later"
    return f"请求无效：{problem.detail}" if zh else f"Request refused: {problem.detail}"


def _error_page(request: Request, problem: Problem, status: int | None = None) -> Response:
    zh = _zh(request)
    title = "无法继续" if zh else "Cannot go on"
    page = pages.Page(title=title, zh=zh, error=_error_text(problem, zh))
    response = _html(page, status or problem.status)
    if problem.retry_after is not None:
        response.headers["Retry-After"] = str(max(1, round(problem.retry_after)))
    return response


def _consent_page(
    request: Request,
    wanted: consent.AuthorizeRequest,
    values: dict[str, str],
    *,
    problem: Problem | None = None,
    choose: ChoosePlace | None = None,
) -> Response:
    db, zh = database_of(request), _zh(request)
    known = request.cookies.get(CSRF_COOKIE, "")
    cookie = known if consent.is_cookie(known) else consent.new_csrf()
    hidden = {k: v for k, v in values.items() if k in consent.FIELDS}
    hidden["csrf"] = consent.csrf_field(db, cookie)
    if choose is not None:
        hidden["ticket"] = choose.ticket
        hidden.pop("org", None)
    page = pages.Page(
        title=f"登录到 {wanted.client_name}" if zh else f"Sign in to {wanted.client_name}",
        zh=zh,
        error="" if problem is None else _error_text(problem, zh),
        form=True,
        action="/oauth/authorize",
        hidden=hidden,
        rights=wanted.scope.split(),
        places=() if choose is None else choose.places,
    )
    status = 200 if problem is None else 400 if problem.status == 401 else problem.status
    return _with_csrf(request, _html(page, status, wanted.redirect_uri), cookie)


_PAGE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {}}, "description": "The page"},
    302: {"description": "Back to the client"},
    303: {"description": "Back to the client"},
    **{
        status: {"content": {"text/html": {}}, "description": "A page that says what is wrong"}
        for status in (400, 401, 413, 422, 429, 503)
    },
}


@router.get(
    "/authorize",
    response_class=HTMLResponse,
    responses=_PAGE,
    openapi_extra={
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": {"type": "string"}}
            for name in consent.FIELDS
        ]
    },
)
async def oauth_authorize_page(request: Request, _caller: Known) -> Response:
    """Show the sign-in and consent page (code flow with PKCE S256)."""
    try:
        values = _pairs(request.url.query)
        wanted = await consent.read_request(database_of(request), values)
    except consent.SendBack as back:
        return RedirectResponse(back.to, 302, NO_STORE)
    except OAuthError as error:
        return _error_page(request, error)
    return _consent_page(request, wanted, values)


@router.post(
    "/authorize",
    response_class=HTMLResponse,
    responses=_PAGE,
    openapi_extra=_form_schema(
        csrf=True,
        decision=True,
        username=False,
        password=False,
        **dict.fromkeys(consent.FIELDS, False),
    ),
)
async def oauth_authorize(request: Request, caller: Known, form: Form) -> Response:
    """Take the person's answer and send the browser back to the client."""
    db = database_of(request)
    try:
        cookie = consent.check_csrf(db, request.cookies.get(CSRF_COOKIE), form.get("csrf"))
        wanted = await consent.read_request(db, form)
    except consent.SendBack as back:
        return RedirectResponse(back.to, 303, NO_STORE)
    except OAuthError as error:
        return _error_page(request, error)
    if form.get("decision") != "allow":
        to = wanted.back(oauth.issuer_of(db), error="access_denied")
        return RedirectResponse(to, 303, NO_STORE)
    try:
        org = await consent.client_org(db, wanted.client_id)
        who = await consent.identify(db, form, caller, cookie=cookie, client_org=org)
        if isinstance(who, ChoosePlace):
            return _consent_page(request, wanted, form, choose=who)
        to = await consent.allow(db, wanted, who[0], org_id=who[1], caller=caller)
    except (BadCredentials, LockedOut, OAuthError) as problem:
        return _consent_page(request, wanted, form, problem=problem)
    return RedirectResponse(to, 303, NO_STORE)


def _device_page(
    request: Request,
    user_code: str,
    *,
    rights: list[str] | None = None,
    client: str = "",
    problem: Problem | None = None,
    choose: ChoosePlace | None = None,
) -> Response:
    db, zh = database_of(request), _zh(request)
    known = request.cookies.get(CSRF_COOKIE, "")
    cookie = known if consent.is_cookie(known) else consent.new_csrf()
    hidden = {"csrf": consent.csrf_field(db, cookie)}
    if choose is not None:
        hidden["ticket"] = choose.ticket
    warning = "只有当您本人刚刚启动了该设备或命令行时才继续。"
    if not zh:
        warning = "Go on only if you yourself started this device or command line just now."
    page = pages.Page(
        title=f"连接设备 {client}" if zh else f"Connect a device {client}",
        zh=zh,
        text=warning,
        error="" if problem is None else _error_text(problem, zh),
        form=True,
        action="/oauth/device",
        hidden=hidden,
        rights=rights,
        ask_code=True,
        user_code=user_code[:20],
        places=() if choose is None else choose.places,
    )
    status = 200 if problem is None else 400 if problem.status == 401 else problem.status
    return _with_csrf(request, _html(page, status), cookie)


@router.get(
    "/device",
    response_class=HTMLResponse,
    responses=_PAGE,
    openapi_extra={
        "parameters": [
            {"name": "user_code", "in": "query", "required": False, "schema": {"type": "string"}}
        ]
    },
)
async def oauth_device_page(request: Request, _caller: Known) -> Response:
    """Show the page where a person connects a device (RFC 8628 section 3.3)."""
    try:
        typed = _pairs(request.url.query).get("user_code", "")
        if not typed:
            return _device_page(request, "")
        row, client = await consent.find_device(database_of(request), typed)
    except OAuthError as error:
        return _error_page(request, error)
    return _device_page(request, typed, rights=row.scope.split(), client=client.name)


@router.post(
    "/device",
    response_class=HTMLResponse,
    responses=_PAGE,
    openapi_extra=_form_schema(
        csrf=True, decision=True, user_code=True, username=False, password=False, org=False
    ),
)
async def oauth_device(request: Request, caller: Known, form: Form) -> Response:
    """Take the person's answer to a device."""
    db, typed = database_of(request), form.get("user_code", "")
    try:
        cookie = consent.check_csrf(db, request.cookies.get(CSRF_COOKIE), form.get("csrf"))
        _row, client = await consent.find_device(db, typed)
    except OAuthError as error:
        return _error_page(request, error)
    allowed = form.get("decision") == "allow"
    try:
        who = await consent.identify(db, form, caller, cookie=cookie, client_org=client.org_id)
        if isinstance(who, ChoosePlace):
            return _device_page(request, typed, client=client.name, choose=who)
        await consent.answer_device(
            db, typed, user_id=who[0], org_id=who[1], allowed=allowed, caller=caller
        )
    except (BadCredentials, LockedOut, OAuthError) as problem:
        return _device_page(request, typed, client=client.name, problem=problem)
    zh = _zh(request)
    done = (
        ("设备已连接" if zh else "Device connected") if allowed else ("已拒绝" if zh else "Refused")
    )
    text = "现在可以关闭此页面。" if zh else "You can close this page now."
    return _html(pages.Page(title=done, zh=zh, text=text))


async def _metadata(request: Request) -> dict[str, Any]:
    return introspection.metadata(database_of(request))


@well_known.get("/.well-known/openid-configuration")
async def openid_configuration(request: Request) -> dict[str, Any]:
    """Return the OpenID Connect discovery document."""
    return await _metadata(request)


@well_known.get("/.well-known/oauth-authorization-server")
async def oauth_authorization_server(request: Request) -> dict[str, Any]:
    """Return the authorization server metadata (RFC 8414)."""
    return await _metadata(request)


@well_known.get("/.well-known/jwks.json")
async def jwks(request: Request, response: Response) -> dict[str, Any]:
    """Return the public keys that verify tokens (RFC 7517)."""
    response.headers["Cache-Control"] = "public, max-age=60"
    return await introspection.jwks(database_of(request))
