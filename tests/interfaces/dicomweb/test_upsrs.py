# SPDX-License-Identifier: Apache-2.0
"""Work items through their door: create, find, claim, change, end, cancel, subscribe."""

import asyncio
import json
from collections.abc import MutableMapping, Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select
from tests.interfaces.dicomweb.conftest import ROOT
from tests.support.auth import HEADER, TableAuthenticator
from tests.support.http_app import application

from healthvision.domains.archive import module as archive
from healthvision.domains.audit import module as audit
from healthvision.domains.integration import module as integration
from healthvision.domains.integration import service
from healthvision.domains.integration.schemas import FILTERED, GLOBAL
from healthvision.domains.patients import module as patients
from healthvision.domains.spaces import module as spaces
from healthvision.domains.spaces.service import ensure_default
from healthvision.domains.storage import module as storage
from healthvision.interfaces.dicomweb.upsrs import router
from healthvision.kernel.db import Database
from healthvision.kernel.events import EventRow
from healthvision.kernel.module import Module
from healthvision.kernel.security import Actor

ITEMS = f"{ROOT}/workitems"
KIND = {"Content-Type": "application/dicom+json"}
CLAIM = "2.25.77"
STRANGER = {"x-test-actor": "stranger"}


def entry(vr: str, *found: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(found)}


def new(**more: Any) -> dict[str, Any]:
    return {
        "00100010": entry("PN", {"Alphabetic": "Wang^Fang", "Ideographic": "王^芳"}),
        "00100020": entry("LO", "P1"),
        "00404005": entry("DT", "20260301120000"),
        "00404041": entry("CS", "READY"),
        "00741200": entry("CS", "HIGH"),
        "00741204": entry("LO", "Read chest CT"),
        **more,
    }


def state(wanted: str, transaction: str = CLAIM) -> dict[str, Any]:
    return {"00741000": entry("CS", wanted), "00081195": entry("UI", transaction)}


PERFORMED = {
    "00741216": entry(
        "SQ",
        {
            "00404019": entry("SQ", {"00080100": entry("SH", "1")}),
            "00404028": entry("SQ", {"00080100": entry("SH", "S1")}),
            "00404050": entry("DT", "20260301120100"),
            "00404051": entry("DT", "20260301120500"),
        },
    )
}


@pytest.fixture
def modules() -> Sequence[Module]:
    rooms = [audit, storage, patients, spaces, archive, integration]
    return [room.MODULE for room in rooms]


@pytest.fixture
async def app(db: Database, modules: Sequence[Module], actor: Actor, stranger: Actor) -> FastAPI:
    async with db.transaction() as session:
        await ensure_default(session, actor)
        await ensure_default(session, stranger)
    return application(db, modules, [router])


@pytest.fixture
async def uid(client: httpx.AsyncClient) -> str:
    """A SCHEDULED item."""
    made = await client.post(ITEMS, json=new(), headers=KIND)
    assert made.status_code == 201
    return made.headers["location"].rsplit("/", 1)[-1]


async def put_state(client: httpx.AsyncClient, uid: str, body: dict[str, Any]) -> httpx.Response:
    return await client.put(f"{ITEMS}/{uid}/state", json=body, headers=KIND)


class TestCreate:
    async def test_gives_a_scheduled_item_without_transaction_uid(
        self, client: httpx.AsyncClient, uid: str, db: Database
    ) -> None:
        (found,) = (await client.get(f"{ITEMS}/{uid}")).json()
        assert found["00741000"]["Value"] == ["SCHEDULED"]
        assert found["00080018"]["Value"] == [uid]
        assert list(found) == sorted(found)
        async with db.reading() as session:
            rows = (await session.scalars(select(EventRow))).all()
        assert "integration.workitem_changed.v1" in {r.topic for r in rows}

    async def test_takes_the_uid_of_the_address(self, client: httpx.AsyncClient) -> None:
        made = await client.post(f"{ITEMS}?1.2.3", json=[new()], headers=KIND)
        assert made.headers["location"].endswith("/workitems/1.2.3")
        again = await client.post(f"{ITEMS}?workitem=1.2.3", json=new(), headers=KIND)
        assert (again.status_code, again.json()["code"]) == (409, "workitem-exists")

    @pytest.mark.parametrize(
        "body",
        [
            {},
            [],
            {"patient": {}},
            new(**{"00741000": entry("CS", "IN PROGRESS")}),
            new(**{"00081195": entry("UI", "1.2")}),
            new(**{"00741204": {"vr": "LO"}}),
            new(**{"00080018": entry("UI", "no uid")}),
        ],
    )
    async def test_refuses_what_is_no_new_item(self, client: httpx.AsyncClient, body: Any) -> None:
        assert (await client.post(ITEMS, json=body, headers=KIND)).status_code == 400

    async def test_refuses_other_media_types(self, client: httpx.AsyncClient) -> None:
        assert (await client.post(ITEMS, content=b"<xml/>")).status_code == 415


class TestSearch:
    async def test_by_state_wildcard_range_and_path(
        self, client: httpx.AsyncClient, uid: str
    ) -> None:
        for params, count in [
            ({}, 1),
            ({"ProcedureStepState": "SCHEDULED"}, 1),
            ({"ProcedureStepState": "COMPLETED"}, 0),
            ({"PatientName": "wang*"}, 1),
            ({"PatientName": "王*"}, 1),
            ({"00100020": "P2"}, 0),
            ({"PatientID": "P?"}, 1),
            ({"ScheduledProcedureStepStartDateTime": "20260301-20260302"}, 1),
            ({"ScheduledProcedureStepStartDateTime": "20260302-"}, 0),
            ({"ScheduledWorkitemCodeSequence.CodeValue": "1"}, 0),
        ]:
            found = await client.get(ITEMS, params=params)
            assert (found.status_code, len(found.json())) == (200, count), params

    async def test_pages(self, client: httpx.AsyncClient) -> None:
        for _ in range(3):
            await client.post(ITEMS, json=new(), headers=KIND)
        first = await client.get(ITEMS, params={"limit": 2})
        rest = await client.get(ITEMS, params={"limit": 2, "offset": 2})
        assert (len(first.json()), len(rest.json())) == (2, 1)
        assert "warning" in first.headers
        assert "warning" not in rest.headers


class TestWork:
    async def test_claim_change_complete(self, client: httpx.AsyncClient, uid: str) -> None:
        assert (await put_state(client, uid, state("IN PROGRESS"))).status_code == 200
        again = await put_state(client, uid, state("IN PROGRESS", "2.25.5"))
        assert (again.status_code, again.json()["code"]) == (409, "workitem-state")
        early = await put_state(client, uid, state("COMPLETED"))
        assert (early.status_code, early.json()["code"]) == (409, "workitem-not-final")
        foreign = await client.post(f"{ITEMS}/{uid}?2.25.5", json=PERFORMED, headers=KIND)
        assert (foreign.status_code, foreign.json()["code"]) == (400, "bad-transaction-uid")
        changed = await client.post(f"{ITEMS}/{uid}?{CLAIM}", json=PERFORMED, headers=KIND)
        assert changed.status_code == 200
        assert (await put_state(client, uid, state("COMPLETED"))).status_code == 200
        twice = await put_state(client, uid, state("COMPLETED"))
        assert twice.status_code == 200
        assert "already in the requested state of COMPLETED" in twice.headers["warning"]
        (found,) = (await client.get(f"{ITEMS}/{uid}")).json()
        assert found["00741000"]["Value"] == ["COMPLETED"]
        assert "00081195" not in found

    async def test_the_patient_cannot_be_changed(self, client: httpx.AsyncClient, uid: str) -> None:
        body = {"00100020": entry("LO", "P2")}
        refused = await client.post(f"{ITEMS}/{uid}", json=body, headers=KIND)
        assert refused.status_code == 400

    async def test_strangers_find_nothing(self, client: httpx.AsyncClient, uid: str) -> None:
        assert (await client.get(ITEMS, headers=STRANGER)).json() == []
        for method, path in [
            ("GET", f"{ITEMS}/{uid}"),
            ("POST", f"{ITEMS}/{uid}"),
            ("PUT", f"{ITEMS}/{uid}/state"),
            ("POST", f"{ITEMS}/{uid}/cancelrequest"),
            ("POST", f"{ITEMS}/{uid}/subscribers/SPY"),
        ]:
            body = state("IN PROGRESS") if method != "GET" else None
            answer = await client.request(method, path, json=body, headers={**KIND, **STRANGER})
            assert answer.status_code == 404, (method, path)


class TestCancel:
    async def test_a_scheduled_item_is_cancelled_at_once(
        self, client: httpx.AsyncClient, uid: str
    ) -> None:
        assert (await client.post(f"{ITEMS}/{uid}/cancelrequest")).status_code == 202
        (found,) = (await client.get(f"{ITEMS}/{uid}")).json()
        assert found["00741000"]["Value"] == ["CANCELED"]
        assert found["00741002"]["Value"][0]["00404052"]["Value"]
        again = await client.post(f"{ITEMS}/{uid}/cancelrequest")
        assert (again.status_code, "CANCELED" in again.headers["warning"]) == (202, True)

    async def test_whoever_works_on_it_is_told(self, client: httpx.AsyncClient, uid: str) -> None:
        await put_state(client, uid, state("IN PROGRESS"))
        assert (await client.post(f"{ITEMS}/{uid}/cancelrequest")).status_code == 409
        await client.post(f"{ITEMS}/{uid}/subscribers/SCANNER")
        reason = {"00741238": entry("LT", "wrong patient")}
        asked = await client.post(f"{ITEMS}/{uid}/cancelrequest", json=reason, headers=KIND)
        assert asked.status_code == 202


class TestSubscriptions:
    async def test_the_worklist_filtered_and_suspended(
        self, client: httpx.AsyncClient, db: Database, actor: Actor
    ) -> None:
        path = f"{ITEMS}/{FILTERED}/subscribers/RIS"
        assert (await client.post(path)).status_code == 400
        made = await client.post(f"{path}?filter=PatientID=P1&deletionlock=true")
        assert made.status_code == 201
        assert made.headers["content-location"].startswith("ws")
        await client.post(ITEMS, json=new(), headers=KIND)
        await client.post(ITEMS, json=new(**{"00100020": entry("LO", "P2")}), headers=KIND)
        assert (await client.post(f"{ITEMS}/{GLOBAL}/subscribers/RIS/suspend")).status_code == 200
        await client.post(ITEMS, json=new(), headers=KIND)
        async with db.reading() as session:
            reports = await service.fetch_reports(session, actor, "default", "RIS")
        assert len(reports) == 1
        assert (await client.delete(path)).status_code == 200
        assert (await client.delete(path)).status_code == 404

    async def test_one_item_may_be_left_out(
        self, client: httpx.AsyncClient, uid: str, db: Database, actor: Actor
    ) -> None:
        await client.post(f"{ITEMS}/{GLOBAL}/subscribers/RIS")
        assert (await client.delete(f"{ITEMS}/{uid}/subscribers/RIS")).status_code == 200
        await put_state(client, uid, state("IN PROGRESS"))
        async with db.reading() as session:
            reports = await service.fetch_reports(session, actor, "default", "RIS")
        states = [r.document["00741000"]["Value"][0] for r in reports]
        assert states == ["SCHEDULED"]


class Channel:
    """One WebSocket to the application, driven by hand."""

    def __init__(self, app: FastAPI, actor: str) -> None:
        self.sent: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self.told: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        headers = [(HEADER.encode(), actor.encode())]
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "scheme": "ws",
            "path": f"{ROOT}/subscribers/RIS",
            "raw_path": b"",
            "root_path": "",
            "query_string": b"",
            "headers": headers,
            "subprotocols": [],
            "client": ("127.0.0.1", 1),
            "server": ("test", 80),
            "state": {},
        }
        self.told.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(app(scope, self.told.get, self.sent.put))

    async def next(self) -> MutableMapping[str, Any]:
        return await asyncio.wait_for(self.sent.get(), 20)

    async def close(self) -> None:
        self.told.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(self.task, 90)


class TestEventChannel:
    async def test_sends_what_happened_and_what_happens(
        self, app: FastAPI, client: httpx.AsyncClient, uid: str, db: Database, actor: Actor
    ) -> None:
        await client.post(f"{ITEMS}/{uid}/subscribers/RIS")
        channel = Channel(app, "actor")
        assert (await channel.next())["type"] == "websocket.accept"
        first = json.loads((await channel.next())["text"])
        assert (first["00001002"]["Value"], first["00741000"]["Value"]) == ([1], ["SCHEDULED"])
        await put_state(client, uid, state("IN PROGRESS"))
        second = json.loads((await channel.next())["text"])
        assert second["00741000"]["Value"] == ["IN PROGRESS"]
        await client.post(f"{ITEMS}/{uid}/cancelrequest")
        third = json.loads((await channel.next())["text"])
        assert third["00001002"]["Value"] == [2]
        await channel.close()

    async def test_ends_at_once_when_the_credential_is_revoked(
        self,
        app: FastAPI,
        client: httpx.AsyncClient,
        uid: str,
        authenticator: TableAuthenticator,
    ) -> None:
        channel = Channel(app, "actor")
        assert (await channel.next())["type"] == "websocket.accept"
        del authenticator.actors["actor"]
        ended = await channel.next()
        assert (ended["type"], ended["code"]) == ("websocket.close", 4401)
        await channel.task

    async def test_refuses_the_unknown(self, app: FastAPI, client: httpx.AsyncClient) -> None:
        channel = Channel(app, "nobody")
        refused = await channel.next()
        assert refused["type"] == "websocket.close"
        await channel.task

    async def test_a_stranger_hears_nothing(
        self, app: FastAPI, client: httpx.AsyncClient, uid: str, db: Database, stranger: Actor
    ) -> None:
        await client.post(f"{ITEMS}/{uid}/subscribers/RIS")
        async with db.reading() as session:
            assert await service.fetch_reports(session, stranger, "default", "RIS") == []
