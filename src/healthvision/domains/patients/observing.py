# SPDX-License-Identifier: Apache-2.0
"""What objects say about their patient, noted on a sync connection.

Bulk writers call these; ``service`` has the same for sessions.
"""

from typing import Any, cast
from uuid import UUID

from sqlalchemy import Connection, Row, Table, select, update

from healthvision.domains.patients.errors import PatientNotFound
from healthvision.domains.patients.merging import standing_on
from healthvision.domains.patients.names import index_words
from healthvision.domains.patients.schemas import Observed, PatientSeen
from healthvision.domains.patients.tables import Patient, PatientConflictRow
from healthvision.kernel.bulkdb import insert_new
from healthvision.kernel.clock import new_id, now

ATTRIBUTES = ("name", "sex", "birth_date")
_PATIENTS = cast("Table", Patient.__table__)
_CONFLICTS = cast("Table", PatientConflictRow.__table__)


def observe_on(connection: Connection, org_id: UUID, seen: PatientSeen, *, source: str) -> Observed:
    """Return the patient an object is about; make or complete the patient.

    Empty attributes are filled; different ones are noted as a conflict with ``source`` (study
    UID) and the first value stays. On PostgreSQL the row is locked until the transaction ends.
    """
    row = _row(connection, org_id, seen)
    changes: dict[str, Any] = {}
    conflicts = 0
    for attribute in ATTRIBUTES:
        value, kept = getattr(seen, attribute), getattr(row, attribute)
        if not value or value == kept or value == (row.former or {}).get(attribute):
            continue
        if kept:
            conflicts += _note(connection, row, attribute, value, source)
        else:
            changes[attribute] = value
    if conflicts:
        changes["conflict_count"] = row.conflict_count + conflicts
    if changes:
        _change(connection, row.id, changes)
    if row.merged_into is None:
        return Observed(row.id, row.id, corrected=bool(row.former))
    return Observed(standing_on(connection, org_id, row.id).ref, row.id, corrected=True)


def disagree_on(
    connection: Connection,
    org_id: UUID,
    patient_ref: UUID,
    *,
    attribute: str,
    other: str,
    source: str,
) -> None:
    """Note that an object of study ``source`` names another value for a patient's attribute.

    Raises PatientNotFound.
    """
    query = select(_PATIENTS).where(_PATIENTS.c.org_id == org_id, _PATIENTS.c.id == patient_ref)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise PatientNotFound("there is no such patient")
    if _note(connection, row, attribute, other, source):
        _change(connection, patient_ref, {"conflict_count": row.conflict_count + 1})


def _row(connection: Connection, org_id: UUID, seen: PatientSeen) -> Row[Any]:
    columns = _PATIENTS.c
    query = select(_PATIENTS).where(
        columns.org_id == org_id,
        columns.issuer == seen.issuer,
        columns.patient_id == seen.patient_id,
        columns.scope == seen.scope,
    )
    row = connection.execute(query.with_for_update()).one_or_none()
    if row is None:
        insert_new(connection, _PATIENTS, _new(org_id, seen))
        row = connection.execute(query.with_for_update()).one()
    return row


def _new(org_id: UUID, seen: PatientSeen) -> dict[str, Any]:
    return {
        "id": new_id(),
        "org_id": org_id,
        "created_at": now(),
        "issuer": seen.issuer,
        "patient_id": seen.patient_id,
        "scope": seen.scope,
        "name": seen.name,
        "search": index_words(seen.name),
        "sex": seen.sex,
        "birth_date": seen.birth_date,
        "conflict_count": 0,
        "updated_at": now(),
    }


def _note(connection: Connection, row: Row[Any], attribute: str, other: str, source: str) -> bool:
    """Insert a conflict; False when it is known."""
    values = {
        "id": new_id(),
        "org_id": row.org_id,
        "created_at": now(),
        "patient_ref": row.id,
        "attribute": attribute,
        "kept": getattr(row, attribute),
        "other": other,
        "source": source,
        "seen_at": now(),
    }
    return insert_new(connection, _CONFLICTS, values)


def _change(connection: Connection, patient_ref: UUID, changes: dict[str, Any]) -> None:
    if "name" in changes:
        changes["search"] = index_words(changes["name"])
    changes["updated_at"] = now()
    connection.execute(update(_PATIENTS).where(_PATIENTS.c.id == patient_ref).values(**changes))
