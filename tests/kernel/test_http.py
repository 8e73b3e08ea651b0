# SPDX-License-Identifier: Apache-2.0
"""The HTTP edge: transactions, problems, idempotency, ETags, strict bodies."""

from collections.abc import Iterator, Sequence
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, Request
from sqlalchemy import func, literal, select, update
from sqlalchemy.orm import Mapped

from healthvision.kernel.clock import FixedClock, new_id, now, use_clock
from healthvision.kernel.db import Database, OrgOwned, Session
from healthvision.kernel.errors import Conflict, NotFound
from healthvision.kernel.http import OwnRoute, SessionDep, database_of, requires, router
from healthvision.kernel.idempotency import (
    IdempotencyRow,
    KeptAnswer,
    ReplayGuard,
    drop_old_answers,
)
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
own = router("/v1/mugs", "cups", OwnRoute)
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


@own.post("", status_code=201)
async def add_mug(request: Request, new: CupCreate, actor: Writer) -> CupRead:
    async with database_of(request).transaction() as session:
        session.add(Cup(org_id=actor.org_id, size=new.size))
    return CupRead(size=new.size, count=1)


@api.get("")
async def count_cups(actor: Writer, session: SessionDep) -> CupRead:
    return CupRead(size=0, count=await session.scalar(select(func.count()).select_from(Cup)) or 0)


@api.get("/named/{name}")
async def count_named(name: str, actor: Writer, session: SessionDep, note: str = "") -> CupRead:
    asked = select(func.count()).where(func.lower(literal(name)) == literal(note))
    return CupRead(size=0, count=await session.scalar(asked) or 0)


@pytest.fixture
def modules() -> Sequence[Module]:
    return [Module(name="cups", routers=[api, own])]


@pytest.fixture
def clock() -> Iterator[FixedClock]:
    fixed = FixedClock(now())
    with use_clock(fixed):
        yield fixed


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

    async def test_a_key_may_be_used_again_after_a_day(
        self, client: httpx.AsyncClient, db: Database, clock: FixedClock
    ) -> None:
        headers = {"Idempotency-Key": "key-0001"}
        await client.post("/v1/cups", json={"size": 5}, headers=headers)
        assert await drop_old_answers(db) == 0
        clock.advance(86_401)
        again = await client.post("/v1/cups", json={"size": 6}, headers=headers)
        assert (again.status_code, again.json()["count"]) == (201, 2)
        clock.advance(86_401)
        assert await drop_old_answers(db) == 1

    async def test_answers_kept_before_there_was_an_end_go_after_a_day(
        self, client: httpx.AsyncClient, db: Database, clock: FixedClock
    ) -> None:
        await client.post("/v1/cups", json={"size": 5}, headers={"Idempotency-Key": "key-0001"})
        async with db.transaction() as session:
            await session.execute(update(IdempotencyRow).values(expires_at=None))
        assert await drop_old_answers(db) == 0
        clock.advance(86_401)
        assert await drop_old_answers(db) == 1

    async def test_a_route_with_its_own_transactions_honours_it_too(
        self, client: httpx.AsyncClient
    ) -> None:
        headers = {"Idempotency-Key": "key-0001"}
        first = await client.post("/v1/mugs", json={"size": 5}, headers=headers)
        second = await client.post("/v1/mugs", json={"size": 5}, headers=headers)
        other = await client.post("/v1/mugs", json={"size": 6}, headers=headers)
        assert (first.json(), first.status_code) == (second.json(), second.status_code)
        assert second.headers["idempotency-replayed"] == "true"
        assert other.status_code == 409
        assert await _count(client) == 1

    async def test_the_guard_is_asked_before_an_answer_is_given_again(
        self, client: httpx.AsyncClient, db: Database
    ) -> None:
        class Refusing:
            async def replayed(self, session: Session, actor: Actor, answer: KeptAnswer) -> None:
                assert answer.document == {"size": 5, "count": 1}
                raise NotFound("not any more")

        db.resources.put(ReplayGuard, Refusing())  # type: ignore[type-abstract]
        headers = {"Idempotency-Key": "key-0001"}
        await client.post("/v1/cups", json={"size": 5}, headers=headers)
        again = await client.post("/v1/cups", json={"size": 5}, headers=headers)
        assert again.status_code == 404

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


class TestNul:
    """A text with NUL matches nothing and never reaches the database, which may not take it."""

    @pytest.mark.parametrize(
        ("path", "status"),
        [("?note=%00", 422), ("?note=a%00b", 422), ("/named/a%00b", 422), ("/named/a?note=b", 200)],
    )
    async def test_is_refused(self, client: httpx.AsyncClient, path: str, status: int) -> None:
        assert (await client.get(f"/v1/cups{path}")).status_code == status


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
