# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a database of each kind, a session, an actor, the application and a client.

A folder chooses its rooms with a ``modules`` fixture of its own.
"""

import os
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from uuid import UUID

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import create_engine

from healthvision.app.assembly import register, started
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Base, Database, Session, sync_url
from healthvision.kernel.http import Authenticator, RateLimiter
from healthvision.kernel.jobs import JobQueue
from healthvision.kernel.module import Module
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings
from tests.support.auth import HEADER, NoLimit, TableAuthenticator
from tests.support.http_app import application
from tests.support.postgres import postgres_bin, postgres_server
from tests.support.queue import InPlaceQueue
from tests.support.services import missing_service

KEPT = ("HV_SHARED", "HV_TEST_DATABASES", "HV_E2E_SHOTS", "HV_E2E_SLOWER")
SLOW = ("tests/web/", "tests/journeys/")  # few and long: they begin first, small ones fill the end
DATABASES = os.environ.get("HV_TEST_DATABASES", "sqlite,postgresql").split(",")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files of slow tests first, for the workers of pytest-xdist."""
    items.sort(key=lambda item: not item.nodeid.startswith(SLOW))


@pytest.fixture(autouse=True)
def clean_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting of the developer's machine reaches a test."""
    for name in list(os.environ):
        if name.startswith("HV_") and name not in KEPT:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HV_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HV_MASTER_KEY_FILE", str(tmp_path / "keys" / "master.key"))
    monkeypatch.setenv("HV_AUDIT_ANCHOR_DIR", str(tmp_path / "anchor"))
    yield


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a private PostgreSQL server."""
    binaries = postgres_bin()
    if binaries is None:
        missing_service("postgresql")
    with postgres_server(binaries) as url:
        yield url


@pytest.fixture
def modules() -> Sequence[Module]:
    """All rooms; a folder overrides this with the rooms it needs."""
    from healthvision.app.modules import MODULES  # noqa: PLC0415 (rooms under test may be few)

    return MODULES


@pytest.fixture
def core(tmp_path: Path) -> CoreSettings:
    """Core settings that point into the test's own folder."""
    return CoreSettings()


def _schema_key() -> str:
    return str(hash(tuple(sorted(Base.metadata.tables))))


@pytest.fixture(scope="session")
def template_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of SQLite files that hold the empty schema."""
    return tmp_path_factory.mktemp("templates")


def _sqlite_url(template_folder: Path, tmp_path: Path) -> str:
    template = template_folder / f"{_schema_key()}.db"
    if not template.exists():
        engine = create_engine(f"sqlite:///{template}")
        Base.metadata.create_all(engine)
        engine.dispose()
    target = tmp_path / "test.db"
    shutil.copy(template, target)
    return f"sqlite:///{target}"


def _postgres_url(server: str, name: str) -> str:
    template = "template_" + _schema_key().replace("-", "m")
    with psycopg.connect(server, autocommit=True) as connection:
        known = "select 1 from pg_database where datname = %s"
        if connection.execute(known, (template,)).fetchone() is None:
            connection.execute(f'create database "{template}"')
            engine = create_engine(sync_url(server.rsplit("/", 1)[0] + "/" + template))
            Base.metadata.create_all(engine)
            engine.dispose()
        connection.execute(f'create database "{name}" template "{template}"')
    return server.rsplit("/", 1)[0] + "/" + name


@pytest.fixture(params=DATABASES)
def database_url(
    request: pytest.FixtureRequest,
    template_folder: Path,
    tmp_path: Path,
    modules: Sequence[Module],
) -> Iterator[str]:
    """URL of a database of its own with the schema of the imported rooms."""
    if request.param == "sqlite":
        yield _sqlite_url(template_folder, tmp_path)
        return
    server, name = request.getfixturevalue("postgres_url"), f"t{new_id().hex}"
    yield _postgres_url(server, name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'drop database "{name}" with (force)'.encode())


@pytest.fixture
def queue() -> InPlaceQueue:
    """The queue of the test; ``await queue.drain(db)`` runs what waits."""
    return InPlaceQueue()


@pytest.fixture
def authenticator() -> TableAuthenticator:
    """The table of actors that may sign in by header."""
    return TableAuthenticator()


@pytest.fixture
async def db(
    database_url: str,
    modules: Sequence[Module],
    core: CoreSettings,
    queue: InPlaceQueue,
    authenticator: TableAuthenticator,
) -> AsyncIterator[Database]:
    """A started database with the rooms' resources."""
    database = Database(database_url, pool_size=5)
    register(database, modules)
    database.resources.put(CoreSettings, core)
    database.resources.put(JobQueue, queue)  # type: ignore[type-abstract]
    async with started(database, modules, core):
        if not database.resources.has(Authenticator):
            database.resources.put(Authenticator, authenticator)  # type: ignore[type-abstract]
        if not database.resources.has(RateLimiter):
            database.resources.put(RateLimiter, NoLimit())  # type: ignore[type-abstract]
        yield database
    await database.close()


@pytest.fixture
async def session(db: Database) -> AsyncIterator[Session]:
    """A writing session; committed at the end of the test."""
    async with db.transaction() as opened:
        yield opened


@pytest.fixture
def org_id() -> UUID:
    """An organisation's id."""
    return new_id()


@pytest.fixture
def actor(org_id: UUID) -> Actor:
    """A user with all rights in the organisation."""
    user = new_id()
    return Actor(
        org_id=org_id, id=str(user), user_id=user, kind="user", permissions=frozenset({"*"})
    )


@pytest.fixture
def stranger() -> Actor:
    """A user with all rights in another organisation."""
    user = new_id()
    return Actor(
        org_id=new_id(), id=str(user), user_id=user, kind="user", permissions=frozenset({"*"})
    )


@pytest.fixture
def app(db: Database, modules: Sequence[Module]) -> FastAPI:
    """The HTTP application with the rooms' routers."""
    return application(db, modules)


@pytest.fixture
async def client(
    app: FastAPI, actor: Actor, stranger: Actor, authenticator: TableAuthenticator
) -> AsyncIterator[httpx.AsyncClient]:
    """A client signed in as ``actor``; send header ``x-test-actor: stranger`` to be the other."""
    authenticator.actors.update(actor=actor, stranger=stranger)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", headers={HEADER: "actor"}
    ) as opened:
        yield opened
