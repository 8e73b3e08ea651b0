# SPDX-License-Identifier: Apache-2.0
"""Patients: one per (organisation, issuer, patient id); disagreements are kept in sight."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.sql.elements import ColumnElement

from healthvision.domains.patients import repository
from healthvision.domains.patients.errors import PatientNotFound
from healthvision.domains.patients.names import fold
from healthvision.domains.patients.names import search_words as search_words
from healthvision.domains.patients.schemas import (
    PatientConflict,
    PatientDetail,
    PatientRead,
    PatientSeen,
)
from healthvision.domains.patients.tables import Patient, PatientConflictRow
from healthvision.kernel.clock import now
from healthvision.kernel.db import Session
from healthvision.kernel.paging import DEFAULT_LIMIT, BadCursor, decode_cursor, encode_cursor
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

ATTRIBUTES = ("name", "sex", "birth_date")


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
    row = await _row(session, actor, seen)
    for attribute in ATTRIBUTES:
        value, kept = getattr(seen, attribute), getattr(row, attribute)
        if not value or value == kept:
            continue
        if not kept:
            setattr(row, attribute, value)
            row.updated_at = now()
            continue
        conflict = PatientConflictRow(
            org_id=actor.org_id,
            patient_ref=row.id,
            attribute=attribute,
            kept=kept,
            other=value,
            source=source,
        )
        if await repository.add_conflict(session, conflict):
            row.conflict_count += 1
            row.updated_at = now()
    row.search = search_words(row.name)
    await session.flush()
    return row.id


async def disagree(
    session: Session, actor: Actor, patient_ref: UUID, *, attribute: str, other: str, source: str
) -> None:
    """Note that an object of study ``source`` names another value for a patient's attribute."""
    row = await repository.find(session, actor.org_id, patient_ref)
    if row is None:
        raise PatientNotFound("there is no such patient")
    conflict = PatientConflictRow(
        org_id=actor.org_id,
        patient_ref=row.id,
        attribute=attribute,
        kept=getattr(row, attribute),
        other=other,
        source=source,
    )
    if await repository.add_conflict(session, conflict):
        row.conflict_count += 1
    await session.flush()


async def _row(session: Session, actor: Actor, seen: PatientSeen) -> Patient:
    number = (actor.org_id, seen.issuer, seen.patient_id, seen.scope)
    row = await repository.by_number(session, *number)
    if row is not None:
        return row
    new = Patient(
        org_id=actor.org_id,
        issuer=seen.issuer,
        patient_id=seen.patient_id,
        scope=seen.scope,
        name=seen.name,
        sex=seen.sex,
        birth_date=seen.birth_date,
        conflict_count=0,
    )
    if await repository.add(session, new):
        return new
    row = await repository.by_number(session, *number)
    assert row is not None
    return row


async def find(session: Session, actor: Actor, query: PatientQuery) -> Page[PatientRead]:
    """Return one page of patients, newest first."""
    conditions: list[ColumnElement[bool]] = [Patient.org_id == actor.org_id]
    if query.patient_id:
        conditions.append(Patient.patient_id == query.patient_id)
    if query.issuer:
        conditions.append(Patient.issuer == query.issuer)
    if query.conflicts_only:
        conditions.append(Patient.conflict_count > 0)
    for word in search_words(query.name).split():
        conditions.append(Patient.search.contains(f" {fold(word)}", autoescape=True))
    after = _after(query.cursor)
    rows = await repository.page(session, conditions, after, query.limit + 1)
    more = len(rows) > query.limit
    items = [PatientRead.model_validate(r) for r in rows[: query.limit]]
    return Page[PatientRead](
        items=items,
        next=encode_cursor([str(items[-1].id)]) if more else None,
        total=await repository.count(session, conditions),
    )


def _after(cursor: str | None) -> UUID | None:
    if cursor is None:
        return None
    try:
        return UUID(str(decode_cursor(cursor, 1)[0]))
    except ValueError:
        raise BadCursor("the cursor was not made by this list") from None


async def get(session: Session, actor: Actor, patient_ref: UUID) -> PatientDetail:
    """Return a patient with conflicts; raises PatientNotFound."""
    row = await repository.find(session, actor.org_id, patient_ref)
    if row is None:
        raise PatientNotFound("there is no such patient")
    found = await repository.conflicts(session, actor.org_id, patient_ref)
    return PatientDetail(
        **PatientRead.model_validate(row).model_dump(),
        conflicts=[PatientConflict.model_validate(c) for c in found],
    )
