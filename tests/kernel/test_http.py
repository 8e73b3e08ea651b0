# SPDX-License-Identifier: Apache-2.0
"""The HTTP edge: transactions, problems, idempotency, ETags, strict bodies."""

from collections.abc import Sequence
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select
from sqlalchemy.orm import Mapped

from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Database, OrgOwned
from healthvision.kernel.errors import Conflict
from healthvision.kernel.http import SessionDep, requires, router
from healthvision.kernel.module import Module
from healthvision.kernel.schemas import Input, Read
from healthvision.kernel.security import Actor


class Cup(OrgOwned):
    __tablename__ = "test_cups"

    size: Mapped[int]


class CupCreate(Input):
    size: int
    note: str = ""


class CupRead(Read):
    size: int
    count: int


api = router("/v1/cups", "cups")
Writer = Annotated[Actor, requires("cups:write")]


@api.post("", status_code=201)
async def add_cup(new: CupCreate, actor: Writer, session: SessionDep) -> CupRead:
    session.add(Cup(org_id=actor.org_id, size=new.size))
    await session.flush()
    count = await session.scalar(select(func.count()).select_from(Cup)) or 0
    if new.size == 13:
        raise Conflict("thirteen is taken")
    if new.size == 99:
        raise ZeroDivisionError
    return CupRead(size=new.size, count=count)


@api.get("")
async def count_cups(actor: Writer, session: SessionDep) -> CupRead:
    return CupRead(size=0, count=await session.scalar(select(func.count()).select_from(Cup)) or 0)


@pytest.fixture
def modules() -> Sequence[Module]:
    return [Module(name="cups", routers=[api])]


async def _count(client: httpx.AsyncClient) -> int:
    count: int = (await client.get("/v1/cups")).json()["count"]
    return count


class TestTransaction:
    async def test_an_answered_change_is_kept(self, client: httpx.AsyncClient) -> None:
        assert (await client.post("/v1/cups", json={"size": 1})).status_code == 201
        assert await _count(client) == 1

    async def test_a_problem_undoes_the_change(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/v1/cups", json={"size": 13})
        assert answer.status_code == 409
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:healthvision:problem:conflict"
        assert await _count(client) == 0

    async def test_a_bug_undoes_the_change_and_tells_nothing(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await client.post("/v1/cups", json={"size": 99})
        assert answer.status_code == 500
        assert "ZeroDivision" not in answer.text
        assert await _count(client) == 0


class TestBody:
    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b'{"size": NaN}', 422),
            (b'{"size": true}', 422),
            (b'{"size": 1, "other": 2}', 422),
            (b'{"size": 1, "note": "\\ud800"}', 422),
            (b'{"size": ', 400),
            (b'{"size": "x"}', 422),
        ],
    )
    async def test_refuses_what_is_not_meant(
        self, client: httpx.AsyncClient, body: bytes, status: int
    ) -> None:
        headers = {"content-type": "application/json"}
        answer = await client.post("/v1/cups", content=body, headers=headers)
        assert answer.status_code == status
        assert answer.json()["status"] == status

    async def test_names_the_wrong_field(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/v1/cups", json={"size": "x"})
        assert answer.json()["errors"][0]["field"] == "body.size"

    async def test_refuses_a_huge_body(self, client: httpx.AsyncClient) -> None:
        headers = {"content-type": "application/json"}
        answer = await client.post("/v1/cups", content=b" " * 5_000_000, headers=headers)
        assert answer.status_code == 413


class TestIdempotencyKey:
    async def test_a_repeat_gets_the_first_answer_and_changes_nothing(
        self, client: httpx.AsyncClient
    ) -> None:
        headers = {"Idempotency-Key": "key-0001"}
        first = await client.post("/v1/cups", json={"size": 5}, headers=headers)
        second = await client.post("/v1/cups", json={"size": 5}, headers=headers)
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()
        assert second.headers["idempotency-replayed"] == "true"
        assert await _count(client) == 1

    async def test_another_request_with_the_key_is_a_conflict(
        self, client: httpx.AsyncClient
    ) -> None:
        headers = {"Idempotency-Key": "key-0001"}
        await client.post("/v1/cups", json={"size": 5}, headers=headers)
        answer = await client.post("/v1/cups", json={"size": 6}, headers=headers)
        assert answer.status_code == 409

    async def test_another_organisation_may_use_the_same_key(
        self, client: httpx.AsyncClient
    ) -> None:
        headers = {"Idempotency-Key": "key-0001"}
        await client.post("/v1/cups", json={"size": 5}, headers=headers)
        other = await client.post(
            "/v1/cups", json={"size": 5}, headers={**headers, "x-test-actor": "stranger"}
        )
        assert "idempotency-replayed" not in other.headers
        assert await _count(client) == 2


class TestEtag:
    async def test_an_unchanged_answer_is_not_sent_again(self, client: httpx.AsyncClient) -> None:
        first = await client.get("/v1/cups")
        again = await client.get("/v1/cups", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


class TestRequires:
    async def test_an_unknown_caller_gets_401(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/cups", headers={"x-test-actor": "nobody"})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"

    async def test_every_answer_carries_a_request_id(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/cups", headers={"x-request-id": "abcdefgh"})
        assert answer.headers["x-request-id"] == "abcdefgh"
        forged = await client.get("/v1/cups", headers={"x-request-id": "a b\tc<script>"})
        assert "script" not in forged.headers["x-request-id"]

    async def test_an_unknown_path_is_a_problem(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/nothing")
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")

    async def test_an_unknown_method_is_405(self, client: httpx.AsyncClient) -> None:
        assert (await client.put("/v1/cups", json={})).status_code == 405


class TestDatabase:
    async def test_a_reading_session_never_writes(self, db: Database, app: FastAPI) -> None:
        async with db.reading() as session:
            session.add(Cup(org_id=new_id(), size=1))
        async with db.reading() as session:
            assert await session.scalar(select(func.count()).select_from(Cup)) == 0
