# SPDX-License-Identifier: Apache-2.0
"""Sealing by a process of its own: nobody waits for the sealing of another study."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydicom.uid import generate_uid
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from healthvision.domains.archive import service
from healthvision.domains.archive.events import StudyComplete
from healthvision.domains.archive.keeping.upkeep import UPKEEP
from healthvision.domains.archive.lifecycle import completeness
from healthvision.domains.archive.packing import sealing
from healthvision.domains.archive.records import pack_rows
from healthvision.domains.archive.tables import Series
from healthvision.kernel.clock import FixedClock, use_clock
from healthvision.kernel.db import Database
from healthvision.kernel.events import EventRow
from healthvision.kernel.leases import acquire
from healthvision.kernel.security import Actor
from tests.domains.archive.conftest import Send
from tests.factories.dicom import ct_bytes

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def kept(db: Database) -> None:
    """Say that a process does the upkeep."""
    async with db.transaction() as session:
        await acquire(session, UPKEEP, "somebody", 3600)


async def told(db: Database) -> list[UUID]:
    async with db.reading() as session:
        query = select(EventRow.subject).where(EventRow.topic == StudyComplete.topic)
        return list(await session.scalars(query.order_by(EventRow.id)))


async def unsealed_studies(db: Database) -> set[UUID]:
    async with db.reading() as session:
        return set(await session.scalars(select(Series.study_id).where(Series.unsealed > 0)))


async def studies(send: Send, clock: FixedClock, count: int) -> list[UUID]:
    """Send studies one second after the other and return their ids."""
    found = []
    for _ in range(count):
        (answer,) = await send([ct_bytes(study_uid=generate_uid())])
        assert answer.study_id is not None
        found.append(answer.study_id)
        clock.advance(1)
    return found


class TestCompleteQuietStudies:
    async def test_a_sealed_study_does_not_wait_for_the_sealing_of_others(
        self, db: Database, actor: Actor, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = FixedClock(START)
        with use_clock(clock):
            sent = await studies(send, clock, 5)
            clock.advance(60)
            await service.seal_study(db, actor.org_id, sent[4])
            await kept(db)

            async def never(*_: object, **__: object) -> int:
                raise AssertionError("sealed in the way of completing")

            monkeypatch.setattr(sealing, "seal_studies", never)
            assert await service.complete_quiet_studies(db) == 1
            assert await service.complete_quiet_studies(db) == 0
        assert await told(db) == [sent[4]]

    async def test_without_a_process_for_it_the_newest_is_sealed_and_complete_first(
        self, db: Database, send: Send
    ) -> None:
        clock = FixedClock(START)
        with use_clock(clock):
            sent = await studies(send, clock, 4)
            clock.advance(60)
            assert await service.complete_quiet_studies(db) == 4
        assert await told(db) == sent[::-1]


class TestSealNewestDue:
    async def test_the_study_that_became_due_last_goes_first_after_its_turn(
        self, db: Database, send: Send
    ) -> None:
        clock = FixedClock(START)
        with use_clock(clock):
            sent = await studies(send, clock, 3)  # due at 5, 6 and 7 seconds
            clock.advance(4.7)
            assert await completeness.seal_newest_due(db, series=1)
            assert await unsealed_studies(db) == {sent[0], sent[2]}
            clock.advance(60)
            assert await completeness.seal_newest_due(db, series=1)
            assert await unsealed_studies(db) == {sent[0]}

    async def test_what_others_work_on_is_left_to_them(self, db: Database, send: Send) -> None:
        clock = FixedClock(START)
        with use_clock(clock):
            await studies(send, clock, 1)
            clock.advance(60)
            async with db.reading() as session:
                waiting = await pack_rows.unsealed(session, clock.now(), clock.now(), 10)
            assert await sealing.take(db, waiting[0]) is not None
            assert not await completeness.seal_newest_due(db)

    async def test_all_that_are_due_are_sealed(self, db: Database, send: Send) -> None:
        clock = FixedClock(START)
        with use_clock(clock):
            await studies(send, clock, 3)
            clock.advance(60)
            await completeness.seal_newest_dues(db)
            assert await unsealed_studies(db) == set()


class TestFinishStudy:
    async def test_a_closed_study_is_left_to_the_process_for_it_and_complete_when_sealed(
        self, db: Database, actor: Actor, send: Send
    ) -> None:
        (answer,) = await send([ct_bytes()])
        assert answer.study_id is not None
        await kept(db)
        async with db.transaction() as session:
            await service.close_study(session, actor, answer.study_id, "default")
        await service.finish_study(db, actor.org_id, answer.study_id)
        assert await unsealed_studies(db) == {answer.study_id}
        await service.seal_study(db, actor.org_id, answer.study_id)
        await service.finish_study(db, actor.org_id, answer.study_id)
        assert await told(db) == [answer.study_id]


class TestStop:
    async def test_a_stop_while_the_database_commits_takes_no_bytes_that_rows_name(
        self, db: Database, actor: Actor, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A cancelled commit is done all the same: the driver's thread does not know of it."""
        (answer,) = await send([ct_bytes()])
        assert answer.study_id is not None
        committing = asyncio.Event()
        swap, commit = sealing._swap, AsyncSession.commit
        swapping = False

        async def noted_swap(*wanted: Any) -> Any:
            nonlocal swapping
            swapping = True
            return await swap(*wanted)

        async def noted_commit(session: AsyncSession) -> None:
            if swapping:
                committing.set()
            await commit(session)

        with monkeypatch.context() as patch:
            patch.setattr(sealing, "_swap", noted_swap)
            patch.setattr(AsyncSession, "commit", noted_commit)
            sealed = asyncio.create_task(sealing.seal_study(db, actor.org_id, answer.study_id))
            await committing.wait()
            sealed.cancel()
            await asyncio.gather(sealed, return_exceptions=True)
        source = service.read_instances(db, actor, "default", answer.study_uid)
        bodies = [b"".join([p async for p in found.stream]) async for found in source]
        assert len(bodies) == 1 and all(bodies)
