# SPDX-License-Identifier: Apache-2.0
"""The worklist of modalities: steps scheduled in a space, found by them, begun and ended.

Whoever may read a space sees its entries, whoever may write it makes them. Orders by HL7 or FHIR
come through ``schedule``.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from healthvision.domains.audit import service as audit
from healthvision.domains.integration import worklist_rows
from healthvision.domains.integration.documents import first, values
from healthvision.domains.integration.errors import (
    WorklistEntryClosed,
    WorklistEntryNotFound,
)
from healthvision.domains.integration.events import WorklistEntryChanged
from healthvision.domains.integration.schemas import (
    EntryState,
    Json,
    PerformedStepRead,
    WorklistEntryCreate,
    WorklistEntryRead,
)
from healthvision.domains.integration.tables import PerformedStep, WorklistEntry
from healthvision.domains.integration.worklist_documents import (
    STEP,
    day_of,
    document_of,
    fits,
    narrowed,
    person_text,
    with_state,
)
from healthvision.domains.integration.worklist_rows import Narrowed
from healthvision.domains.spaces import service as spaces
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Database, Session
from healthvision.kernel.events import publish
from healthvision.kernel.paging import BadCursor, decode_cursor, encode_cursor
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

READ, WRITE = "schedule:read", "schedule:write"
_CHUNK = 200
_ALPHABET = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class EntryQuery:
    """Which entries of the list; empty conditions match everything."""

    space: str = ""
    state: EntryState | None = None
    from_date: date | None = None
    to_date: date | None = None
    modality: str = ""
    station_ae: str = ""
    patient_id: str = ""


def _short_id(prefix: str) -> str:
    """Return a new id of at most 16 characters."""
    number, text = new_id().int & ((1 << 62) - 1), ""
    while number:
        number, digit = divmod(number, len(_ALPHABET))
        text += _ALPHABET[digit]
    return (prefix + text)[:16]


async def schedule(session: Session, actor: Actor, new: WorklistEntryCreate) -> WorklistEntryRead:
    """Put a step on the worklist; raises SpaceNotFound, Forbidden, WorklistEntryExists."""
    place = await spaces.get(session, actor, new.space, "write")
    new = new.model_copy(
        update={
            "study_uid": new.study_uid or f"2.25.{new_id().int}",
            "procedure_id": new.procedure_id or _short_id("P"),
            "step_id": new.step_id or _short_id("S"),
        }
    )
    row = WorklistEntry(
        id=new_id(),
        org_id=actor.org_id,
        created_at=now(),
        space_id=place.id,
        step_id=new.step_id,
        study_uid=new.study_uid,
        accession_number=new.accession_number,
        patient_id=new.patient_id,
        modality=new.modality.strip(),
        station_ae=new.station_ae,
        starts_on=day_of(new.scheduled_date),
        state="scheduled",
        document=document_of(new),
        updated_at=now(),
    )
    await worklist_rows.add(session, row)
    await _tell(session, actor, row, "scheduled")
    return _read(row, [])


async def _tell(session: Session, actor: Actor, row: WorklistEntry, what: str) -> None:
    await audit.record(
        session,
        actor,
        f"integration.worklist_entry_{what}",
        row.id,
        kind="worklist_entry",
        space_id=row.space_id,
        after={"state": row.state},
    )
    event = WorklistEntryChanged(
        org_id=row.org_id, subject=row.id, space_id=row.space_id, state=row.state
    )
    await publish(session, actor, event)


def _read(row: WorklistEntry, steps: list[PerformedStep]) -> WorklistEntryRead:
    item = row.document[STEP]["Value"][0]
    names = values(row.document, "00100010")
    return WorklistEntryRead(
        id=row.id,
        space_id=row.space_id,
        step_id=row.step_id,
        study_uid=row.study_uid,
        accession_number=row.accession_number,
        patient_id=row.patient_id,
        patient_name=person_text(names[0]) if names else "",
        modality=row.modality,
        station_ae=row.station_ae,
        scheduled_date=date.fromisoformat(row.starts_on),
        scheduled_time=_time(first(item, "00400003")),
        procedure_description=first(row.document, "00321060"),
        state=row.state,
        performed=[step_read(s) for s in steps],
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _time(text: str) -> str:
    whole = text.ljust(6, "0")
    return f"{whole[:2]}:{whole[2:4]}:{whole[4:6]}"


def step_read(row: PerformedStep) -> PerformedStepRead:
    """Return a performed step as callers get it."""
    series = [first(item, "0020000E") for item in values(row.document, "00400340")]
    return PerformedStepRead(
        uid=row.uid,
        state=row.state,
        station_ae=row.station_ae,
        series=[uid for uid in series if uid],
        updated_at=row.updated_at,
    )


async def _visible(
    session: Session, actor: Actor, wanted: UUID, *, write: bool = False
) -> WorklistEntry:
    row = await worklist_rows.entry(session, actor.org_id, wanted)
    if row is None:
        raise WorklistEntryNotFound("there is no such worklist entry")
    seen = {s.id for s in await spaces.visible(session, actor)}
    if row.space_id not in seen:
        raise WorklistEntryNotFound("there is no such worklist entry")
    if write:
        await spaces.get(session, actor, row.space_id, "write")
    return row


async def get(session: Session, actor: Actor, wanted: UUID) -> WorklistEntryRead:
    """Return one entry; raises WorklistEntryNotFound."""
    row = await _visible(session, actor, wanted)
    steps = await worklist_rows.steps_of(session, actor.org_id, [row.id])
    return _read(row, steps.get(row.id, []))


async def cancel(session: Session, actor: Actor, wanted: UUID) -> WorklistEntryRead:
    """Take a scheduled step from the worklist; it stays visible as cancelled.

    Raises WorklistEntryNotFound, Forbidden, WorklistEntryClosed.
    """
    row = await _visible(session, actor, wanted, write=True)
    if row.state == "cancelled":
        return _read(row, [])
    if row.state != "scheduled":
        raise WorklistEntryClosed(f"the step is {row.state}", state=row.state)
    await enter(session, actor, row, "cancelled")
    return _read(row, [])


async def enter(session: Session, actor: Actor, row: WorklistEntry, state: EntryState) -> None:
    """Bring an entry into a state."""
    row.state, row.document, row.updated_at = state, with_state(row.document, state), now()
    await session.flush()
    await _tell(session, actor, row, state)


async def list_entries(
    session: Session, actor: Actor, query: EntryQuery, *, cursor: str | None, limit: int
) -> Page[WorklistEntryRead]:
    """Return a page of entries by day; raises SpaceNotFound, BadCursor."""
    if query.space:
        places = [(await spaces.get(session, actor, query.space)).id]
    else:
        places = [s.id for s in await spaces.visible(session, actor)]
    conditions = Narrowed(
        [query.state] if query.state else (),
        day_of(query.from_date) if query.from_date else "",
        day_of(query.to_date) if query.to_date else "",
        query.modality,
        query.station_ae,
        query.patient_id,
    )
    rows = await worklist_rows.page(
        session, actor.org_id, places, conditions, after=_after(cursor), limit=limit + 1
    )
    kept = rows[:limit]
    steps = await worklist_rows.steps_of(session, actor.org_id, [r.id for r in kept])
    more = len(rows) > limit
    return Page[WorklistEntryRead](
        items=[_read(r, steps.get(r.id, [])) for r in kept],
        next=encode_cursor([kept[-1].starts_on, str(kept[-1].id)]) if more else None,
        total=None,
    )


def _after(cursor: str | None) -> tuple[str, UUID] | None:
    if cursor is None:
        return None
    day, last = (str(part) for part in decode_cursor(cursor, 2))
    try:
        if len(day) == 8 and day.isascii() and day.isdigit():
            return day, UUID(last)
    except ValueError:
        pass
    raise BadCursor("the cursor was not made by this list")


async def find(
    db: Database, actor: Actor, space_id: UUID, keys: Mapping[str, str]
) -> AsyncIterator[Json]:
    """Yield the data sets of open entries that match a modality's query, by day.

    ``keys``: keyword, or 'ScheduledProcedureStepSequence.Keyword', -> value; keys we do not match
    are passed over. Raises SpaceNotFound, Forbidden.
    """
    after: tuple[str, UUID] | None = None
    async with db.reading() as session:
        await spaces.get(session, actor, space_id)
    while True:
        async with db.reading() as session:
            rows = await worklist_rows.page(
                session, actor.org_id, [space_id], narrowed(keys), after=after, limit=_CHUNK
            )
        for row in rows:
            if fits(row.document, keys):
                yield row.document
        if len(rows) < _CHUNK:
            return
        after = (rows[-1].starts_on, rows[-1].id)
