# SPDX-License-Identifier: Apache-2.0
"""Unsealed instances become one object per series; nothing is lost, whatever comes between."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydicom.uid import generate_uid
from sqlalchemy import select

from healthvision.domains.archive import service
from healthvision.domains.archive.events import DamageFound, StudyComplete
from healthvision.domains.archive.packing import seal_rows, sealing
from healthvision.domains.archive.records import pack_rows
from healthvision.domains.archive.tables import Instance, Pack, Series
from healthvision.domains.storage import service as storage
from healthvision.domains.storage.errors import StoreUnavailable
from healthvision.domains.storage.vault import Vault
from healthvision.kernel.clock import FixedClock, use_clock
from healthvision.kernel.db import Database
from healthvision.kernel.errors import OutOfSpace
from healthvision.kernel.events import EventRow
from healthvision.kernel.security import Actor
from tests.domains.archive.conftest import Send
from tests.domains.archive.journals import unsealed
from tests.factories.dicom import ct_bytes, ct_series

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def packs_of(db: Database) -> list[Pack]:
    async with db.reading() as session:
        return list(await session.scalars(select(Pack).order_by(Pack.generation)))


async def events(db: Database, topic: str) -> list[dict[str, object]]:
    async with db.reading() as session:
        rows = await session.scalars(select(EventRow).where(EventRow.topic == topic))
        return [dict(r.body) for r in rows]


async def contents(db: Database, actor: Actor, study_uid: str) -> list[bytes]:
    async with db.reading() as session:
        refs = await service.locate(session, actor, "default", study_uid)
    return [await service.read_bytes(db, ref) for ref in refs]


class TestSealQuietSeries:
    async def test_a_quiet_series_becomes_one_object_with_the_same_bytes_and_json(
        self, db: Database, actor: Actor, send: Send
    ) -> None:
        objects, clock = list(ct_series(5)), FixedClock(START)
        with use_clock(clock):
            answers = await send(objects)
            await unsealed(db)
            study_uid = answers[0].study_uid
            before = await contents(db, actor, study_uid)
            async with db.reading() as session:
                said = await service.metadata(session, actor, "default", study_uid)
            assert await service.seal_quiet_series(db) == 0
            clock.advance(5.1)
            assert await service.seal_quiet_series(db) == 5
            assert await service.seal_quiet_series(db) == 0
        (pack,) = await packs_of(db)
        assert (pack.generation, pack.instance_count, pack.state) == (1, 5, "live")
        assert await contents(db, actor, study_uid) == before
        assert sorted(before) == sorted(objects)
        async with db.reading() as session:
            after = await service.metadata(session, actor, "default", study_uid)
            series = (await session.scalars(select(Series))).one()
            rows = (await session.scalars(select(Instance))).all()
        assert [json for _, json in after] == [json for _, json in said]
        assert [ref.bulk for ref, _ in after] == [ref.bulk for ref, _ in said]
        assert (series.unsealed, series.claimed_by) == (0, "")
        assert {r.object_key for r in rows} == {pack.object_key}

    async def test_a_late_instance_makes_a_further_generation(
        self, db: Database, actor: Actor, send: Send
    ) -> None:
        first, second = list(ct_series(2))
        clock = FixedClock(START)
        with use_clock(clock):
            for data in (first, second):
                (answer,) = await send([data])
                await unsealed(db)
                clock.advance(6)
                assert await service.seal_quiet_series(db) == 1
        assert [(p.generation, p.instance_count) for p in await packs_of(db)] == [(1, 1), (2, 1)]
        assert sorted(await contents(db, actor, answer.study_uid)) == sorted([first, second])

    async def test_own_results_are_sealed_as_well(self, db: Database, send: Send) -> None:
        clock = FixedClock(START)
        with use_clock(clock):
            await send([ct_bytes()], "healthvision")
            await unsealed(db)
            clock.advance(6)
            assert await service.seal_quiet_series(db) == 1

    async def test_a_series_larger_than_an_object_may_be_gets_several(
        self, db: Database, actor: Actor, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        objects = list(ct_series(3))
        monkeypatch.setenv("HV_ARCHIVE_PACK_BYTES", str(len(objects[0]) * 2))
        clock = FixedClock(START)
        with use_clock(clock):
            answers = await send(objects)
            await unsealed(db)
            clock.advance(6)
            assert await service.seal_quiet_series(db) == 3
        assert [p.instance_count for p in await packs_of(db)] == [2, 1]
        assert sorted(await contents(db, actor, answers[0].study_uid)) == sorted(objects)

    async def test_without_encryption_too(self, db: Database, actor: Actor, send: Send) -> None:
        db.resources.get(Vault).encrypt = False
        objects, clock = list(ct_series(3)), FixedClock(START)
        with use_clock(clock):
            answers = await send(objects)
            await unsealed(db)
            clock.advance(6)
            assert await service.seal_quiet_series(db) == 3
        assert sorted(await contents(db, actor, answers[0].study_uid)) == sorted(objects)
        (pack,) = await packs_of(db)
        assert pack.key_id is None

    async def test_a_full_disk_leaves_all_as_it_was_and_is_tried_again(
        self, db: Database, actor: Actor, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        objects, clock = list(ct_series(2)), FixedClock(START)

        async def full(*_: object, **__: object) -> int:
            raise OutOfSpace("the disk of the object store is full")

        with use_clock(clock):
            answers = await send(objects)
            await unsealed(db)
            clock.advance(6)
            with monkeypatch.context() as patch:
                patch.setattr(storage, "put_sealed", full)
                assert await service.seal_quiet_series(db) == 0
            assert sorted(await contents(db, actor, answers[0].study_uid)) == sorted(objects)
            assert await service.seal_quiet_series(db) == 0
            clock.advance(sealing.PAUSE_S + 1)
            assert await service.seal_quiet_series(db) == 2

    async def test_of_series_sealed_together_one_that_fails_does_not_hold_up_the_others(
        self, db: Database, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock, put, tried = FixedClock(START), storage.put_sealed, []

        async def full_at_first(*arguments: Any) -> int:
            tried.append(arguments)
            if len(tried) == 1:
                raise OutOfSpace("the disk of the object store is full")
            return await put(*arguments)

        with use_clock(clock):
            await send([data for _ in range(3) for data in ct_series(2)])
            await unsealed(db)
            clock.advance(6)
            monkeypatch.setattr(storage, "put_sealed", full_at_first)
            assert await service.seal_quiet_series(db) == 4
            assert await service.seal_quiet_series(db) == 0
            clock.advance(sealing.PAUSE_S + 1)
            assert await service.seal_quiet_series(db) == 2
        assert [p.instance_count for p in await packs_of(db)] == [2, 2, 2]

    async def test_a_lost_claim_changes_nothing_and_leaves_no_object(
        self, db: Database, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = FixedClock(START)

        async def stolen(*arguments: object, **_: object) -> list[object]:
            async with db.transaction() as session:
                series = (await session.scalars(select(Series))).one()
                series.claim_fence += 1
            return []

        with use_clock(clock):
            await send([ct_bytes()])
            await unsealed(db)
            clock.advance(6)
            monkeypatch.setattr(sealing, "prove", stolen)
            assert await service.seal_quiet_series(db) == 0
        assert await packs_of(db) == []
        assert [o async for o in storage.list_objects(db, "series/")] == []

    async def test_a_claim_of_a_dead_process_is_taken_over(self, db: Database, send: Send) -> None:
        clock = FixedClock(START)
        with use_clock(clock):
            await send([ct_bytes()])
            await unsealed(db)
            clock.advance(6)
            (found,) = await self.waiting(db, clock)
            async with db.transaction() as session:
                host = sealing.holder().rpartition(":")[0]
                await seal_rows.claim_many(
                    session, found.org_id, [found.series_id], f"{host}:999999999", 60, ()
                )
            assert await service.seal_quiet_series(db) == 1

    async def test_a_claim_of_a_living_process_is_respected(self, db: Database, send: Send) -> None:
        clock = FixedClock(START)
        with use_clock(clock):
            await send([ct_bytes()])
            await unsealed(db)
            clock.advance(6)
            (found,) = await self.waiting(db, clock)
            assert await sealing.take(db, found) is not None
            assert await service.seal_quiet_series(db) == 0
            clock.advance(sealing.LEASE_S + 1)
            assert await service.seal_quiet_series(db) == 1

    async def waiting(self, db: Database, clock: FixedClock) -> list[pack_rows.Waiting]:
        async with db.reading() as session:
            return await pack_rows.unsealed(session, clock.now(), clock.now(), 10)

    async def test_damaged_journal_bytes_are_told_and_the_others_sealed(
        self, db: Database, actor: Actor, send: Send
    ) -> None:
        objects, clock = list(ct_series(3)), FixedClock(START)
        with use_clock(clock):
            answers = await send(objects)
            await unsealed(db)
            async with db.reading() as session:
                row = (await session.scalars(select(Instance).order_by(Instance.id))).first()
            assert row is not None
            path = db.resources.get(Vault).spool / row.object_key
            data = bytearray(path.read_bytes())
            data[row.offset + row.length] ^= 1
            path.write_bytes(data)
            clock.advance(6)
            assert await service.seal_quiet_series(db) == 3
        async with db.reading() as session:
            rows = (await session.scalars(select(Instance))).all()
            refs = await service.locate(session, actor, "default", answers[0].study_uid)
        assert [r.id for r in rows if r.damaged_at] == [row.id]
        good = [await service.read_bytes(db, ref) for ref in refs if ref.id != row.id]
        assert len(good) == 2 and set(good) < set(objects)
        assert [e["instances"] for e in await events(db, DamageFound.topic)] == [1]

    async def test_a_lost_segment_does_not_hold_up_the_study(
        self, db: Database, send: Send
    ) -> None:
        clock = FixedClock(START)
        with use_clock(clock):
            await send([ct_bytes()])
            await unsealed(db)
            for path in db.resources.get(Vault).spool.glob("*/*.log"):
                path.unlink()
            clock.advance(6)
            assert await service.complete_quiet_studies(db) == 1
        assert [e["instances"] for e in await events(db, DamageFound.topic)] == [1]


class TestCompleteQuietStudies:
    async def test_only_sealed_studies_are_complete(
        self, db: Database, actor: Actor, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        study, clock = generate_uid(), FixedClock(START)

        async def away(*_: object, **__: object) -> int:
            raise StoreUnavailable("away")

        with use_clock(clock):
            await send([ct_bytes(study_uid=study)])
            await unsealed(db)
            clock.advance(6)
            with monkeypatch.context() as patch:
                patch.setattr(storage, "put_sealed", away)
                assert await service.complete_quiet_studies(db) == 0
            clock.advance(20)
            assert await service.complete_quiet_studies(db) == 1
        assert [p.instance_count for p in await packs_of(db)] == [1]
        assert len(await events(db, StudyComplete.topic)) == 1


class TestCloseStudy:
    async def test_a_small_unsealed_study_is_sealed_and_complete_with_the_answer(
        self, db: Database, send: Send, client: httpx.AsyncClient
    ) -> None:
        (answer,) = await send([ct_bytes()])
        await unsealed(db)
        for _ in range(2):
            closed = await client.post(f"/v1/studies/{answer.study_id}/close", json={})
            assert closed.json()["spaces"][0]["state"] == "complete"
        assert [e["reason"] for e in await events(db, StudyComplete.topic)] == ["closed"]
        assert len(await packs_of(db)) == 1

    async def test_a_large_one_is_finished_by_the_job(
        self,
        db: Database,
        send: Send,
        client: httpx.AsyncClient,
        monkeypatch: pytest.MonkeyPatch,
        queue: object,
    ) -> None:
        monkeypatch.setenv("HV_ARCHIVE_SEAL_INLINE_BYTES", "10")
        (answer,) = await send([ct_bytes()])
        await unsealed(db)
        closed = await client.post(f"/v1/studies/{answer.study_id}/close", json={})
        assert closed.json()["spaces"][0]["state"] == "receiving"
        await queue.drain(db)  # type: ignore[attr-defined]
        study = await client.get(f"/v1/studies/{answer.study_id}")
        assert study.json()["spaces"][0]["state"] == "complete"
        assert [e["reason"] for e in await events(db, StudyComplete.topic)] == ["closed"]


class TestThumbnail:
    async def test_is_a_small_jpeg_of_the_series(
        self, db: Database, actor: Actor, send: Send
    ) -> None:
        clock = FixedClock(START)
        with use_clock(clock):
            answers = await send(list(ct_series(3)))
            await unsealed(db)
            place = (answers[0].study_uid, answers[0].series_uid)
            assert await service.thumbnail(db, actor, "default", *place) is None
            clock.advance(6)
            await service.seal_quiet_series(db)
        picture = await service.thumbnail(db, actor, "default", *place)
        assert picture is not None and picture[:3] == b"\xff\xd8\xff"
