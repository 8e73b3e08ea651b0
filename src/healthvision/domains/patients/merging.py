# SPDX-License-Identifier: Apache-2.0
"""Patients that turn out to be one, and attributes corrected by hand.

A merge is a pointer from one patient to another; chains are followed. Nothing is copied, so that
taking a merge back, in any order, leaves everybody as they would be without it. What lies above
(studies) asks for the ``Standing`` of a patient and follows it.
"""

from collections.abc import Mapping
from functools import partial
from typing import cast
from uuid import UUID

from sqlalchemy import Connection, Table, select

from healthvision.domains.patients import repository
from healthvision.domains.patients.errors import PatientMerged, PatientNotFound
from healthvision.domains.patients.events import PatientMerged as MergedEvent
from healthvision.domains.patients.events import PatientUnmerged
from healthvision.domains.patients.names import index_words
from healthvision.domains.patients.schemas import Number, Standing
from healthvision.domains.patients.tables import Patient
from healthvision.kernel.clock import now
from healthvision.kernel.db import Session
from healthvision.kernel.events import publish
from healthvision.kernel.security import Actor

_PATIENTS = cast("Table", Patient.__table__)
EDITABLE = ("name", "sex", "birth_date")


async def merge(session: Session, actor: Actor, patient_ref: UUID, into: UUID) -> None:
    """Let one patient be part of another one from now on.

    Raises PatientNotFound, and PatientMerged when it is part of one already or of itself.
    """
    rows = await repository.lock(session, actor.org_id, {patient_ref, into})
    if patient_ref not in rows or into not in rows:
        raise PatientNotFound("there is no such patient")
    row = rows[patient_ref]
    if row.merged_into is not None:
        raise PatientMerged("the patient was merged before; take that back first")
    if (await standing(session, actor, into)).ref == patient_ref:
        raise PatientMerged("the other patient is part of this one")
    row.merged_into, row.updated_at = into, now()
    await session.flush()
    await publish(session, actor, MergedEvent(org_id=actor.org_id, subject=patient_ref, into=into))


async def unmerge(session: Session, actor: Actor, patient_ref: UUID) -> None:
    """Let a merged patient stand on its own again; raises PatientNotFound, PatientMerged."""
    rows = await repository.lock(session, actor.org_id, {patient_ref})
    if patient_ref not in rows:
        raise PatientNotFound("there is no such patient")
    row = rows[patient_ref]
    before = row.merged_into
    if before is None:
        raise PatientMerged("the patient is not merged")
    row.merged_into, row.updated_at = None, now()
    await session.flush()
    event = PatientUnmerged(org_id=actor.org_id, subject=patient_ref, from_patient=before)
    await publish(session, actor, event)


async def set_edits(
    session: Session, actor: Actor, patient_ref: UUID, edits: Mapping[str, str]
) -> None:
    """Make these the attributes corrected by hand; all others are what objects say.

    ``edits``: of ``EDITABLE``. Raises PatientNotFound.
    """
    row = (await repository.lock(session, actor.org_id, {patient_ref})).get(patient_ref)
    if row is None:
        raise PatientNotFound("there is no such patient")
    for attribute, value in (row.former or {}).items():
        setattr(row, attribute, value)
    row.former = {attribute: getattr(row, attribute) for attribute in edits} or None
    for attribute, value in edits.items():
        setattr(row, attribute, value)
    row.search, row.updated_at = index_words(row.name), now()
    await session.flush()


async def standing(session: Session, actor: Actor, patient_ref: UUID) -> Standing:
    """Return a patient as to be shown now, by way of all merges; raises PatientNotFound."""
    await session.flush()
    connection = await session.connection()
    return await connection.run_sync(
        partial(standing_on, org_id=actor.org_id, patient_ref=patient_ref)
    )


async def hold(session: Session, actor: Actor, patient_ref: UUID) -> Standing:
    """Do what ``standing`` does; it stays so until the transaction ends."""
    found = await standing(session, actor, patient_ref)
    while True:
        await repository.lock(session, actor.org_id, {patient_ref, found.ref})
        again = await standing(session, actor, patient_ref)
        if again.ref == found.ref:
            return again
        found = again


def standing_on(connection: Connection, org_id: UUID, patient_ref: UUID) -> Standing:
    """Do what ``standing`` does on a sync connection."""
    prior: list[Number] = []
    wanted = patient_ref
    while True:
        query = select(_PATIENTS).where(_PATIENTS.c.org_id == org_id, _PATIENTS.c.id == wanted)
        row = connection.execute(query).one_or_none()
        if row is None:
            raise PatientNotFound("there is no such patient")
        if row.merged_into is None:
            break
        prior.append(Number(row.patient_id, row.issuer))
        wanted = row.merged_into
    return Standing(
        row.id,
        row.patient_id,
        row.issuer,
        row.name,
        row.sex,
        row.birth_date,
        bool(row.former),
        tuple(number for number in prior if number.patient_id),
    )


async def own(session: Session, actor: Actor, patient_ref: UUID) -> Standing:
    """Return a patient as it would be without merges; raises PatientNotFound."""
    row = await repository.find(session, actor.org_id, patient_ref)
    if row is None:
        raise PatientNotFound("there is no such patient")
    return Standing(
        row.id, row.patient_id, row.issuer, row.name, row.sex, row.birth_date, bool(row.former)
    )
