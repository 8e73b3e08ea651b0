# SPDX-License-Identifier: Apache-2.0
"""Routes of uploads and quarantine."""

from typing import Annotated, Any

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse

from healthvision.domains.archive import service
from healthvision.domains.archive.schemas import (
    QuarantineRead,
    ReceivedRead,
    UploadComplete,
    UploadCreate,
    UploadRead,
)
from healthvision.domains.audit import service as audit
from healthvision.kernel.http import (
    OwnRoute,
    SessionDep,
    database_of,
    error_responses,
    path_uuid,
    requires,
    router,
)
from healthvision.kernel.paging import DEFAULT_LIMIT, Limit
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

uploads = router("/v1/uploads", "image")
quarantine = router("/v1/quarantine", "image")
releases = router("/v1/quarantine", "image", OwnRoute)
Writer = Annotated[Actor, requires("studies:write")]
Keeper = Annotated[Actor, requires("quarantine:manage")]
_BINARY: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The bytes",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_ORIGINAL: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The bytes, with the media type told at the upload",
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@uploads.post("", status_code=201)
async def create_upload(new: UploadCreate, actor: Writer, session: SessionDep) -> UploadRead:
    """Agree on an upload; PUT its parts to the URLs of the answer, then complete it."""
    return await service.create_upload(session, actor, new)


async def _seen(
    request: Request, actor: Actor, action: str, found: UploadRead | QuarantineRead
) -> None:
    kind = "upload" if isinstance(found, UploadRead) else "quarantine"
    space = found.space_id
    await audit.record_read(
        database_of(request), actor, action, found.id, kind=kind, space_id=space
    )


async def _listed(
    request: Request, actor: Actor, action: str, page: Page[UploadRead] | Page[QuarantineRead]
) -> None:
    what = action.rsplit(".", 1)[1].removesuffix("_listed")
    detail = {what: [str(i.id) for i in page.items]}
    await audit.record_read(database_of(request), actor, action, detail=detail)


@uploads.get("")
async def list_uploads(
    request: Request,
    actor: Writer,
    session: SessionDep,
    cursor: str | None = None,
    limit: Annotated[Limit, Query()] = DEFAULT_LIMIT,
) -> Page[UploadRead]:
    """List uploads, newest first."""
    page = await service.list_uploads(session, actor, cursor=cursor, limit=limit)
    await _listed(request, actor, "archive.uploads_listed", page)
    return page


@uploads.get("/{upload_id}")
async def get_upload(
    request: Request, upload_id: str, actor: Writer, session: SessionDep
) -> UploadRead:
    """Get an upload: parts still to be sent, then progress, then what became of each file."""
    found = await service.get_upload(session, actor, path_uuid(upload_id))
    await _seen(request, actor, "archive.upload_read", found)
    return found


@uploads.post("/{upload_id}/complete", status_code=202, responses=error_responses(410))
async def complete_upload(
    upload_id: str, end: UploadComplete, actor: Writer, session: SessionDep
) -> UploadRead:
    """Say that all parts were sent; the files are taken in next."""
    return await service.complete_upload(session, actor, path_uuid(upload_id), end)


@uploads.get("/{upload_id}/original", response_class=StreamingResponse, responses=_ORIGINAL)
async def get_original(request: Request, upload_id: str, actor: Writer) -> StreamingResponse:
    """Get the original NIfTI or picture file, byte for byte."""
    found = await service.open_original(database_of(request), actor, path_uuid(upload_id))
    headers = {
        "Content-Length": str(found.size),
        "Content-Disposition": "attachment",
        "X-Content-SHA256": found.sha256,
    }
    return StreamingResponse(found.stream, media_type=found.content_type, headers=headers)


@quarantine.get("")
async def list_quarantine(
    request: Request,
    actor: Keeper,
    session: SessionDep,
    state: Annotated[str, Query(pattern="^(held|released|deleted|all)$")] = "held",
    reason: Annotated[str | None, Query(max_length=100)] = None,
    cursor: str | None = None,
    limit: Annotated[Limit, Query()] = DEFAULT_LIMIT,
) -> Page[QuarantineRead]:
    """List refused objects with the reasons, newest first."""
    page = await service.list_quarantine(
        session,
        actor,
        state=None if state == "all" else state,
        reason=reason,
        cursor=cursor,
        limit=limit,
    )
    await _listed(request, actor, "archive.quarantine_listed", page)
    return page


@quarantine.get("/{quarantine_id}")
async def get_quarantined(
    request: Request, quarantine_id: str, actor: Keeper, session: SessionDep
) -> QuarantineRead:
    """Get a refused object."""
    found = await service.get_quarantined(session, actor, path_uuid(quarantine_id))
    await _seen(request, actor, "archive.quarantine_read", found)
    return found


@quarantine.get("/{quarantine_id}/bytes", response_class=StreamingResponse, responses=_BINARY)
async def download_quarantined(
    request: Request, quarantine_id: str, actor: Keeper
) -> StreamingResponse:
    """Download the bytes of a refused object."""
    found = await service.open_quarantined(database_of(request), actor, path_uuid(quarantine_id))
    headers = {"Content-Disposition": f'attachment; filename="{quarantine_id}.bin"'}
    return StreamingResponse(found, media_type="application/octet-stream", headers=headers)


@releases.post("/{quarantine_id}/release")
async def release_quarantined(request: Request, quarantine_id: str, actor: Keeper) -> ReceivedRead:
    """Take a refused object in again; it leaves quarantine when it is stored."""
    return await service.release(database_of(request), actor, path_uuid(quarantine_id))


@quarantine.delete("/{quarantine_id}", status_code=204)
async def delete_quarantined(request: Request, quarantine_id: str, actor: Keeper) -> Response:
    """Delete the bytes of a refused object for good."""
    await service.discard(database_of(request), actor, path_uuid(quarantine_id))
    return Response(status_code=204)
