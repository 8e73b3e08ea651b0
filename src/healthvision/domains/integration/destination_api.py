# SPDX-License-Identifier: Apache-2.0
"""``/v1/destinations``: where results and studies are pushed to, and what became of it."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request

from healthvision.domains.integration import destinations, pushing
from healthvision.domains.integration.schemas import (
    DestinationChange,
    DestinationCreate,
    DestinationKind,
    DestinationRead,
    PushDetail,
    PushRead,
    PushState,
    SendRequest,
    Trial,
)
from healthvision.kernel.http import (
    OwnRoute,
    SessionDep,
    database_of,
    path_uuid,
    requires,
    router,
)
from healthvision.kernel.paging import DEFAULT_LIMIT, Limit
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

routes = router("/v1/destinations", "integration")
trials = router("/v1/destinations", "integration", OwnRoute)
studies = router("/v1/studies", "integration")
Reader = Annotated[Actor, requires(destinations.READ)]
Writer = Annotated[Actor, requires(destinations.WRITE)]
Sender = Annotated[Actor, requires(destinations.SEND)]
Viewer = Annotated[Actor, requires("studies:read")]
Cursor = Annotated[str | None, Query(max_length=300)]


@routes.get("")
async def list_destinations(
    actor: Reader, session: SessionDep, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[DestinationRead]:
    """List the organisation's destinations."""
    return await destinations.list_all(session, actor, cursor=cursor, limit=limit)


@routes.post("", status_code=201)
async def create_destination(
    new: DestinationCreate, actor: Writer, session: SessionDep
) -> DestinationRead:
    """Add a destination; it gets results from now on."""
    return await destinations.create(session, actor, new)


@routes.get("/kinds")
async def list_destination_kinds(actor: Reader, session: SessionDep) -> list[DestinationKind]:
    """List the kinds of destinations and the shape of their settings."""
    return destinations.kinds(session)


@routes.get("/{destination_id}")
async def get_destination(
    destination_id: UUID, actor: Reader, session: SessionDep
) -> DestinationRead:
    """Get one destination."""
    return await destinations.get(session, actor, destination_id)


@routes.patch("/{destination_id}")
async def change_destination(
    destination_id: UUID, changes: DestinationChange, actor: Writer, session: SessionDep
) -> DestinationRead:
    """Change the fields that are sent."""
    return await destinations.change(session, actor, destination_id, changes)


@routes.delete("/{destination_id}", status_code=204)
async def remove_destination(destination_id: UUID, actor: Writer, session: SessionDep) -> None:
    """Delete a destination with its deliveries; what waits is not sent."""
    await destinations.remove(session, actor, destination_id)


@trials.post("/{destination_id}/test")
async def try_destination(destination_id: str, actor: Writer, request: Request) -> Trial:
    """Call the destination without sending anything (C-ECHO, or a search for one study)."""
    return await destinations.test(database_of(request), actor, path_uuid(destination_id))


@routes.get("/{destination_id}/deliveries")
async def list_destination_deliveries(
    destination_id: UUID,
    actor: Reader,
    session: SessionDep,
    state: PushState | None = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[PushRead]:
    """List what was sent to a destination, newest first; ``state=dead``: what was given up."""
    return await pushing.list_of_destination(
        session, actor, destination_id, state=state, cursor=cursor, limit=limit
    )


@routes.get("/{destination_id}/deliveries/{delivery_id}")
async def get_destination_delivery(
    destination_id: UUID, delivery_id: UUID, actor: Reader, session: SessionDep
) -> PushDetail:
    """Get one delivery with its objects, the refused ones first."""
    return await pushing.detail(session, actor, destination_id, delivery_id)


@routes.post("/{destination_id}/deliveries/{delivery_id}/retry", status_code=202)
async def retry_destination_delivery(
    destination_id: UUID, delivery_id: UUID, actor: Sender, session: SessionDep
) -> PushRead:
    """Try a delivery again that was given up, or what of it was refused."""
    return await pushing.retry(session, actor, destination_id, delivery_id)


@studies.post("/{study_id}/send", status_code=202)
async def send_study(
    study_id: UUID, asked: SendRequest, actor: Sender, session: SessionDep
) -> PushRead:
    """Send a study to a destination now; ask the delivery for its fate."""
    return await pushing.send(session, actor, study_id, asked)


@studies.get("/{study_id}/deliveries")
async def list_study_deliveries(
    study_id: UUID,
    actor: Viewer,
    session: SessionDep,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[PushRead]:
    """List to which destinations a study was sent, newest first."""
    return await pushing.list_of_study(session, actor, study_id, cursor=cursor, limit=limit)
