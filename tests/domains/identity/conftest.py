# SPDX-License-Identifier: Apache-2.0
"""A hospital with people of every kind, and a second one next to it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from healthvision.domains.audit.module import MODULE as AUDIT
from healthvision.domains.identity import service
from healthvision.domains.identity.module import MODULE as IDENTITY
from healthvision.domains.identity.schemas import ClientCreate
from healthvision.kernel.db import Database
from healthvision.kernel.module import Module
from healthvision.kernel.security import Actor

PASSWORD = "correct horse battery 9"
ISSUER = "http://127.0.0.1:8080"


@pytest.fixture(autouse=True)
def quick_settings(clean_settings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cheap hashes; the password grant and a wide budget make sign-in of tests short."""
    monkeypatch.setenv("HV_IDENTITY_ARGON2_MEMORY_KIB", "8192")
    monkeypatch.setenv("HV_IDENTITY_ARGON2_TIME", "1")
    monkeypatch.setenv("HV_IDENTITY_PASSWORD_GRANT", "true")
    monkeypatch.setenv("HV_RATELIMIT_TIERS", '{"standard": {"api": 5000, "auth": 5000}}')


@pytest.fixture
def modules() -> Sequence[Module]:
    """The rooms under test."""
    return [AUDIT, IDENTITY]


@dataclass(frozen=True)
class Hospital:
    """Ids of one organisation; ``client_id`` and ``secret`` are a program's."""

    org_id: UUID
    admin_id: UUID
    admin_email: str
    client_id: str
    secret: str
    reader_id: UUID
    reader_email: str


async def make_hospital(db: Database, name: str) -> Hospital:
    """Make an organisation with an administrator, a reader and a program."""
    async with db.transaction() as session:
        made = await service.bootstrap(
            session,
            organisation=name,
            admin_email=f"boss@{name}.example",
            admin_name="Chief",
            password=PASSWORD,
        )
        actor = Actor.system(made.org_id)
        program = await service.create_client(
            session,
            actor,
            ClientCreate(name="Bridge", grants=["client_credentials"], scopes=["users:read"]),
        )
        reader = await service.create_user(
            session,
            actor,
            email=f"reader@{name}.example",
            name="Radiologist",
            roles=["radiologist"],
            password=PASSWORD,
        )
    assert program.client_secret is not None
    return Hospital(
        org_id=made.org_id,
        admin_id=made.user_id,
        admin_email=f"boss@{name}.example",
        client_id=program.client.client_id,
        secret=program.client_secret,
        reader_id=reader.id,
        reader_email=f"reader@{name}.example",
    )


@pytest.fixture
async def east(db: Database) -> Hospital:
    """The first organisation; its administrator is the installation's too."""
    return await make_hospital(db, "east")


@pytest.fixture
async def west(db: Database, east: Hospital) -> Hospital:
    """The second organisation; its administrator rules it only."""
    return await make_hospital(db, "west")


@pytest.fixture
async def web(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client that is not signed in."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as opened:
        yield opened


async def sign_in(web: httpx.AsyncClient, email: str, **more: str) -> dict[str, str]:
    """Return the token answer for a person."""
    form = {
        "grant_type": "password",
        "client_id": "healthvision-cli",
        "username": email,
        "password": PASSWORD,
        **more,
    }
    answer = await web.post("/oauth/token", data=form)
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = answer.json()
    return found


def bearer(token: str) -> dict[str, str]:
    """Return the header of a token."""
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def boss(web: httpx.AsyncClient, east: Hospital) -> dict[str, str]:
    """Header of the first organisation's administrator."""
    return bearer((await sign_in(web, east.admin_email))["access_token"])


@pytest.fixture
async def neighbour(web: httpx.AsyncClient, west: Hospital) -> dict[str, str]:
    """Header of the second organisation's administrator."""
    return bearer((await sign_in(web, west.admin_email))["access_token"])
