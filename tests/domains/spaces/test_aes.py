# SPDX-License-Identifier: Apache-2.0
"""AE titles through the door, and who is let in."""

import httpx
import pytest

from healthvision.domains.spaces import aes, service
from healthvision.domains.spaces.aes import Caller
from healthvision.domains.spaces.errors import AeNotFound, CallerRefused
from healthvision.domains.spaces.schemas import CalledAeCreate, RemoteAeCreate, SpaceCreate
from healthvision.kernel.db import Database
from healthvision.kernel.errors import NotFound
from healthvision.kernel.security import Actor

OTHER = {"x-test-actor": "stranger"}
REMOTE = {"title": "CT1", "host": "10.0.0.5", "operations": ["store"]}


class TestCalled:
    async def test_is_unique_in_the_installation(self, client: httpx.AsyncClient) -> None:
        for headers in ({}, OTHER):
            await client.post("/v1/spaces", json={"slug": "default"}, headers=headers)
        made = await client.post("/v1/called-aes", json={"title": "HV"})
        assert made.status_code == 201, made.text
        again = await client.post("/v1/called-aes", json={"title": "HV"}, headers=OTHER)
        assert again.status_code == 409
        assert (await client.get("/v1/called-aes", headers=OTHER)).json()["items"] == []
        assert (await client.delete("/v1/called-aes/HV", headers=OTHER)).status_code == 404
        assert (await client.delete("/v1/called-aes/HV")).status_code == 204

    @pytest.mark.parametrize("title", ["", "   ", "x" * 17, "a\\b", "é"])
    async def test_bad_titles_are_422(self, client: httpx.AsyncClient, title: str) -> None:
        answer = await client.post("/v1/called-aes", json={"title": title})
        assert answer.status_code == 422

    async def test_goes_with_its_space(self, client: httpx.AsyncClient) -> None:
        await client.post("/v1/spaces", json={"slug": "lung"})
        new = {"title": "LUNG", "space": "lung"}
        assert (await client.post("/v1/called-aes", json=new)).status_code == 201
        assert (await client.delete("/v1/spaces/lung")).status_code == 204
        assert (await client.get("/v1/called-aes")).json()["items"] == []


class TestRemote:
    async def test_is_made_changed_and_removed(self, client: httpx.AsyncClient) -> None:
        made = await client.post("/v1/remote-aes", json={**REMOTE, "calls_from": ["10.0.0.7/24"]})
        assert made.json()["calls_from"] == ["10.0.0.0/24"]
        assert (await client.post("/v1/remote-aes", json=REMOTE)).status_code == 409
        other = await client.post("/v1/remote-aes", json=REMOTE, headers=OTHER)
        assert other.status_code == 201
        changed = await client.patch("/v1/remote-aes/CT1", json={"port": 11112})
        assert changed.json()["port"] == 11112
        (kept,) = (await client.get("/v1/remote-aes", headers=OTHER)).json()["items"]
        assert kept["port"] == 104
        assert (await client.delete("/v1/remote-aes/CT1")).status_code == 204
        assert (await client.patch("/v1/remote-aes/CT1", json={})).status_code == 404

    async def test_bad_networks_are_422(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/v1/remote-aes", json={**REMOTE, "calls_from": ["here"]})
        assert answer.status_code == 422


class TestAdmit:
    @pytest.fixture
    async def titles(self, db: Database, actor: Actor) -> None:
        async with db.transaction() as session:
            await service.create(session, actor, SpaceCreate(slug="default"))
            await aes.add_called(session, actor, CalledAeCreate(title="HV"))
            anybody = CalledAeCreate(title="OPEN", anybody=True, operations=["store"])
            await aes.add_called(session, actor, anybody)
            await aes.add_remote(session, actor, RemoteAeCreate(**REMOTE))

    @pytest.mark.parametrize("address", ["10.0.0.5", "::ffff:10.0.0.5"])
    async def test_gives_what_both_sides_allow(
        self, db: Database, actor: Actor, titles: None, address: str
    ) -> None:
        async with db.reading() as session:
            admitted = await aes.admit(session, Caller("HV", "CT1", address))
            space = await aes.space_of(session, admitted)
        assert admitted.operations == {"store"}
        assert (admitted.actor.org_id, admitted.actor.kind) == (actor.org_id, "device")
        assert not admitted.actor.can("studies:read")
        assert space.slug == "default"

    @pytest.mark.parametrize(
        ("caller", "error"),
        [
            (Caller("NOBODY", "CT1", "10.0.0.5"), AeNotFound),
            (Caller("HV", "CT2", "10.0.0.5"), CallerRefused),
            (Caller("HV", "CT1", "10.0.0.6"), CallerRefused),
        ],
    )
    async def test_refuses_others(
        self, db: Database, titles: None, caller: Caller, error: type[Exception]
    ) -> None:
        async with db.reading() as session:
            with pytest.raises(error):
                await aes.admit(session, caller)

    async def test_an_open_title_takes_anybody(self, db: Database, titles: None) -> None:
        async with db.reading() as session:
            admitted = await aes.admit(session, Caller("OPEN", "WHO", "192.0.2.1"))
        assert admitted.operations == {"store"}

    async def test_a_restricted_space_needs_a_grant(
        self, db: Database, actor: Actor, titles: None
    ) -> None:
        async with db.transaction() as session:
            await service.create(session, actor, SpaceCreate(slug="closed", restricted=True))
            await aes.add_called(session, actor, CalledAeCreate(title="SHUT", space="closed"))
        async with db.reading() as session:
            admitted = await aes.admit(session, Caller("SHUT", "CT1", "10.0.0.5"))
            with pytest.raises(NotFound):
                await aes.space_of(session, admitted)
