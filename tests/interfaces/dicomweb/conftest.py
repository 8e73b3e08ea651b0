# SPDX-License-Identifier: Apache-2.0
"""The archive behind its DICOMweb door, with a default space for two organisations."""

from collections.abc import Awaitable, Callable, Sequence

import httpx
import pytest
from fastapi import FastAPI
from tests.support.http_app import application

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

ROOT = "/dicomweb/default"
Stow = Callable[..., Awaitable[httpx.Response]]


def related(objects: Sequence[bytes], kind: str = "application/dicom") -> tuple[bytes, str]:
    """Return a multipart/related body and its Content-Type."""
    head = f"--hvtest\r\nContent-Type: {kind}\r\n\r\n".encode()
    body = b"\r\n".join([*(head + data for data in objects), b"--hvtest--\r\n"])
    return body, 'multipart/related; type="application/dicom"; boundary=hvtest'


@pytest.fixture
def modules() -> Sequence[Module]:
    """The archive and the rooms it stands on."""
    return [audit.MODULE, storage.MODULE, patients.MODULE, spaces.MODULE, archive.MODULE]


@pytest.fixture
async def app(db: Database, modules: Sequence[Module], actor: Actor, stranger: Actor) -> FastAPI:
    """The application with the DICOMweb door."""
    async with db.transaction() as session:
        await ensure_default(session, actor)
        await ensure_default(session, stranger)
    return application(db, modules, [router])


@pytest.fixture
def stow(client: httpx.AsyncClient) -> Stow:
    """Store objects through the door."""

    async def storing(
        objects: Sequence[bytes], path: str = "/studies", **headers: str
    ) -> httpx.Response:
        body, kind = related(objects)
        return await client.post(
            ROOT + path, content=body, headers={"Content-Type": kind, **headers}
        )

    return storing
