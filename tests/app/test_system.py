# SPDX-License-Identifier: Apache-2.0
"""Readiness is told by the status."""

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from healthvision.app.api import create_app
from healthvision.app.system import router
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database
from healthvision.kernel.leases import WorkerHeartbeat


@pytest.fixture
def asker(db: Database) -> httpx.AsyncClient:
    """A client of the system group, without sign-in."""
    app = create_app(db, (), (router,), lifespan=None)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


async def _beat(db: Database, seconds_ago: float) -> None:
    at = now() - timedelta(seconds=seconds_ago)
    async with db.transaction() as session:
        session.add(WorkerHeartbeat(worker_id="w", host="h", pid=1, started_at=at, seen_at=at))


class TestReady:
    async def test_a_living_worker_makes_it_ready(
        self, db: Database, asker: httpx.AsyncClient
    ) -> None:
        await _beat(db, 1)
        answer = await asker.get("/readyz")
        assert answer.status_code == 200
        assert answer.json() == {"status": "ok", "database": "ok", "workers": 1}

    async def test_without_a_living_worker_it_is_busy(
        self, db: Database, asker: httpx.AsyncClient
    ) -> None:
        await _beat(db, 600)
        answer = await asker.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["code"] == "busy"
        assert answer.json()["workers"] == 0
        assert "retry-after" in answer.headers

    async def test_without_its_tables_it_is_busy(
        self, db: Database, asker: httpx.AsyncClient
    ) -> None:
        async with db.transaction() as session:
            await session.execute(text("drop table worker_heartbeats"))
        answer = await asker.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["detail"] == "the database does not answer"
