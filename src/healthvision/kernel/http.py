# SPDX-License-Identifier: Apache-2.0
"""The HTTP edge: one transaction per request, problems, strict JSON, idempotency, ETags.

A room's ``api.py`` makes its router with ``router(...)``; its functions get ``SessionDep`` and
an actor by ``requires("permission")``. The route commits after the answer is built and before
its first byte leaves, so an answered change is a kept change.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from healthvision.kernel import strictjson
from healthvision.kernel.clock import monotonic
from healthvision.kernel.db import Database, Session
from healthvision.kernel.errors import (
    Invalid,
    Malformed,
    NotFound,
    PreconditionFailed,
    Problem,
    TooLarge,
)
from healthvision.kernel.idempotency import (
    HEADER,
    KEY_PARAMETER,
    IdempotencyRow,
    Replay,
    claim,
    key_of,
    remember,
)
from healthvision.kernel.schemas import ProblemDocument
from healthvision.kernel.security import Actor, Renewal
from healthvision.kernel.slowbody import in_time
from healthvision.kernel.telemetry import (
    REQUEST_SECONDS,
    REQUESTS,
    logger,
    request_id_from,
    request_id_var,
    trace_id_from,
    trace_id_var,
)

MAX_JSON_BYTES = 4 * 1024 * 1024
READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_log = logger("kernel.http")


class MethodNotAllowed(Problem):
    """The path exists and does not know the method."""

    status, code, title = 405, "method-not-allowed", "Method not allowed"


class Authenticator(Protocol):
    """Turns request headers into an Actor; ``identity`` provides it."""

    async def authenticate(self, request: "Credentials") -> Actor:
        """Return the actor; raises Unauthenticated."""
        ...


class RateLimiter(Protocol):
    """Counts calls over all processes; raises TooMany with ``retry_after``."""

    async def hit(self, actor: Actor, budget: str) -> None:
        """Count one call of the actor against a named budget such as 'api'."""
        ...


class RefusalLog(Protocol):
    """Keeps what callers were denied; ``audit`` provides it."""

    async def refused(
        self, actor: Actor, problem: Problem, *, route: str, parameters: Mapping[str, str]
    ) -> None:
        """Record a 403 or 404; ``route``: method and template, ``parameters``: of the path."""
        ...


class Credentials(BaseModel):
    """What an authenticator may look at."""

    method: str
    path: str
    headers: dict[str, str]  # lower-case names
    cookies: dict[str, str]
    address: str | None
    request_id: str
    trace_id: str


class EdgeRequest(Request):
    """A request whose JSON is read strictly and whose body is bounded."""

    async def body(self) -> bytes:
        """Return the body; raises TooLarge over ``MAX_JSON_BYTES``."""
        if not hasattr(self, "_body"):
            chunks, size = [], 0
            async for chunk in self.stream():
                size += len(chunk)
                if size > MAX_JSON_BYTES:
                    raise TooLarge("the request body is over the limit", limit=MAX_JSON_BYTES)
                chunks.append(chunk)
            self._body = b"".join(chunks)
        return self._body

    async def json(self) -> Any:
        """Return the body as strictly read JSON."""
        return strictjson.loads(await self.body())


def _checked(plain: Request) -> EdgeRequest:
    """Return the request as routes see it.

    Raises Invalid for the character NUL in path or query: no stored text holds it (PostgreSQL
    cannot keep it).
    """
    if "\x00" in plain.scope["path"] or b"%00" in plain.scope["query_string"]:
        raise Invalid("the address holds the character NUL")
    return EdgeRequest(plain.scope, plain.receive)


class KeyedRoute(APIRoute):
    """A route that honours an Idempotency-Key, and says so in the API's document."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        if not self.keeps_answers:
            return
        extra = dict(self.openapi_extra or {})
        given = extra.get("parameters", [])
        if not any(p["name"] == HEADER for p in given):  # a router was put into another one
            self.openapi_extra = extra | {"parameters": [*given, KEY_PARAMETER]}

    @property
    def keeps_answers(self) -> bool:
        """Tell whether it is a POST by a known caller: only then there is an answer to keep."""
        return "POST" in (self.methods or ()) and _asks_for_actor(self.dependant)


def _asks_for_actor(dependant: Dependant) -> bool:
    parts = dependant.dependencies
    return any(hasattr(p.call, "__hv_permission__") or _asks_for_actor(p) for p in parts)


class EdgeRoute(KeyedRoute):
    """Runs each request in one transaction that ends before the answer leaves."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler with the transaction, idempotency and ETag."""
        original = super().get_route_handler()

        async def handle(plain: Request) -> Response:
            request = _checked(plain)
            db = database_of(request)
            reading = request.method in READ_METHODS
            try:
                async with db.reading() if reading else db.transaction() as session:
                    request.state.session = session
                    try:
                        response = await original(request)
                    except Replay as replay:  # what the guard recorded is kept
                        return replay.response
                    row = getattr(request.state, "idempotency", None)
                    if row is not None:
                        remember(row, response)
                        await session.flush()
            except HTTPException as error:
                if isinstance(error.__cause__, Problem):  # FastAPI hides it while reading a body
                    raise error.__cause__ from None
                raise
            return _with_etag(request, response)

        return handle


class OwnRoute(KeyedRoute):
    """A route that makes its own transactions and still honours an Idempotency-Key.

    The claim and the answer are kept in transactions before and after the act. When the process
    dies in between, the repeat does the act again, so a second time must do no harm.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler with idempotency."""
        original = super().get_route_handler()

        async def handle(plain: Request) -> Response:
            request = _checked(plain)
            try:
                response = await original(request)
            except Replay as replay:
                return replay.response
            row: IdempotencyRow | None = getattr(request.state, "idempotency", None)
            if row is not None:
                async with database_of(request).transaction() as session:
                    remember(await session.merge(row), response)
            return response

        return handle


def database_of(request: Request) -> Database:
    """Return the process's database."""
    found: Database = request.app.state.db
    return found


async def _session(request: Request) -> Session:
    found: Session = request.state.session
    return found


SessionDep = Annotated[Session, Depends(_session)]


def credentials_of(request: Request) -> Credentials:
    """Return what authenticators may look at."""
    return Credentials(
        method=request.method,
        path=request.url.path,
        headers={k.lower(): v for k, v in request.headers.items()},
        cookies=dict(request.cookies),
        address=request.client.host if request.client else None,
        request_id=request_id_var.get() or request_id_from(None),
        trace_id=trace_id_var.get() or trace_id_from(None),
    )


async def authenticate(request: Request, budget: str | None = "api") -> Actor:
    """Return the caller and count the call; raises Unauthenticated or TooMany."""
    resources = database_of(request).resources
    authenticator = resources.get(Authenticator)  # type: ignore[type-abstract]
    actor = await authenticator.authenticate(credentials_of(request))
    request.state.actor = actor
    if budget == "api" and actor.at_interface:
        budget = "ui"
    if budget is not None:
        await resources.get(RateLimiter).hit(actor, budget)  # type: ignore[type-abstract]
    return actor


def renewal_of(request: Request, permission: str) -> Renewal:
    """Return what a long answer (an event stream) calls at each look for news.

    It gives the caller's actor as of now. Raises Unauthenticated once the credential does not
    hold any more, and Forbidden once the permission is lost; the stream has to end then.
    """
    seen = credentials_of(request)
    authenticator = database_of(request).resources.get(Authenticator)  # type: ignore[type-abstract]

    async def again() -> Actor:
        actor = await authenticator.authenticate(seen)
        actor.require(permission)
        return actor

    return again


def requires(permission: str | None, *, budget: str | None = "api") -> Any:
    """Return a dependency that gives the Actor and checks one permission.

    Use as ``Writer = Annotated[Actor, requires("studies:write")]``. ``None`` asks only for a
    known caller. Raises Unauthenticated (401), Forbidden (403) or TooMany (429).
    """

    async def dependency(request: Request) -> Actor:
        actor = await authenticate(request, budget)
        if permission is not None:
            actor.require(permission)
        await _replay_or_claim(request, actor)
        return actor

    dependency.__hv_permission__ = permission  # type: ignore[attr-defined]
    return Depends(dependency)


async def _replay_or_claim(request: Request, actor: Actor) -> None:
    key = key_of(request)
    if key is None:
        return
    if hasattr(request.state, "session"):
        request.state.idempotency = await claim(request.state.session, request, actor, key)
    elif isinstance(request.scope.get("route"), OwnRoute):
        async with database_of(request).transaction() as session:
            try:
                request.state.idempotency = await claim(session, request, actor, key)
            except Replay as replay:  # what the guard recorded is kept
                found = replay
            else:
                return
        raise found


def etag_of(document: Any) -> str:
    """Return the entity tag of a JSON document, whatever its order and white space."""
    return f'"{hashlib.sha256(strictjson.dumps(document).encode()).hexdigest()[:32]}"'


def _with_etag(request: Request, response: Response) -> Response:
    if request.method != "GET" or response.status_code != 200:
        return response
    body = getattr(response, "body", None)
    is_json = response.headers.get("content-type", "").startswith("application/json")
    if body is None or not is_json or "etag" in response.headers:
        return response
    tag = etag_of(json.loads(bytes(body)))
    response.headers["ETag"] = tag
    response.headers.setdefault("Cache-Control", "private, no-cache")
    wanted = request.headers.get("if-none-match", "")
    if wanted and tag in {t.strip().removeprefix("W/") for t in wanted.split(",")}:
        return Response(status_code=304, headers={"ETag": tag})
    return response


def check_if_match(request: Request, current: BaseModel) -> None:
    """Raise PreconditionFailed when If-Match is sent and names another version."""
    wanted = request.headers.get("if-match")
    if wanted is None or wanted.strip() == "*":
        return
    tag = etag_of(current.model_dump(mode="json"))
    if tag not in {t.strip() for t in wanted.split(",")}:
        raise PreconditionFailed("the thing was changed since you read it")


def problem_response(problem: Problem) -> JSONResponse:
    """Return the problem+json answer of a Problem."""
    document: dict[str, Any] = {**problem.document(), "request_id": request_id_var.get()}
    errors = getattr(problem, "errors", None)
    if errors is not None:
        document["errors"] = errors
    headers = {}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(problem.retry_after)))
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(document, problem.status, headers, media_type="application/problem+json")


class FieldErrors(Invalid):
    """One or more fields of the request are wrong; ``errors`` names each."""

    code, title = "invalid-fields", "Fields not valid"

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        first = errors[0] if errors else {"field": "body", "message": "not valid"}
        super().__init__(f"{first['field']}: {first['message']}")
        self.errors = errors


_BY_STATUS: dict[int, type[Problem]] = {400: Malformed, 404: NotFound, 405: MethodNotAllowed}


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return await problem_answer(request, error)


async def problem_answer(request: Request, error: Problem) -> Response:
    """Return the answer of a Problem that ended a request; a refusal is recorded before."""
    try:
        await _log_refusal(request, error)
    except Problem as unavailable:  # what cannot be recorded is not answered
        return problem_response(unavailable)
    return problem_response(error)


async def _log_refusal(request: Request, problem: Problem) -> None:
    """Tell the log of refusals who was denied what; the request's transaction has ended."""
    actor: Actor | None = getattr(request.state, "actor", None)
    resources = database_of(request).resources
    if actor is None or problem.status not in (403, 404) or not resources.has(RefusalLog):
        return
    log = resources.get(RefusalLog)  # type: ignore[type-abstract]
    route = str(getattr(request.scope.get("route"), "path", "unmatched"))
    parameters = {k: str(v) for k, v in request.path_params.items()}
    await log.refused(actor, problem, route=f"{request.method} {route}", parameters=parameters)


async def _on_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"field": ".".join(str(p) for p in e["loc"]), "message": e["msg"], "kind": e["type"]}
        for e in error.errors()
    ]
    return problem_response(FieldErrors(errors))


async def _on_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = _BY_STATUS.get(error.status_code, Malformed)
    response = problem_response(kind(str(error.detail)))
    response.headers.update(error.headers or {})
    return response


async def _on_bug(_request: Request, error: Exception) -> Response:
    _log.error("unhandled error", exc_info=error)
    return problem_response(Problem("an unexpected error; the request id leads to its log"))


class EdgeMiddleware:
    """Gives each request its ids, its security headers and its metrics (plain ASGI)."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {k: v.decode("latin-1") for k, v in scope["headers"]}
        request_id = request_id_from(headers.get(b"x-request-id"))
        request_id_var.set(request_id)
        trace_id_var.set(trace_id_from(headers.get(b"traceparent")))
        started, status = monotonic(), 500

        async def send_with_ids(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        try:
            body = b"content-length" in headers or b"transfer-encoding" in headers
            await self._app(scope, in_time(receive) if body else receive, send_with_ids)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            REQUESTS.labels(route, scope["method"], str(status)).inc()
            REQUEST_SECONDS.labels(route, scope["method"]).observe(monotonic() - started)


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what the OpenAPI document says about these error statuses."""
    texts = {
        400: "Malformed request",
        401: "Sign-in required",
        403: "Not allowed",
        404: "Not found, or not in this organisation",
        406: "None of the accepted media types can be made",
        409: "Conflict with what is stored",
        410: "Was here and is no longer available",
        412: "Precondition failed",
        413: "Over a size limit",
        415: "Media type not accepted here",
        422: "Input not valid",
        429: "Over the rate limit",
        503: "Temporarily unavailable",
        507: "Storage is full",
    }
    return {
        s: {
            "description": texts[s],
            "model": ProblemDocument,
            "content": {"application/problem+json": {}},
        }
        for s in statuses
    }


COMMON_RESPONSES = error_responses(400, 401, 403, 404, 409, 412, 413, 422, 429, 503, 507)


def router(prefix: str, tag: str, kind: type[KeyedRoute] = EdgeRoute) -> APIRouter:
    """Return a router whose routes document every error status.

    ``kind``: EdgeRoute runs each request in one transaction; OwnRoute leaves that to the route.
    """
    return APIRouter(prefix=prefix, tags=[tag], route_class=kind, responses=COMMON_RESPONSES)


def install_edge(app: FastAPI, db: Database) -> None:
    """Put the database, the problem translators and the middleware into an application."""
    app.state.db = db
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)
    app.add_middleware(EdgeMiddleware)


def path_uuid(value: str) -> UUID:
    """Read an id from a path; raises NotFound, since no thing has such an id."""
    try:
        return UUID(value)
    except ValueError:
        raise NotFound("there is no such thing") from None


def negotiated(headers: Mapping[str, str], default: str) -> str:
    """Return the language of an answer, 'zh' or 'en', by Accept-Language."""
    wanted = headers.get("accept-language", "").lower()
    return "zh" if wanted.startswith("zh") else "en" if wanted.startswith("en") else default
