# SPDX-License-Identifier: Apache-2.0
"""Patients of restricted spaces, and the audit rows of lists that show what came in."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydicom.uid import generate_uid
from sqlalchemy import select

from healthvision.domains.archive import service
from healthvision.domains.archive.schemas import Incoming, Origin
from healthvision.domains.audit import service as audit
from healthvision.domains.audit.tables import AuditEvent
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.schemas import GrantCreate, SpaceCreate, SpaceRead
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from tests.domains.archive.conftest import Send
from tests.factories.dicom import ct_bytes
from tests.support.auth import TableAuthenticator

READER = {"x-test-actor": "reader"}
Put = Callable[..., Awaitable[UUID]]


@pytest.fixture
def reader(actor: Actor, authenticator: TableAuthenticator) -> Actor:
    """Somebody of the organisation who reads patients and studies and manages nothing."""
    user = new_id()
    rights = frozenset({"patients:read", "studies:read"})
    found = replace(actor, id=str(user), user_id=user, permissions=rights)
    authenticator.actors["reader"] = found
    return found


@pytest.fixture
async def closed(db: Database, actor: Actor, space: SpaceRead) -> SpaceRead:
    """A restricted space."""
    async with db.transaction() as session:
        new = SpaceCreate(slug="closed", restricted=True)
        return await spaces.create(session, actor, new)


@pytest.fixture
def put(db: Database, actor: Actor, send: Send) -> Put:
    """Store one object of a new study into a space; returns the patient's reference."""

    async def putting(space: str, **values: Any) -> UUID:
        data = ct_bytes(study_uid=generate_uid(), **values)
        origin = Origin("dicomweb", "test")
        (answer,) = await service.receive(
            db, actor, [Incoming(data)], space_id=space, origin=origin
        )
        assert answer.study_id is not None
        async with db.reading() as session:
            study = await service.get_study(session, actor, answer.study_id)
        return study.patient_ref

    return putting


async def _listed(client: httpx.AsyncClient, **params: str) -> dict[str, Any]:
    answer = await client.get("/v1/patients", params=params, headers=READER)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


class TestPatientsOfRestrictedSpaces:
    async def test_are_in_no_list_count_or_search_and_are_not_found(
        self, client: httpx.AsyncClient, reader: Actor, closed: SpaceRead, put: Put
    ) -> None:
        secret = await put("closed", PatientID="SECRET", PatientName="Secret^One")
        known = await put("default", PatientID="KNOWN", PatientName="Known^Two")
        page = await _listed(client)
        assert ([p["id"] for p in page["items"]], page["total"]) == ([str(known)], 1)
        for params in ({"patient_id": "SECRET"}, {"name": "secret"}):
            page = await _listed(client, **params)
            assert (page["items"], page["total"]) == ([], 0)
        answer = await client.get(f"/v1/patients/{secret}", headers=READER)
        assert answer.status_code == 404
        assert (await client.get(f"/v1/patients/{known}", headers=READER)).status_code == 200
        assert (await client.get(f"/v1/patients/{secret}")).status_code == 200  # who manages spaces

    async def test_are_seen_with_a_study_in_an_open_space_or_with_a_grant(
        self,
        client: httpx.AsyncClient,
        db: Database,
        actor: Actor,
        reader: Actor,
        closed: SpaceRead,
        put: Put,
    ) -> None:
        ref = await put("closed", PatientID="P7")
        only = await put("closed", PatientID="P8")
        await put("default", PatientID="P7")
        assert [p["id"] for p in (await _listed(client))["items"]] == [str(ref)]
        async with db.transaction() as session:
            new = GrantCreate(kind="user", principal=str(reader.user_id), right="read")
            await spaces.grant(session, actor, closed.id, new)
        assert {p["id"] for p in (await _listed(client))["items"]} == {str(ref), str(only)}

    async def test_a_conflict_told_by_a_restricted_study_is_not_shown(
        self, client: httpx.AsyncClient, reader: Actor, closed: SpaceRead, put: Put
    ) -> None:
        ref = await put("default", PatientID="P7", PatientName="Wang^A")
        await put("closed", PatientID="P7", PatientName="Li^B")
        everything = (await client.get(f"/v1/patients/{ref}")).json()
        assert [c["other"] for c in everything["conflicts"]] == ["Li^B"]
        found = (await client.get(f"/v1/patients/{ref}", headers=READER)).json()
        assert (found["conflict_count"], found["conflicts"]) == (0, [])
        assert (await _listed(client))["items"][0]["conflict_count"] == 0
        assert (await _listed(client, conflicts_only="true"))["total"] == 0
        await put("default", PatientID="P7", PatientName="Zhao^C")
        assert (await _listed(client, conflicts_only="true"))["items"][0]["conflict_count"] == 1

    async def test_a_deleted_study_does_not_bring_its_patient_to_light(
        self,
        client: httpx.AsyncClient,
        db: Database,
        actor: Actor,
        reader: Actor,
        closed: SpaceRead,
        put: Put,
    ) -> None:
        await put("closed", PatientID="SECRET")
        (study,) = (await client.get("/v1/studies")).json()["items"]
        assert (await client.delete(f"/v1/studies/{study['id']}")).status_code == 204
        assert (await _listed(client))["items"] == []


class TestAuditOfWhatCameIn:
    async def _actions(self, db: Database, actor: Actor) -> list[str]:
        await audit.flush(db)
        mine = (AuditEvent.org_id == actor.org_id, AuditEvent.category == "access")
        async with db.reading() as session:
            query = select(AuditEvent.action).where(*mine).order_by(AuditEvent.id)
            return list(await session.scalars(query))

    async def test_reading_quarantine_leaves_rows(
        self, client: httpx.AsyncClient, db: Database, actor: Actor, send: Send
    ) -> None:
        await send([b"no dicom at all"])
        (item,) = (await client.get("/v1/quarantine")).json()["items"]
        await client.get(f"/v1/quarantine/{item['id']}")
        assert await self._actions(db, actor) == [
            "archive.quarantine_listed",
            "archive.quarantine_read",
        ]

    async def test_reading_uploads_leaves_rows(
        self, client: httpx.AsyncClient, db: Database, actor: Actor, space: SpaceRead
    ) -> None:
        made = await client.post("/v1/uploads", json={"filename": "a.png", "size": 10})
        assert made.status_code == 201
        await client.get("/v1/uploads")
        await client.get(f"/v1/uploads/{made.json()['id']}")
        assert await self._actions(db, actor) == [
            "archive.uploads_listed",
            "archive.upload_read",
        ]
