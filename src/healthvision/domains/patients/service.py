# SPDX-License-Identifier: Apache-2.0
"""Patients: one per (organisation, issuer, patient id); disagreements are kept in sight."""

from dataclasses import dataclass
from functools import partial
from uuid import UUID

from sqlalchemy.sql.elements import ColumnElement

from healthvision.domains.patients import repository
from healthvision.domains.patients.conflicts import find_conflict as find_conflict
from healthvision.domains.patients.conflicts import open_conflicts as open_conflicts
from healthvision.domains.patients.conflicts import reopen_conflict as reopen_conflict
from healthvision.domains.patients.conflicts import settle_conflict as settle_conflict
from healthvision.domains.patients.errors import PatientNotFound
from healthvision.domains.patients.merging import hold as hold
from healthvision.domains.patients.merging import merge as merge
from healthvision.domains.patients.merging import own as own
from healthvision.domains.patients.merging import set_edits as set_edits
from healthvision.domains.patients.merging import standing as standing
from healthvision.domains.patients.merging import standing_on as standing_on
from healthvision.domains.patients.merging import unmerge as unmerge
from healthvision.domains.patients.names import fold as fold
from healthvision.domains.patients.names import index_words as index_words
from healthvision.domains.patients.names import is_ideographic as is_ideographic
from healthvision.domains.patients.names import search_words as search_words
from healthvision.domains.patients.observing import disagree_on as disagree_on
from healthvision.domains.patients.observing import observe_on as observe_on
from healthvision.domains.patients.ports import PatientSight, Sight
from healthvision.domains.patients.schemas import (
    PatientConflict,
    PatientDetail,
    PatientRead,
    PatientSeen,
    PriorNumber,
)
from healthvision.domains.patients.tables import Patient
from healthvision.kernel.db import Session, resources_of
from healthvision.kernel.paging import DEFAULT_LIMIT, cursor_id, next_id
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor


@dataclass(frozen=True, slots=True)
class PatientQuery:
    """A search for patients; '' means any. ``name``: starts of words, in any order."""

    patient_id: str = ""
    issuer: str = ""
    name: str = ""
    cursor: str | None = None
    limit: int = DEFAULT_LIMIT
    conflicts_only: bool = False


async def observe(session: Session, actor: Actor, seen: PatientSeen, *, source: str) -> UUID:
    """Return our id of the patient an object is about; make or complete the patient.

    Empty attributes are filled; different ones are noted as a conflict with ``source`` (study
    UID) and the first value stays.
    """
    await session.flush()
    connection = await session.connection()
    found = await connection.run_sync(
        partial(observe_on, org_id=actor.org_id, seen=seen, source=source)
    )
    return found.ref


async def _sight(session: Session, actor: Actor) -> Sight | None:
    found = resources_of(session).get(PatientSight)  # type: ignore[type-abstract]
    return await found.sight(session, actor)


async def find(session: Session, actor: Actor, query: PatientQuery) -> Page[PatientRead]:
    """Return one page of the patients the actor may know of, newest first."""
    sight = await _sight(session, actor)
    conditions: list[ColumnElement[bool]] = [Patient.org_id == actor.org_id]
    if sight is not None:
        conditions.append(sight.of_patient(Patient.id))
    if query.patient_id:
        conditions.append(Patient.patient_id == query.patient_id)
    if query.issuer:
        conditions.append(Patient.issuer == query.issuer)
    if query.conflicts_only:
        conditions.append(repository.has_conflict(actor.org_id, sight))
    for word in search_words(query.name).split():
        conditions.append(Patient.search.contains(f" {fold(word)}", autoescape=True))
    after = cursor_id(query.cursor)
    rows = await repository.page(session, conditions, after, query.limit + 1)
    shown = [PatientRead.model_validate(r) for r in rows[: query.limit]]
    if sight is not None:
        shown = await _with_seen_conflicts(session, actor, shown, sight)
    return Page[PatientRead](
        items=shown,
        next=next_id(rows, query.limit),
        total=await repository.count(session, conditions),
    )


async def _with_seen_conflicts(
    session: Session, actor: Actor, shown: list[PatientRead], sight: Sight
) -> list[PatientRead]:
    """Return the patients with the number of those conflicts that the actor may know of."""
    refs = [p.id for p in shown]
    counts = await repository.conflict_counts(session, actor.org_id, refs, sight)
    return [p.model_copy(update={"conflict_count": counts.get(p.id, 0)}) for p in shown]


async def get(session: Session, actor: Actor, patient_ref: UUID) -> PatientDetail:
    """Return a patient with conflicts; raises PatientNotFound.

    Who has studies only in restricted spaces that the actor may not read is not found, and what
    studies in such spaces say is no conflict that is told.
    """
    sight = await _sight(session, actor)
    row = await repository.find(session, actor.org_id, patient_ref, sight)
    if row is None:
        raise PatientNotFound("there is no such patient")
    found = await repository.conflicts(session, actor.org_id, patient_ref, sight)
    values = PatientRead.model_validate(row).model_dump()
    if sight is not None:
        values["conflict_count"] = sum(c.resolved_at is None for c in found)
    prior = await repository.merged_below(session, actor.org_id, patient_ref)
    return PatientDetail(
        **values,
        conflicts=[PatientConflict.model_validate(c) for c in found],
        prior_numbers=[
            PriorNumber(patient_ref=p.id, patient_id=p.patient_id, issuer=p.issuer) for p in prior
        ],
    )
