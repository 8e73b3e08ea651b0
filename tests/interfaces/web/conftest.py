# SPDX-License-Identifier: Apache-2.0
"""Rooms and people behind the session of the web interface."""

from collections.abc import AsyncIterator, Sequence

import httpx
import pytest
from fastapi import FastAPI

from healthvision.domains.audit.module import MODULE as AUDIT
from healthvision.domains.identity.module import MODULE as IDENTITY
from healthvision.interfaces.web.session_api import router
from healthvision.kernel.db import Database
from healthvision.kernel.module import Module
from tests.domains.identity.conftest import ISSUER, Hospital, make_hospital
from tests.support.http_app import application


@pytest.fixture(autouse=True)
def quick_settings(clean_settings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cheap hashes and a small budget of API calls, so that the budget in use shows."""
    monkeypatch.setenv("HV_IDENTITY_ARGON2_MEMORY_KIB", "8192")
    monkeypatch.setenv("HV_IDENTITY_ARGON2_TIME", "1")
    monkeypatch.setenv("HV_IDENTITY_CACHE_S", "0")
    tiers = '{"standard": {"api": 2, "auth": 5000, "ui": 6}}'
    monkeypatch.setenv("HV_RATELIMIT_TIERS", tiers)


@pytest.fixture
def modules() -> Sequence[Module]:
    """The rooms under test."""
    return [AUDIT, IDENTITY]


@pytest.fixture
def app(db: Database, modules: Sequence[Module]) -> FastAPI:
    """The application with the session door."""
    return application(db, modules, [router])


@pytest.fixture
async def east(db: Database) -> Hospital:
    """An organisation with people."""
    return await make_hospital(db, "east")


@pytest.fixture
async def web(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without a session."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as opened:
        yield opened
