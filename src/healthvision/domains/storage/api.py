# SPDX-License-Identifier: Apache-2.0
"""Signed URLs of our own: PUT of staged uploads, GET of finished exports. No token needed."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from healthvision.domains.identity import service as identity
from healthvision.domains.storage import service
from healthvision.domains.storage.errors import BodyNotAsSigned
from healthvision.domains.storage.vault import Vault
from healthvision.kernel.crypto import UrlClaims, UrlNotValid
from healthvision.kernel.errors import TooLarge
from healthvision.kernel.http import COMMON_RESPONSES, RateLimiter, database_of
from healthvision.kernel.ratelimit import STANDARD
from healthvision.kernel.security import Actor

routes = APIRouter(prefix=service.BLOBS, tags=["image"], responses=COMMON_RESPONSES)
_PUT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@routes.put("/{key:path}", status_code=201, response_class=Response, openapi_extra=_PUT_BODY)
async def put_blob(request: Request, key: str) -> Response:
    """Send the bytes of one part of an upload, with exactly the agreed size and type, once."""
    claims = await _claims(request, key)
    _check_headers(request, claims)
    stored = await service.take_signed_put(database_of(request), claims, key, request.stream())
    return Response(status_code=201, headers={"X-Content-SHA256": stored.sha256})


@routes.get("/{key:path}", response_class=StreamingResponse)
async def get_blob(request: Request, key: str) -> StreamingResponse:
    """Fetch a finished export."""
    claims = await _claims(request, key)
    body = await _started(service.read_staged_key(database_of(request), key))
    headers = {"Cache-Control": "private, no-store"}
    return StreamingResponse(
        body, media_type=claims.content_type or "application/octet-stream", headers=headers
    )


async def _claims(request: Request, key: str) -> UrlClaims:
    """Return what the URL allows, after counting the call.

    A good URL counts against the account that it was made for, a bad one against the address it
    is called from. Raises UrlNotValid and OverRateLimit.
    """
    resources = database_of(request).resources
    limiter = resources.get(RateLimiter)  # type: ignore[type-abstract]
    path = request.scope.get("raw_path", b"").decode("ascii").split("?")[0]
    asked = (request.method, path or request.url.path, request.query_params)
    try:
        claims = resources.get(Vault).signer.check(*asked)
    except UrlNotValid:
        await limiter.hit(_nobody(request), "auth")
        raise
    await limiter.hit(_account(claims, key), "presigned")
    return claims


def _nobody(request: Request) -> Actor:
    address = request.client.host if request.client else None
    return identity.Caller(address, request_id=None, trace_id=None).actor()


def _account(claims: UrlClaims, key: str) -> Actor:
    org_id = UUID(key.split("/")[1])
    tier = claims.tier or STANDARD
    return Actor(org_id=org_id, id=claims.account or "signed URLs", kind="service", tier=tier)


def _check_headers(request: Request, claims: UrlClaims) -> None:
    sent_type = request.headers.get("content-type")
    if claims.content_type is not None and sent_type != claims.content_type:
        raise BodyNotAsSigned(f"Content-Type must be {claims.content_type}")
    length = request.headers.get("content-length")
    if length is None or claims.size is None or not length.isdigit():
        return
    if int(length) > claims.size:
        raise TooLarge("more bytes than agreed for this URL", limit=claims.size)
    if int(length) < claims.size:
        raise BodyNotAsSigned(f"{length} bytes instead of {claims.size}")


async def _started(source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Read the first piece, so that errors still get a status, and return the whole stream."""
    first = await anext(source, b"")

    async def rest() -> AsyncIterator[bytes]:
        yield first
        async for piece in source:
            yield piece

    return rest()
