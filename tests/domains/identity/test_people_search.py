# SPDX-License-Identifier: Apache-2.0
"""People are found by part of their name or address, in any case and script."""

import httpx
import pytest

from healthvision.domains.identity import service
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from tests.domains.identity.conftest import Hospital

PEOPLE = (
    ("王小明", "wang.xiaoming@east.example"),
    ("李小红", "li.xiaohong@east.example"),
    ("Émile ZOLA", "zola@paris.example"),
    ("50%_off", "odd@east.example"),
)


@pytest.fixture
async def staffed(db: Database, east: Hospital) -> Hospital:
    """The first hospital with some more people."""
    async with db.transaction() as session:
        for name, email in PEOPLE:
            await service.create_user(
                session, Actor.system(east.org_id), email=email, name=name, roles=["viewer"]
            )
    return east


class TestSearchOfPeople:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("小", ["王小明", "李小红"]),
            ("小明", ["王小明"]),
            ("XIAO", ["王小明", "李小红"]),
            ("zOl", ["Émile ZOLA"]),
            ("émile", ["Émile ZOLA"]),
            ("ÉMILE zola", ["Émile ZOLA"]),
            ("paris.EX", ["Émile ZOLA"]),
            ("小 li.", ["李小红"]),
            ("%", ["50%_off"]),
            ("_", ["50%_off"]),
            ("  小明  ", ["王小明"]),
            ("nobody", []),
        ],
    )
    async def test_finds_parts_of_names_and_addresses(
        self,
        web: httpx.AsyncClient,
        boss: dict[str, str],
        staffed: Hospital,
        text: str,
        found: list[str],
    ) -> None:
        answer = await web.get("/v1/users", params={"q": text, "total": True}, headers=boss)
        page = answer.json()
        assert [u["name"] for u in page["items"]] == found
        assert page["total"] == len(found)

    async def test_pages_go_on_within_what_was_found(
        self, web: httpx.AsyncClient, boss: dict[str, str], staffed: Hospital
    ) -> None:
        asked: dict[str, str | int] = {"q": "小", "limit": 1}
        first = (await web.get("/v1/users", params=asked, headers=boss)).json()
        second = await web.get("/v1/users", params={**asked, "cursor": first["next"]}, headers=boss)
        assert [u["name"] for u in (first["items"] + second.json()["items"])] == [
            "王小明",
            "李小红",
        ]
        assert second.json()["next"] is None

    async def test_a_stranger_finds_nobody_and_a_text_has_a_limit(
        self, web: httpx.AsyncClient, neighbour: dict[str, str], staffed: Hospital
    ) -> None:
        listed = await web.get("/v1/users", params={"q": "小"}, headers=neighbour)
        assert listed.json()["items"] == []
        long = await web.get("/v1/users", params={"q": "x" * 101}, headers=neighbour)
        assert long.status_code == 422
        assert (await web.get("/v1/users?q=%00", headers=neighbour)).status_code == 422

    async def test_some_are_asked_for_by_their_ids(
        self,
        web: httpx.AsyncClient,
        boss: dict[str, str],
        neighbour: dict[str, str],
        staffed: Hospital,
    ) -> None:
        people = (await web.get("/v1/users", params={"q": "小"}, headers=boss)).json()["items"]
        wanted = [u["id"] for u in people] + [str(new_id())]
        answer = await web.get("/v1/users", params={"id": wanted, "total": True}, headers=boss)
        assert answer.json()["items"] == people
        assert answer.json()["total"] == 2
        both = {"id": wanted, "q": "红"}
        assert len((await web.get("/v1/users", params=both, headers=boss)).json()["items"]) == 1
        elsewhere = await web.get("/v1/users", params={"id": wanted}, headers=neighbour)
        assert elsewhere.json()["items"] == []
        many = {"id": [str(new_id())] * 201}
        assert (await web.get("/v1/users", params=many, headers=boss)).status_code == 422
