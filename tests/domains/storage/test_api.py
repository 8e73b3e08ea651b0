# SPDX-License-Identifier: Apache-2.0
"""Signed URLs through the door: counted per account, wrong ones per address."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from healthvision.domains.storage import service
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database
from healthvision.kernel.http import RateLimiter
from healthvision.kernel.ratelimit import RateLimitSettings, SharedRateLimiter, make_limiter
from healthvision.kernel.security import Actor

SETTINGS = RateLimitSettings(tiers={"standard": {"presigned": 3, "auth": 2}})


@pytest.fixture
async def limiters(db: Database, database_url: str) -> AsyncIterator[list[SharedRateLimiter]]:
    """The limiters of two processes, which know each other only through the database."""
    other = Database(database_url, pool_size=2)
    yield [make_limiter(db, SETTINGS), make_limiter(other, SETTINGS)]
    await other.close()


async def _put(db: Database, client: httpx.AsyncClient, actor: Actor, name: str) -> int:
    signed = await service.presign_put(
        db,
        actor.org_id,
        f"0/{name}",
        size=1,
        content_type="text/plain",
        expires_at=now() + timedelta(seconds=60),
        actor=actor,
    )
    return (await client.put(signed.url, content=b"x", headers=signed.headers)).status_code


class TestBudget:
    async def test_is_one_per_account_over_all_processes(
        self,
        db: Database,
        client: httpx.AsyncClient,
        actor: Actor,
        limiters: list[SharedRateLimiter],
    ) -> None:
        found = []
        for number in range(4):
            db.resources.put(RateLimiter, limiters[number % 2])  # type: ignore[type-abstract]
            found.append(await _put(db, client, actor, str(number)))
        assert found == [201, 201, 201, 429]
        assert await _put(db, client, replace(actor, id="somebody-else"), "other") == 201

    async def test_the_account_cannot_be_changed_in_the_url(
        self, db: Database, client: httpx.AsyncClient, actor: Actor
    ) -> None:
        signed = await service.presign_put(
            db,
            actor.org_id,
            "0/a",
            size=1,
            content_type="text/plain",
            expires_at=now() + timedelta(seconds=60),
            actor=actor,
        )
        forged = signed.url.replace("tier=standard", "tier=service")
        answer = await client.put(forged, content=b"x", headers=signed.headers)
        assert (forged != signed.url, answer.status_code) == (True, 404)

    async def test_wrong_signatures_are_counted_by_address(
        self,
        db: Database,
        client: httpx.AsyncClient,
        actor: Actor,
        limiters: list[SharedRateLimiter],
    ) -> None:
        db.resources.put(RateLimiter, limiters[0])  # type: ignore[type-abstract]
        url = f"/v1/blobs/staging/{actor.org_id}/0/a?expires=1&sig=0"
        found = [(await client.get(url)).status_code for _ in range(3)]
        assert found == [404, 404, 429]
