# SPDX-License-Identifier: Apache-2.0
"""Routes of patients; every access is audited before the answer leaves."""

from typing import Annotated

from fastapi import Query, Request

from healthvision.domains.audit import service as audit
from healthvision.domains.patients import service
from healthvision.domains.patients.schemas import PatientDetail, PatientRead
from healthvision.domains.patients.service import PatientQuery
from healthvision.kernel.http import SessionDep, database_of, path_uuid, requires, router
from healthvision.kernel.paging import DEFAULT_LIMIT, Limit
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

routes = router("/v1/patients", "image")
Reader = Annotated[Actor, requires("patients:read")]
Text = Annotated[str, Query(max_length=200)]


@routes.get("")
async def list_patients(
    request: Request,
    actor: Reader,
    session: SessionDep,
    patient_id: Text = "",
    issuer: Text = "",
    name: Text = "",
    conflicts_only: bool = False,
    cursor: str | None = None,
    limit: Annotated[Limit, Query()] = DEFAULT_LIMIT,
) -> Page[PatientRead]:
    """Find patients by number or by the starts of the words of their name."""
    query = PatientQuery(patient_id, issuer, name, cursor, limit, conflicts_only)
    page = await service.find(session, actor, query)
    detail = {"patients": [str(p.id) for p in page.items]}
    await audit.record_read(database_of(request), actor, "patients.patients_listed", detail=detail)
    return page


@routes.get("/{patient_ref}")
async def get_patient(
    request: Request, patient_ref: str, actor: Reader, session: SessionDep
) -> PatientDetail:
    """Get a patient with what objects disagree about."""
    found = await service.get(session, actor, path_uuid(patient_ref))
    await audit.record_read(
        database_of(request),
        actor,
        "patients.patient_read",
        found.id,
        kind="patient",
        patient_id=found.id,
    )
    return found
