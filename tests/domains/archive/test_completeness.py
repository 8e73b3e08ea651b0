# SPDX-License-Identifier: Apache-2.0
"""When studies are complete, and what happens to deleted ones."""

from datetime import UTC, datetime

import httpx
from pydicom.uid import generate_uid
from sqlalchemy import select

from healthvision.domains.archive import service
from healthvision.domains.archive.events import StudyComplete
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.domains.storage import service as storage
from healthvision.kernel.clock import FixedClock, use_clock
from healthvision.kernel.db import Database
from healthvision.kernel.events import EventRow
from healthvision.kernel.security import Actor
from tests.domains.archive.conftest import Send
from tests.factories.dicom import ct_bytes

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def completions(db: Database) -> list[dict[str, object]]:
    async with db.reading() as session:
        query = select(EventRow).where(EventRow.topic == StudyComplete.topic)
        return [dict(r.body) for r in await session.scalars(query.order_by(EventRow.id))]


class TestCompleteQuietStudies:
    async def test_a_quiet_study_is_complete_once_and_again_after_a_late_object(
        self, db: Database, send: Send
    ) -> None:
        study = generate_uid()
        clock = FixedClock(START)
        with use_clock(clock):
            await send([ct_bytes(study_uid=study)])
            clock.advance(4.9)
            assert await service.complete_quiet_studies(db) == 0
            clock.advance(0.2)
            assert await service.complete_quiet_studies(db) == 1
            assert await service.complete_quiet_studies(db) == 0
            await send([ct_bytes(study_uid=study)])
            clock.advance(6)
            assert await service.complete_quiet_studies(db) == 1
        told = await completions(db)
        assert [(e["generation"], e["reason"]) for e in told] == [(1, "quiet"), (2, "quiet")]
        assert told[0]["last_instance_at"] == START.isoformat()

    async def test_our_own_outputs_neither_reopen_nor_complete(
        self, db: Database, send: Send
    ) -> None:
        study = generate_uid()
        clock = FixedClock(START)
        with use_clock(clock):
            await send([ct_bytes(study_uid=study)])
            clock.advance(6)
            await service.complete_quiet_studies(db)
            (own,) = await send([ct_bytes(study_uid=study)], "healthvision")
            clock.advance(60)
            assert await service.complete_quiet_studies(db) == 0
        assert own.outcome == "stored"
        assert len(await completions(db)) == 1

    async def test_duplicates_do_not_reopen(self, db: Database, send: Send) -> None:
        data, clock = ct_bytes(), FixedClock(START)
        with use_clock(clock):
            await send([data])
            clock.advance(6)
            await service.complete_quiet_studies(db)
            await send([data])
            clock.advance(60)
            assert await service.complete_quiet_studies(db) == 0


class TestCloseStudy:
    async def test_the_sender_ends_the_wait(
        self, db: Database, send: Send, client: httpx.AsyncClient
    ) -> None:
        (answer,) = await send([ct_bytes()])
        for _ in range(2):
            closed = await client.post(f"/v1/studies/{answer.study_id}/close", json={})
            assert closed.json()["spaces"][0]["state"] == "complete"
        assert [e["reason"] for e in await completions(db)] == ["closed"]


class TestPurgeDeleted:
    async def test_bytes_go_after_the_time_and_the_study_may_come_again(
        self, db: Database, actor: Actor, send: Send, space: SpaceRead
    ) -> None:
        data, clock = ct_bytes(), FixedClock(START)
        with use_clock(clock):
            (first,) = await send([data])
            assert first.study_id is not None
            await service.seal_study(db, actor.org_id, first.study_id)
            async with db.transaction() as session:
                await service.delete_study(session, actor, first.study_id)
            (again,) = await send([data])
            assert (again.outcome, again.study_id == first.study_id) == ("stored", False)
            assert await service.purge_deleted(db) == 0
            clock.advance(8 * 24 * 3600)
            assert await service.purge_deleted(db) == 1
            packs = [o.key async for o in storage.list_objects(db, f"series/{actor.org_id}")]
            assert len(packs) == 1  # there may be readers
            clock.advance(ArchiveSettings().retired_grace_s + 1)
            assert await service.delete_retired(db) == 1
        left = [o.key async for o in storage.list_objects(db, f"series/{actor.org_id}")]
        assert left == []
        async with db.reading() as session:
            (ref,) = await service.locate(session, actor, "default", again.study_uid)
        assert await service.read_bytes(db, ref) == data
