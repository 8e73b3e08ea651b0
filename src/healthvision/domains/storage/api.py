# SPDX-License-Identifier: Apache-2.0
"""Signed URLs of our own: PUT of staged uploads, GET of finished exports. No token needed."""

from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from healthvision.domains.storage import service
from healthvision.domains.storage.errors import BodyNotAsSigned
from healthvision.domains.storage.vault import Vault
from healthvision.kernel.crypto import UrlClaims
from healthvision.kernel.errors import TooLarge
from healthvision.kernel.http import COMMON_RESPONSES, database_of

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
    claims = _claims(request)
    _check_headers(request, claims)
    stored = await service.take_signed_put(database_of(request), claims, key, request.stream())
    return Response(status_code=201, headers={"X-Content-SHA256": stored.sha256})


@routes.get("/{key:path}", response_class=StreamingResponse)
async def get_blob(request: Request, key: str) -> StreamingResponse:
    """Fetch a finished export."""
    claims = _claims(request)
    body = await _started(service.read_staged_key(database_of(request), key))
    headers = {"Cache-Control": "private, no-store"}
    return StreamingResponse(
        body, media_type=claims.content_type or "application/octet-stream", headers=headers
    )


def _claims(request: Request) -> UrlClaims:
    vault = database_of(request).resources.get(Vault)
    path = request.scope.get("raw_path", b"").decode("ascii").split("?")[0]
    return vault.signer.check(request.method, path or request.url.path, request.query_params)


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
