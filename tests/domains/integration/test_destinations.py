# SPDX-License-Identifier: Apache-2.0
"""Destinations through the API: made, changed, tested, hidden from strangers."""

from typing import Any
from uuid import UUID, uuid4

import httpx
from sqlalchemy import select

from healthvision.domains.integration.tables import Destination
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.kernel.db import Database
from tests.domains.integration.conftest import FakeCourier
from tests.support.auth import HEADER

STRANGER = {HEADER: "stranger"}
NEW: dict[str, Any] = {
    "name": "PACS",
    "kind": "fake",
    "config": {"host": "pacs", "password": "s3cret"},
    "spaces": ["default"],
    "commit": True,
}


async def made(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await client.post("/v1/destinations", json={**NEW, **changes})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


class TestCreate:
    async def test_secrets_are_sealed_and_never_shown(
        self, client: httpx.AsyncClient, courier: FakeCourier, space: SpaceRead, db: Database
    ) -> None:
        new = await made(client)
        assert new["config"] == {"host": "pacs", "password": "***"}
        assert new["spaces"] == [str(space.id)]
        assert new["profile"]["seg"] == "binary"
        async with db.reading() as session:
            row = (await session.scalars(select(Destination))).one()
        assert "s3cret" not in row.sealed and "s3cret" not in str(row.config)

    async def test_what_cannot_work_is_refused(
        self, client: httpx.AsyncClient, courier: FakeCourier, space: SpaceRead
    ) -> None:
        await made(client)
        for body, status in (
            (NEW, 409),
            ({**NEW, "name": "x", "kind": "pigeon"}, 404),
            ({**NEW, "name": "x", "config": {"hots": "x"}}, 422),
            ({**NEW, "name": "x", "spaces": ["nowhere"]}, 404),
        ):
            answer = await client.post("/v1/destinations", json=body)
            assert answer.status_code == status, answer.text
            assert "s3cret" not in answer.text

    async def test_a_stranger_sees_nothing(
        self, client: httpx.AsyncClient, courier: FakeCourier, space: SpaceRead
    ) -> None:
        path = f"/v1/destinations/{(await made(client))['id']}"
        assert (await client.get("/v1/destinations", headers=STRANGER)).json()["items"] == []
        for method, tail in (
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/test"),
            ("GET", "/deliveries"),
            ("GET", f"/deliveries/{uuid4()}"),
            ("POST", f"/deliveries/{uuid4()}/retry"),
        ):
            body = {"enabled": False} if method == "PATCH" else None
            answer = await client.request(method, path + tail, json=body, headers=STRANGER)
            assert answer.status_code == 404, (method, tail)


class TestChange:
    async def test_a_secret_that_is_not_sent_stays(
        self, client: httpx.AsyncClient, courier: FakeCourier, space: SpaceRead, study: UUID
    ) -> None:
        new = await made(client, profile={"images": True})
        path = f"/v1/destinations/{new['id']}"
        body = {"config": {"host": "other"}, "automatic": False}
        changed = (await client.patch(path, json=body)).json()
        assert changed["config"] == {"host": "other", "password": "***"}
        assert not changed["automatic"]
        assert (await client.patch(path, json={"name": None})).status_code == 422

    async def test_kinds_tell_the_shape_of_their_settings(
        self, client: httpx.AsyncClient, courier: FakeCourier
    ) -> None:
        kinds = {
            k["name"]: k["config"] for k in (await client.get("/v1/destinations/kinds")).json()
        }
        assert {"fake", "dicom", "dicomweb"} <= kinds.keys()
        assert "url" in kinds["dicomweb"]["properties"]


class TestTry:
    async def test_tells_what_the_other_side_said(
        self, client: httpx.AsyncClient, courier: FakeCourier, space: SpaceRead
    ) -> None:
        path = f"/v1/destinations/{(await made(client))['id']}/test"
        assert (await client.post(path)).json() | {"milliseconds": 0} == {
            "ok": True,
            "detail": "hello",
            "milliseconds": 0,
        }
        courier.down = 1
        answer = await client.post(path)
        assert (answer.status_code, answer.json()["ok"]) == (200, False)


class TestRemove:
    async def test_takes_its_deliveries_along(
        self, client: httpx.AsyncClient, courier: FakeCourier, space: SpaceRead, study: UUID
    ) -> None:
        new = await made(client, profile={"images": True})
        path = f"/v1/destinations/{new['id']}"
        body = {"destination": new["id"]}
        assert (await client.post(f"/v1/studies/{study}/send", json=body)).status_code == 202
        assert (await client.delete(path)).status_code == 204
        assert (await client.get(path)).status_code == 404
