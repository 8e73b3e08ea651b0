# SPDX-License-Identifier: Apache-2.0
"""The rooms under the archive, an organisation with its default space, and its front door."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

import pytest

from healthvision.domains.archive import module as archive
from healthvision.domains.archive import service
from healthvision.domains.archive.receiving import debts
from healthvision.domains.archive.schemas import Incoming, Origin, OriginKind, Received
from healthvision.domains.audit import module as audit
from healthvision.domains.patients import module as patients
from healthvision.domains.spaces import module as spaces
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.domains.spaces.service import ensure_default
from healthvision.domains.storage import module as storage
from healthvision.kernel.db import Database
from healthvision.kernel.module import Module
from healthvision.kernel.security import Actor

Send = Callable[..., Awaitable[list[Received]]]


@pytest.fixture(autouse=True)
def unpaid(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is owed stays so until a test recovers it."""
    monkeypatch.setattr(debts, "FIRST_S", 3600.0)


@pytest.fixture
def modules() -> Sequence[Module]:
    """The archive and the rooms it stands on."""
    return [audit.MODULE, storage.MODULE, patients.MODULE, spaces.MODULE, archive.MODULE]


@pytest.fixture
async def space(db: Database, actor: Actor) -> SpaceRead:
    """The default space of the actor's organisation."""
    async with db.transaction() as session:
        return await ensure_default(session, actor)


@pytest.fixture
async def stranger_space(db: Database, stranger: Actor) -> SpaceRead:
    """The default space of the stranger's organisation."""
    async with db.transaction() as session:
        return await ensure_default(session, stranger)


@pytest.fixture
def send(db: Database, actor: Actor, space: SpaceRead) -> Send:
    """Send objects into the default space."""

    async def sending(
        objects: Iterable[bytes], kind: OriginKind = "dicomweb", who: Actor = actor
    ) -> list[Received]:
        items = [Incoming(data, name=str(i)) for i, data in enumerate(objects)]
        return await service.receive(
            db, who, items, space_id="default", origin=Origin(kind, "test")
        )

    return sending
