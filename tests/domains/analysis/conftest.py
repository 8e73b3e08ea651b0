# SPDX-License-Identifier: Apache-2.0
"""The analysis room and the rooms under it, with the test application installed."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest

from healthvision.domains.analysis import module as analysis
from healthvision.domains.archive import module as archive
from healthvision.domains.archive import service as archive_service
from healthvision.domains.archive.schemas import Incoming, Origin
from healthvision.domains.audit import module as audit
from healthvision.domains.modelhub import module as modelhub
from healthvision.domains.modelhub.service import Installed, Registry
from healthvision.domains.patients import module as patients
from healthvision.domains.spaces import module as spaces
from healthvision.domains.spaces.service import ensure_default
from healthvision.domains.storage import module as storage
from healthvision.kernel.db import Database
from healthvision.kernel.module import Module
from healthvision.kernel.security import Actor
from tests.support.applications import BRIGHT
from tests.support.queue import InPlaceQueue
from tests.support.small_ct import small_ct

TARGET = "tests.support.applications:BRIGHT"


@pytest.fixture
def modules() -> Sequence[Module]:
    """Analysis and everything below it."""
    return [
        audit.MODULE,
        storage.MODULE,
        patients.MODULE,
        spaces.MODULE,
        archive.MODULE,
        modelhub.MODULE,
        analysis.MODULE,
    ]


@dataclass
class Ward:
    """A small hospital: studies come in, tasks run."""

    db: Database
    queue: InPlaceQueue
    client: httpx.AsyncClient
    actor: Actor

    async def bring(
        self, name: str = "one", *, modality: str = "CT", who: Actor | None = None
    ) -> UUID:
        """Store one small CT and return its study id; nothing runs by itself."""
        actor = who or self.actor
        async with self.db.transaction() as session:
            await ensure_default(session, actor)
        items = [Incoming(data) for data in small_ct(name, modality=modality)]
        answers = await archive_service.receive(
            self.db, actor, items, space_id="default", origin=Origin("upload", "test")
        )
        assert {a.outcome for a in answers} <= {"stored", "duplicate"}
        study_id = answers[0].study_id
        assert study_id is not None
        return study_id

    async def close(self, study_id: UUID, who: Actor | None = None) -> None:
        """End the study as its sender; rules run."""
        async with self.db.transaction() as session:
            await archive_service.close_study(session, who or self.actor, study_id, "default")
        await self.drain()

    async def drain(self) -> None:
        """Run all waiting jobs."""
        await self.queue.drain(self.db)

    async def post(self, path: str, body: Any = None, *, status: int = 201) -> Any:
        """POST and return the JSON."""
        answer = await self.client.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def get(self, path: str, *, expect: int = 200, **query: Any) -> Any:
        """GET and return the JSON."""
        answer = await self.client.get(path, params=query)
        assert answer.status_code == expect, answer.text
        return answer.json()

    async def analysed(self, name: str = "one", **wish: Any) -> Any:
        """Bring a study in, run a task on it and return the finished task."""
        study_id = await self.bring(name)
        task = await self.post("/v1/tasks", {"study_id": str(study_id), **wish})
        await self.drain()
        return await self.get(f"/v1/tasks/{task['id']}")


Bring = Callable[..., Awaitable[UUID]]


@pytest.fixture
async def ward(db: Database, queue: InPlaceQueue, client: httpx.AsyncClient, actor: Actor) -> Ward:
    """The hospital with the test application installed."""
    db.resources.put(Registry, Registry([Installed(BRIGHT.manifest, TARGET)]))
    async with db.transaction() as session:
        await ensure_default(session, actor)
    await queue.drain(db)
    return Ward(db, queue, client, actor)
