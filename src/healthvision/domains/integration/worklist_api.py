# SPDX-License-Identifier: Apache-2.0
"""``/v1/modality-worklist``: the steps modalities fetch (DICOM Modality Worklist)."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request

from healthvision.domains.audit import service as audit
from healthvision.domains.integration import worklist
from healthvision.domains.integration.schemas import (
    EntryState,
    WorklistEntryCreate,
    WorklistEntryRead,
)
from healthvision.domains.integration.worklist import EntryQuery
from healthvision.kernel.http import SessionDep, database_of, requires, router
from healthvision.kernel.paging import DEFAULT_LIMIT, Limit
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

routes = router("/v1/modality-worklist", "integration")
Reader = Annotated[Actor, requires(worklist.READ)]
Writer = Annotated[Actor, requires(worklist.WRITE)]
Cursor = Annotated[str | None, Query(max_length=300)]
Text = Annotated[str, Query(max_length=100, pattern=r"^[^\x00-\x1f]*$")]
Day = Annotated[date | None, Query()]


@routes.post("", status_code=201)
async def create_worklist_entry(
    new: WorklistEntryCreate, actor: Writer, session: SessionDep
) -> WorklistEntryRead:
    """Put a step on the worklist of the modalities of a space."""
    return await worklist.schedule(session, actor, new)


@routes.get("")
async def list_worklist_entries(
    request: Request,
    actor: Reader,
    session: SessionDep,
    space: Text = "",
    state: EntryState | None = None,
    from_date: Day = None,
    to_date: Day = None,
    modality: Text = "",
    station_ae: Text = "",
    patient_id: Text = "",
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[WorklistEntryRead]:
    """List steps by day; entries without a station are for any station."""
    query = EntryQuery(space, state, from_date, to_date, modality, station_ae, patient_id)
    page = await worklist.list_entries(session, actor, query, cursor=cursor, limit=limit)
    detail = {"entries": [str(i.id) for i in page.items]}
    db = database_of(request)
    await audit.record_read(db, actor, "integration.worklist_listed", detail=detail)
    return page


@routes.get("/{entry_id}")
async def get_worklist_entry(
    entry_id: UUID, request: Request, actor: Reader, session: SessionDep
) -> WorklistEntryRead:
    """Get one step, with what modalities told of it (MPPS)."""
    found = await worklist.get(session, actor, entry_id)
    await audit.record_read(
        database_of(request),
        actor,
        "integration.worklist_entry_read",
        found.id,
        kind="worklist_entry",
        space_id=found.space_id,
    )
    return found


@routes.post("/{entry_id}/cancel")
async def cancel_worklist_entry(
    entry_id: UUID, actor: Writer, session: SessionDep
) -> WorklistEntryRead:
    """Take a scheduled step from the worklist; it stays in the list as cancelled."""
    return await worklist.cancel(session, actor, entry_id)
