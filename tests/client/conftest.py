# SPDX-License-Identifier: Apache-2.0
"""The client against the real application: archive and DICOMweb door."""

from collections.abc import AsyncIterator, Generator, Sequence

import httpx
import pytest
from tests.support.auth import HEADER, TableAuthenticator
from tests.support.http_app import application

from healthvision.client import AsyncClient
from healthvision.client.auth import NoAuth
from healthvision.client.effects import Call
from healthvision.domains.archive import module as archive
from healthvision.domains.audit import module as audit
from healthvision.domains.patients import module as patients
from healthvision.domains.spaces import module as spaces
from healthvision.domains.spaces.service import ensure_default
from healthvision.domains.storage import module as storage
from healthvision.interfaces.dicomweb.routes import router
from healthvision.kernel.db import Database
from healthvision.kernel.module import Module
from healthvision.kernel.security import Actor


class TestActor(NoAuth):
    """Signs in by the header of the test's table of actors."""

    __test__ = False

    def headers(self) -> Generator[Call, httpx.Response, dict[str, str]]:
        """Return the header."""
        yield from ()
        return {HEADER: "actor"}


@pytest.fixture
def modules() -> Sequence[Module]:
    """The archive and the rooms it stands on."""
    return [audit.MODULE, storage.MODULE, patients.MODULE, spaces.MODULE, archive.MODULE]


@pytest.fixture
async def server(
    db: Database, modules: Sequence[Module], actor: Actor, authenticator: TableAuthenticator
) -> AsyncIterator[AsyncClient]:
    """An asynchronous client of the running application."""
    async with db.transaction() as session:
        await ensure_default(session, actor)
    authenticator.actors["actor"] = actor
    app = application(db, modules, [router])
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with AsyncClient("http://test", TestActor(), transport=transport) as client:
        yield client
