# SPDX-License-Identifier: Apache-2.0
"""Work items: create, find, claim, change, end, cancel; subscriptions to them.

Whoever may read a space sees its items, whoever may write it makes and works on them. A claim
holds the Transaction UID; nobody is shown it.
"""

from uuid import UUID

from healthvision.domains.audit import service as audit
from healthvision.domains.integration import repository, states
from healthvision.domains.integration.documents import (
    CANCELED_AT,
    PATIENT_ID,
    PROGRESS,
    SOP_CLASS,
    SOP_UID,
    STATE,
    TRANSACTION,
    check_new,
    check_update,
    checked,
    first,
    is_uid,
    matches,
    missing_for_final,
    values,
)
from healthvision.domains.integration.errors import (
    BadTransaction,
    BadWorkitem,
    NotFinal,
    WorkitemNotFound,
    WrongState,
)
from healthvision.domains.integration.events import WorkitemChanged
from healthvision.domains.integration.reporting import (
    CANCEL_REQUESTED,
    PROGRESS_REPORT,
    STATE_REPORT,
    reason_of,
    report,
)
from healthvision.domains.integration.schemas import (
    UPS_CLASS,
    Done,
    Json,
    WorkitemPage,
    WorkitemQuery,
    WorkitemRead,
)
from healthvision.domains.integration.subscribing import (
    fetch_reports,
    reports_sent,
    subscribe,
    suspend,
    unsubscribe,
)
from healthvision.domains.integration.tables import Workitem
from healthvision.domains.spaces import service as spaces
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Session
from healthvision.kernel.events import publish
from healthvision.kernel.security import Actor

__all__ = [
    "cancel",
    "change_state",
    "checked",
    "create",
    "fetch_reports",
    "find",
    "get",
    "reports_sent",
    "subscribe",
    "suspend",
    "unsubscribe",
    "update",
]
MAX_SCANNED = 20_000
_CHUNK = 500


def _read(row: Workitem) -> WorkitemRead:
    return WorkitemRead(row.id, row.uid, row.state, row.document)


async def _claimable(session: Session, actor: Actor, space: UUID | str, uid: str) -> Workitem:
    """Return an item, locked, for an actor who may write its space."""
    place = await spaces.get(session, actor, space, "write")
    row = await repository.find(session, actor.org_id, place.id, uid, lock=True)
    if row is None:
        raise WorkitemNotFound("there is no such work item")
    return row


async def _tell(session: Session, actor: Actor, row: Workitem, change: str) -> None:
    row.updated_at = now()
    await audit.record(
        session,
        actor,
        f"integration.workitem_{change.replace('-', '_')}",
        row.id,
        kind="workitem",
        space_id=row.space_id,
        after={"state": row.state},
    )
    event = WorkitemChanged(
        org_id=row.org_id, subject=row.id, space_id=row.space_id, state=row.state, change=change
    )
    await publish(session, actor, event)


async def create(
    session: Session, actor: Actor, space: UUID | str, document: Json, uid: str = ""
) -> WorkitemRead:
    """Make a SCHEDULED item; the UID is the given one, the data set's, or a new one.

    Raises BadWorkitem, WorkitemExists.
    """
    place = await spaces.get(session, actor, space, "write")
    check_new(document)
    inside = first(document, SOP_UID)
    if uid and inside and uid != inside:
        raise BadWorkitem("the UID of the address is not the SOPInstanceUID of the data set")
    uid = uid or inside or f"2.25.{new_id().int}"
    if not is_uid(uid):
        raise BadWorkitem("the SOPInstanceUID is not a UID")
    kept = {tag: entry for tag, entry in document.items() if tag != TRANSACTION}
    kept |= {
        SOP_CLASS: {"vr": "UI", "Value": [UPS_CLASS]},
        SOP_UID: {"vr": "UI", "Value": [uid]},
        STATE: {"vr": "CS", "Value": [states.SCHEDULED]},
    }
    row = Workitem(
        id=new_id(),
        org_id=actor.org_id,
        created_at=now(),
        space_id=place.id,
        uid=uid,
        state=states.SCHEDULED,
        transaction_uid="",
        patient_id=first(document, PATIENT_ID)[:64],
        document=dict(sorted(kept.items())),
    )
    await repository.add(session, row)
    await report(session, row, STATE_REPORT)
    await _tell(session, actor, row, "created")
    return _read(row)


async def get(session: Session, actor: Actor, space: UUID | str, uid: str) -> WorkitemRead:
    """Return an item; raises WorkitemNotFound."""
    place = await spaces.get(session, actor, space)
    row = await repository.find(session, actor.org_id, place.id, uid)
    if row is None:
        raise WorkitemNotFound("there is no such work item")
    return _read(row)


async def find(
    session: Session, actor: Actor, space: UUID | str, query: WorkitemQuery
) -> WorkitemPage:
    """Return items of a space that match, oldest first.

    At most ``MAX_SCANNED`` items are compared after state and patient id chose them by an index.
    """
    place = await spaces.get(session, actor, space)
    wanted = query.filters.get("ProcedureStepState", "")
    plain_patient = query.filters.get("PatientID", "")
    after: UUID | None = None
    found: list[WorkitemRead] = []
    scanned = 0
    while len(found) <= query.offset + query.limit and scanned < MAX_SCANNED:
        rows = await repository.page(
            session,
            actor.org_id,
            place.id,
            states=[s for s in wanted.split("\\") if s in states.STATES],
            patient_id="" if set(plain_patient) & set("*?\\") else plain_patient,
            after=after,
            limit=_CHUNK,
        )
        found += [_read(r) for r in rows if matches(r.document, query.filters)]
        scanned += len(rows)
        if len(rows) < _CHUNK:
            break
        after = rows[-1].id
    chosen = found[query.offset : query.offset + query.limit]
    return WorkitemPage(tuple(chosen), len(found) > query.offset + query.limit)


async def update(
    session: Session, actor: Actor, space: UUID | str, uid: str, document: Json, transaction: str
) -> Done:
    """Change attributes of an item; raises BadWorkitem, BadTransaction, WrongState."""
    row = await _claimable(session, actor, space, uid)
    given = transaction or first(document, TRANSACTION)
    states.may_update(row.state, row.transaction_uid, given)
    changes = {tag: entry for tag, entry in document.items() if tag != TRANSACTION}
    check_update(changes)
    row.document = dict(sorted({**row.document, **changes}.items()))
    if PROGRESS in changes:
        await report(session, row, PROGRESS_REPORT)
    await _tell(session, actor, row, "updated")
    return Done(_read(row))


async def change_state(
    session: Session, actor: Actor, space: UUID | str, uid: str, document: Json
) -> Done:
    """Claim an item, or end it; raises BadWorkitem, BadTransaction, WrongState, NotFinal."""
    row = await _claimable(session, actor, space, uid)
    wanted, given = first(document, STATE), first(document, TRANSACTION)
    if wanted not in states.STATES:
        raise BadWorkitem("ProcedureStepState must be one of " + ", ".join(states.STATES))
    if given and not is_uid(given):
        raise BadTransaction("The Transaction UID is not a UID.")
    move = states.move(row.state, wanted, row.transaction_uid, given)
    if move.to is None:
        return Done(_read(row), (move.warning,))
    missing = missing_for_final(row.document) if move.to == states.COMPLETED else []
    if missing:
        raise NotFinal(f"needed before COMPLETED: {', '.join(missing)}")
    row.transaction_uid = given
    await _enter(session, actor, row, move.to)
    return Done(_read(row))


async def _enter(session: Session, actor: Actor, row: Workitem, state: str) -> None:
    row.state = state
    changed = {**row.document, STATE: {"vr": "CS", "Value": [state]}}
    if state == states.CANCELED:
        changed[PROGRESS] = {"vr": "SQ", "Value": [_canceled(row.document)]}
    row.document = dict(sorted(changed.items()))
    await report(session, row, STATE_REPORT)
    await _tell(session, actor, row, "state")


def _canceled(document: Json) -> Json:
    """Return the progress information with the time of cancellation, which CANCELED needs."""
    known = values(document, PROGRESS)
    progress = dict(known[0]) if known and isinstance(known[0], dict) else {}
    at = now().strftime("%Y%m%d%H%M%S+0000")
    progress.setdefault(CANCELED_AT, {"vr": "DT", "Value": [at]})
    return progress


async def cancel(
    session: Session, actor: Actor, space: UUID | str, uid: str, document: Json
) -> Done:
    """Ask for an item's end: nobody's item is CANCELED at once, else its claimer is told.

    Raises WrongState for a COMPLETED item, and when nobody listens who could cancel.
    """
    row = await _claimable(session, actor, space, uid)
    if row.state == states.CANCELED:
        return Done(_read(row), ("The UPS is already in the requested state of CANCELED.",))
    if row.state == states.COMPLETED:
        raise WrongState("the work item is COMPLETED already", state=row.state)
    if row.state == states.SCHEDULED:
        progress = {**_canceled(row.document), **reason_of(document)}
        row.document = {**row.document, PROGRESS: {"vr": "SQ", "Value": [progress]}}
        await _enter(session, actor, row, states.CANCELED)
        return Done(_read(row))
    heard = await report(session, row, CANCEL_REQUESTED, reason_of(document))
    await _tell(session, actor, row, "cancel-requested")
    if not heard:
        raise WrongState("whoever performs the work item cannot be told", state=row.state)
    return Done(_read(row))
