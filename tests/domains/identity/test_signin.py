# SPDX-License-Identifier: Apache-2.0
"""Lock-out and what a failed sign-in gives away."""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest
from sqlalchemy import text

from healthvision.domains.identity import service
from healthvision.domains.identity.errors import BadCredentials, LockedOut
from healthvision.domains.identity.service import Caller
from healthvision.kernel.clock import FixedClock, use_clock
from healthvision.kernel.db import Database
from tests.domains.identity.conftest import PASSWORD, Hospital

CALLER = Caller("192.0.2.7", None, None)


async def fail(db: Database, email: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(BadCredentials):
            await service.sign_in(db, email, "wrong password", CALLER)


class TestSignIn:
    async def test_locks_after_five_failures_and_opens_again(
        self, db: Database, east: Hospital
    ) -> None:
        with use_clock(FixedClock(datetime.now(UTC))) as clock:
            assert isinstance(clock, FixedClock)
            await fail(db, east.reader_email, 5)
            with pytest.raises(LockedOut) as caught:
                await service.sign_in(db, east.reader_email, PASSWORD, CALLER)
            assert caught.value.retry_after == pytest.approx(60)
            clock.advance(61)
            await fail(db, east.reader_email, 1)
            with pytest.raises(LockedOut) as caught:
                await service.sign_in(db, east.reader_email, PASSWORD, CALLER)
            assert caught.value.retry_after == pytest.approx(120)
            clock.advance(121)
            user = await service.sign_in(db, east.reader_email.upper(), PASSWORD, CALLER)
            assert user == east.reader_id
            await fail(db, east.reader_email, 4)
            await service.sign_in(db, east.reader_email, PASSWORD, CALLER)

    async def test_parallel_guesses_do_not_slip_through(self, db: Database, east: Hospital) -> None:
        tries = [service.sign_in(db, east.reader_email, f"guess {n}", CALLER) for n in range(12)]
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(o, BadCredentials) for o in outcomes) == 5
        assert sum(isinstance(o, LockedOut) for o in outcomes) == 7

    async def test_an_unknown_name_is_answered_like_a_known_one(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        answers = {}
        for email in (east.reader_email, "nobody@east.example"):
            form = {
                "grant_type": "password",
                "client_id": "healthvision-cli",
                "username": email,
                "password": "wrong password",
            }
            found = [await web.post("/oauth/token", data=form) for _ in range(6)]
            answers[email] = [(a.status_code, a.json()["error_description"]) for a in found]
        known, unknown = answers.values()
        assert known == unknown
        assert [status for status, _text in known] == [400] * 5 + [429]

    async def test_failures_and_locks_are_audited_without_the_password(
        self, db: Database, east: Hospital
    ) -> None:
        await fail(db, east.reader_email, 5)
        async with db.reading() as session:
            rows = (await session.execute(text("select * from audit_events"))).mappings().all()
        actions = [r["action"] for r in rows if r["outcome"] == "refused"]
        assert actions.count("identity.sign_in") == 4
        assert actions.count("identity.account_locked") == 1
        assert "wrong password" not in repr(rows)
        assert PASSWORD not in repr(rows)
