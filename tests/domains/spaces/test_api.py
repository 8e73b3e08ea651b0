# SPDX-License-Identifier: Apache-2.0
"""Spaces through the door."""

from dataclasses import replace

import httpx
import pytest

from healthvision.domains.spaces import service
from healthvision.domains.spaces.errors import SpaceNotFound
from healthvision.domains.spaces.schemas import SpaceCreate
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Forbidden
from healthvision.kernel.security import Actor

OTHER = {"x-test-actor": "stranger"}


class TestSpaces:
    async def test_are_made_read_changed_and_removed(self, client: httpx.AsyncClient) -> None:
        new = {"slug": "lung", "title_zh": "肺", "title_en": "Lung", "quiet_s": 2}
        assert (await client.post("/v1/spaces", json=new)).status_code == 201
        assert (await client.post("/v1/spaces", json=new)).status_code == 409
        found = (await client.get("/v1/spaces/lung")).json()
        assert (found["title_zh"], found["quiet_s"]) == ("肺", 2)
        by_id = f"/v1/spaces/{found['id']}"
        changed = await client.patch(by_id, json={"conflict_policy": "keep_last"})
        assert changed.json()["conflict_policy"] == "keep_last"
        assert [s["slug"] for s in (await client.get("/v1/spaces")).json()["items"]] == ["lung"]
        for method in ("GET", "DELETE"):
            assert (await client.request(method, by_id, headers=OTHER)).status_code == 404
        assert (await client.get("/v1/spaces", headers=OTHER)).json()["items"] == []
        assert (await client.delete(by_id)).status_code == 204
        assert (await client.get(by_id)).status_code == 404

    @pytest.mark.parametrize("slug", ["Lung", "", "a/b", "-x", "x" * 64])
    async def test_bad_slugs_are_422(self, client: httpx.AsyncClient, slug: str) -> None:
        answer = await client.post("/v1/spaces", json={"slug": slug})
        assert answer.status_code == 422

    async def test_the_default_space_stays(
        self, client: httpx.AsyncClient, db: Database, actor: Actor
    ) -> None:
        for _ in range(2):
            async with db.transaction() as session:
                await service.ensure_default(session, actor)
        assert (await client.delete("/v1/spaces/default")).status_code == 409


class TestRights:
    async def test_in_an_open_space_follow_from_the_organisation(
        self, db: Database, actor: Actor
    ) -> None:
        reader = replace(actor, permissions=frozenset({"studies:read"}))
        nobody = replace(actor, permissions=frozenset({"models:read"}))
        async with db.transaction() as session:
            await service.create(session, actor, SpaceCreate(slug="open"))
        async with db.reading() as session:
            assert (await service.get(session, reader, "open")).slug == "open"
            with pytest.raises(Forbidden):
                await service.get(session, reader, "open", "write")
            with pytest.raises(Forbidden):
                await service.get(session, nobody, "open")

    async def test_in_a_restricted_space_only_grants_count(
        self, client: httpx.AsyncClient, db: Database, actor: Actor
    ) -> None:
        reader = replace(actor, permissions=frozenset({"studies:read"}))
        await client.post("/v1/spaces", json={"slug": "vip", "restricted": True})
        async with db.reading() as session:
            with pytest.raises(SpaceNotFound):
                await service.get(session, reader, "vip")
        grant = {"kind": "user", "principal": str(actor.user_id), "right": "write"}
        made = (await client.post("/v1/spaces/vip/grants", json=grant)).json()
        again = (await client.post("/v1/spaces/vip/grants", json=grant)).json()
        assert made == again
        async with db.reading() as session:
            assert await service.get(session, reader, "vip", "write")
            with pytest.raises(Forbidden):
                await service.get(session, reader, "vip", "manage")
            assert [s.slug for s in await service.visible(session, reader, "write")] == ["vip"]
        path = f"/v1/spaces/vip/grants/{made['id']}"
        assert (await client.delete(path)).status_code == 204
        assert (await client.delete(path)).status_code == 404
        assert (await client.get("/v1/spaces/vip/grants")).json()["items"] == []
