# SPDX-License-Identifier: Apache-2.0
"""Performed steps told by modalities (MPPS, PS3.4 F.7), and what they mean for the worklist."""

from typing import Any
from uuid import UUID

from healthvision.domains.audit import service as audit
from healthvision.domains.integration import worklist_rows
from healthvision.domains.integration.documents import first, is_uid, values
from healthvision.domains.integration.errors import BadStep, StepClosed, StepNotFound
from healthvision.domains.integration.schemas import EntryState, Json, PerformedStepRead
from healthvision.domains.integration.tables import PerformedStep
from healthvision.domains.integration.worklist import enter, step_read
from healthvision.domains.spaces import service as spaces
from healthvision.kernel import strictjson
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Session
from healthvision.kernel.errors import Problem
from healthvision.kernel.security import Actor

STATUS, STATION = "00400252", "00400241"
_SCHEDULED_STEPS, _STEP_ID, _STUDY = "00400270", "00400009", "0020000D"
_STATES: dict[str, EntryState] = {
    "IN PROGRESS": "in_progress",
    "COMPLETED": "completed",
    "DISCONTINUED": "discontinued",
}


async def begin(
    session: Session, actor: Actor, space_id: UUID, uid: str, document: Json
) -> PerformedStepRead:
    """Keep a new performed step (N-CREATE); the worklist entry it names is in progress.

    Raises BadStep, StepExists, Forbidden.
    """
    place = await spaces.get(session, actor, space_id, "write")
    _check_values(document)
    if not is_uid(uid):
        raise BadStep("AffectedSOPInstanceUID is no UID")
    if first(document, STATUS) != "IN PROGRESS":
        raise BadStep("PerformedProcedureStepStatus of a new step must be IN PROGRESS")
    scheduled: list[Any] = values(document, _SCHEDULED_STEPS)
    named = scheduled[0] if scheduled and isinstance(scheduled[0], dict) else {}
    entry = await worklist_rows.of_step(
        session, actor.org_id, place.id, first(named, _STEP_ID), first(named, _STUDY)
    )
    row = PerformedStep(
        id=new_id(),
        org_id=actor.org_id,
        created_at=now(),
        space_id=place.id,
        entry_id=None if entry is None else entry.id,
        uid=uid,
        state="IN PROGRESS",
        station_ae=first(document, STATION)[:16],
        document=document,
        updated_at=now(),
    )
    await worklist_rows.add_step(session, row)
    await _tell(session, actor, row, "begun")
    return step_read(row)


async def change(
    session: Session, actor: Actor, space_id: UUID, uid: str, document: Json
) -> PerformedStepRead:
    """Change a performed step, or end it (N-SET).

    Raises BadStep, StepNotFound, StepClosed, Forbidden.
    """
    place = await spaces.get(session, actor, space_id, "write")
    _check_values(document)
    row = await worklist_rows.step(session, actor.org_id, place.id, uid)
    if row is None:
        raise StepNotFound("there is no such performed step")
    if row.state != "IN PROGRESS":
        raise StepClosed(f"the performed step is {row.state}", state=row.state)
    wanted = first(document, STATUS) or row.state
    if wanted not in _STATES:
        raise BadStep("PerformedProcedureStepStatus is not one of the standard")
    if any(tag.startswith("0010") or tag == _SCHEDULED_STEPS for tag in document):
        raise BadStep("patient and scheduled steps cannot be changed")
    row.document = dict(sorted({**row.document, **document}.items()))
    row.state, row.updated_at = wanted, now()
    await session.flush()
    await _tell(session, actor, row, "changed")
    return step_read(row)


def _check_values(document: Json) -> None:
    """Refuse values that no database keeps, such as U+0000; raises BadStep."""
    try:
        strictjson.loads(strictjson.dumps(document))
    except (Problem, ValueError):
        raise BadStep("a value cannot be stored") from None


async def _tell(session: Session, actor: Actor, row: PerformedStep, what: str) -> None:
    await audit.record(
        session,
        actor,
        f"integration.performed_step_{what}",
        row.id,
        kind="performed_step",
        space_id=row.space_id,
        after={"state": row.state},
    )
    if row.entry_id is None:
        return
    entry = await worklist_rows.entry(session, row.org_id, row.entry_id)
    if entry is not None and entry.state != _STATES[row.state]:
        await enter(session, actor, entry, _STATES[row.state])
