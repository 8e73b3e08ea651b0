# SPDX-License-Identifier: Apache-2.0
"""The session of the web interface: cookie, page token, idle end, lock-out, organisations."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from healthvision.domains.identity import service
from healthvision.domains.identity.cookies import cookie_name
from healthvision.kernel.clock import FixedClock, use_clock
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from tests.domains.identity.conftest import PASSWORD, Hospital, make_hospital


async def sign_in(web: httpx.AsyncClient, email: str, **more: str) -> dict[str, Any]:
    """Sign in; the client keeps the cookie."""
    answer = await web.post("/ui/session", json={"email": email, "password": PASSWORD, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


class TestSignIn:
    async def test_gives_a_cookie_that_scripts_cannot_read(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        body = {"email": east.reader_email, "password": PASSWORD}
        answer = await web.post("/ui/session", json=body)
        cookie = answer.headers["set-cookie"].lower()
        assert {"httponly", "samesite=strict", "path=/"} <= {p.strip() for p in cookie.split(";")}
        assert "max-age" not in cookie
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json()["me"]["user"]["email"] == east.reader_email

    async def test_the_database_does_not_hold_the_cookie(
        self, web: httpx.AsyncClient, east: Hospital, db: Database
    ) -> None:
        await sign_in(web, east.reader_email)
        async with db.reading() as session:
            rows = (await session.execute(text("select token_sha256 from web_sessions"))).all()
        token = web.cookies["hv_session"]
        assert len(rows) == 1
        assert token not in str(rows)

    async def test_shares_the_lock_out_with_every_other_door(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        wrong = {"email": east.reader_email, "password": "wrong password"}
        codes = [(await web.post("/ui/session", json=wrong)).json()["code"] for _ in range(6)]
        assert codes == ["bad-credentials"] * 5 + ["locked-out"]

    async def test_tells_nobody_that_nobody_is_signed_in(self, web: httpx.AsyncClient) -> None:
        answer = await web.get("/ui/session")
        assert (answer.status_code, answer.json()) == (200, {"session": None})


class TestSession:
    async def test_speaks_for_the_person_at_the_api(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        await sign_in(web, east.reader_email)
        me = (await web.get("/v1/me")).json()
        assert me["id"] == str(east.reader_id)
        state = (await web.get("/ui/session")).json()
        assert state["session"]["me"]["permissions"] == me["permissions"]

    async def test_a_change_needs_the_token_of_the_page(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        session = await sign_in(web, east.admin_email)
        team = {"name": "Night", "description": ""}
        forged = await web.post("/v1/teams", json=team)
        assert (forged.status_code, forged.json()["code"]) == (403, "csrf-token-missing")
        wrong = await web.post("/v1/teams", json=team, headers={"X-CSRF-Token": "0" * 64})
        assert wrong.status_code == 403
        good = {"X-CSRF-Token": session["csrf_token"]}
        assert (await web.post("/v1/teams", json=team, headers=good)).status_code == 201

    async def test_the_token_of_one_session_does_not_fit_another(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        first = await sign_in(web, east.admin_email)
        await sign_in(web, east.admin_email)
        headers = {"X-CSRF-Token": first["csrf_token"]}
        answer = await web.post("/v1/teams", json={"name": "Night"}, headers=headers)
        assert answer.status_code == 403

    async def test_counts_against_the_budget_of_the_interface(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        await sign_in(web, east.reader_email)
        codes = [(await web.get("/v1/me")).status_code for _ in range(7)]
        assert codes == [200] * 6 + [429]

    async def test_a_key_in_the_header_wins_over_the_cookie(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        await sign_in(web, east.reader_email)
        answer = await web.get("/v1/me", headers={"Authorization": "Bearer nonsense"})
        assert answer.status_code == 401

    async def test_is_no_bearer_token(self, web: httpx.AsyncClient, east: Hospital) -> None:
        await sign_in(web, east.reader_email)
        token = web.cookies["hv_session"]
        web.cookies.clear()
        answer = await web.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401

    async def test_ends_after_a_time_without_use(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        with use_clock(FixedClock(datetime.now(UTC))) as clock:
            assert isinstance(clock, FixedClock)
            await sign_in(web, east.reader_email)
            for headers, code in (({}, 200), ({"X-Background": "1"}, 200), ({}, 401)):
                clock.advance(19 * 60)
                answer = await web.get("/v1/me", headers=headers)
                assert answer.status_code == code
            assert answer.json()["code"] == "session-ended"
            assert (await web.get("/ui/session")).json() == {"session": None}

    async def test_ends_after_its_longest_life(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        with use_clock(FixedClock(datetime.now(UTC))) as clock:
            assert isinstance(clock, FixedClock)
            await sign_in(web, east.reader_email)
            codes = []
            for _ in range(41):
                clock.advance(18 * 60)
                codes.append((await web.get("/v1/me")).status_code)
            assert codes == [200] * 39 + [401] * 2

    async def test_ends_when_the_account_is_disabled(
        self, web: httpx.AsyncClient, east: Hospital, db: Database
    ) -> None:
        await sign_in(web, east.reader_email)
        async with db.transaction() as session:
            await service.disable_user(session, Actor.system(east.org_id), east.reader_id)
        assert (await web.get("/v1/me")).status_code == 401


class TestSignOut:
    async def test_ends_the_session_and_takes_the_cookie_back(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        session = await sign_in(web, east.reader_email)
        token = web.cookies["hv_session"]
        forged = await web.delete("/ui/session")
        assert forged.status_code == 403
        headers = {"X-CSRF-Token": session["csrf_token"]}
        answer = await web.delete("/ui/session", headers=headers)
        assert answer.status_code == 200
        assert "max-age=0" in answer.headers["set-cookie"].lower()
        web.cookies.set("hv_session", token)
        assert (await web.get("/v1/me")).status_code == 401

    async def test_leaves_a_line_in_the_audit_log(
        self, web: httpx.AsyncClient, east: Hospital, db: Database
    ) -> None:
        session = await sign_in(web, east.reader_email)
        await web.delete("/ui/session", headers={"X-CSRF-Token": session["csrf_token"]})
        async with db.reading() as opened:
            rows = (await opened.execute(text("select action from audit_events"))).scalars().all()
        assert {"identity.signed_in", "identity.signed_out"} <= set(rows)


class TestSwitchOrganisation:
    @pytest.fixture
    async def west(self, db: Database, east: Hospital) -> Hospital:
        """A second organisation in which the reader of the first one works too."""
        west = await make_hospital(db, "west")
        async with db.transaction() as session:
            await service.create_user(
                session,
                Actor.system(west.org_id),
                email=east.reader_email,
                name="Radiologist",
                roles=["viewer"],
            )
        return west

    async def test_goes_on_with_the_rights_there(
        self, web: httpx.AsyncClient, east: Hospital, west: Hospital
    ) -> None:
        session = await sign_in(web, east.reader_email)
        assert session["me"]["org_id"] == str(east.org_id)
        headers = {"X-CSRF-Token": session["csrf_token"]}
        body = {"org_id": str(west.org_id)}
        moved = (await web.patch("/ui/session", json=body, headers=headers)).json()
        assert moved["me"]["org_id"] == str(west.org_id)
        me = (await web.get("/v1/me")).json()
        assert me["organisation"] == "west"
        assert "analysis:run" not in me["permissions"]

    async def test_a_strange_organisation_is_not_there(
        self, web: httpx.AsyncClient, east: Hospital, west: Hospital
    ) -> None:
        session = await sign_in(web, east.admin_email)
        headers = {"X-CSRF-Token": session["csrf_token"]}
        body = {"org_id": str(west.org_id)}
        assert (await web.patch("/ui/session", json=body, headers=headers)).status_code == 404


class TestCookieName:
    def test_is_bound_to_the_host_when_there_is_tls(self) -> None:
        assert cookie_name("https://hv.example") == "__Host-hv_session"
        assert cookie_name("http://127.0.0.1:8080") == "hv_session"
