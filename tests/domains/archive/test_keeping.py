# SPDX-License-Identifier: Apache-2.0
"""Sealed series over the years: checked, compacted, moved, exported, and made known again."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from sqlalchemy import delete, func, select

from healthvision.domains.archive import service
from healthvision.domains.archive.events import DamageFound
from healthvision.domains.archive.keeping import scrubbing
from healthvision.domains.archive.keeping.compaction import rewrite
from healthvision.domains.archive.packing import packs
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.domains.archive.tables import (
    Instance,
    Pack,
    ReceiverRow,
    Series,
    Study,
    StudySpaceRow,
)
from healthvision.domains.storage import service as storage
from healthvision.domains.storage.remote import memory_store
from healthvision.domains.storage.vault import Vault
from healthvision.kernel.clock import FixedClock, now, use_clock
from healthvision.kernel.db import Database
from healthvision.kernel.events import EventRow
from healthvision.kernel.leases import settle
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings
from tests.domains.archive.conftest import Send
from tests.factories.dicom import ct_series

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def sealed(db: Database, send: Send, objects: list[bytes], *, parts: int = 1) -> str:
    """Store a series, seal it in some generations; return its study UID."""
    step = -(-len(objects) // parts)
    for start in range(0, len(objects), step):
        answers = await send(objects[start : start + step])
        assert answers[0].study_id is not None
        async with db.reading() as session:
            org_id = (await session.scalars(select(Study.org_id))).one()
        assert await service.seal_study(db, org_id, answers[0].study_id) > 0
    return answers[0].study_uid


async def live(db: Database) -> list[Pack]:
    async with db.reading() as session:
        query = select(Pack).where(Pack.state == "live").order_by(Pack.generation)
        return list(await session.scalars(query))


async def contents(db: Database, actor: Actor, study_uid: str) -> list[bytes]:
    async with db.reading() as session:
        refs = await service.locate(session, actor, "default", study_uid)
    found = [b""] * len(refs)
    async for position, piece in service.open_many(db, refs):
        found[position] += piece
    return sorted(found)


async def documents(db: Database, actor: Actor, study_uid: str) -> list[dict[str, object]]:
    async with db.reading() as session:
        found = await service.metadata(session, actor, "default", study_uid)
    return [json for _, json in found]


async def told(db: Database) -> list[dict[str, object]]:
    async with db.reading() as session:
        rows = await session.scalars(
            select(EventRow).where(EventRow.topic == DamageFound.topic).order_by(EventRow.id)
        )
        return [dict(r.body) for r in rows]


def path_of(core: CoreSettings, pack: Pack) -> Path:
    return core.data_dir / "objects" / pack.object_key


class TestScrub:
    async def test_any_flipped_bit_anywhere_is_found(
        self, db: Database, core: CoreSettings, send: Send
    ) -> None:
        await sealed(db, send, list(ct_series(3)))
        (pack,) = await live(db)
        path = path_of(core, pack)
        good, chance = path.read_bytes(), random.Random(3)
        places = [chance.randrange(len(good)) for _ in range(60)]
        for offset in (pack.document_offset, pack.thumbnail_offset, pack.index_offset):
            places += [offset, offset + 90, offset + 100]
        places += [0, 7, *(len(good) - n for n in range(1, packs.TRAILER_BYTES, 20))]
        for at in places:
            bad = bytearray(good)
            bad[at] ^= 1 << chance.randrange(8)
            path.write_bytes(bad)
            checked = await scrubbing.inspect(db, pack)
            assert checked is not None and checked.damaged, at
        path.write_bytes(good)
        checked = await scrubbing.inspect(db, pack)
        assert checked is not None and checked.damaged == []

    @pytest.mark.parametrize("encrypt", [True, False])
    async def test_damage_is_told_once_and_counted(
        self,
        db: Database,
        core: CoreSettings,
        send: Send,
        client: httpx.AsyncClient,
        encrypt: bool,
    ) -> None:
        db.resources.get(Vault).encrypt = encrypt
        await sealed(db, send, list(ct_series(2)))
        (pack,) = await live(db)
        data = bytearray(path_of(core, pack).read_bytes())
        data[200] ^= 4
        path_of(core, pack).write_bytes(data)
        clock = FixedClock(now())
        with use_clock(clock):
            for _ in range(2):
                clock.advance(ArchiveSettings().scrub_after_s + 60)
                assert await service.scrub(db) == pack.size
                assert await service.scrub(db) == 0
        assert [(e["instances"], e["parts"]) for e in await told(db)] == [(1, 0)]
        answer = (await client.get("/v1/archive/integrity")).json()
        assert (answer["packs"], answer["damaged_packs"], answer["damaged_instances"]) == (1, 1, 1)

    async def test_a_damaged_index_or_document_is_made_again_from_the_instances(
        self, db: Database, actor: Actor, core: CoreSettings, send: Send
    ) -> None:
        objects = list(ct_series(2))
        study = await sealed(db, send, objects)
        before = await documents(db, actor, study)
        (pack,) = await live(db)
        data = bytearray(path_of(core, pack).read_bytes())
        for offset in (pack.document_offset, pack.index_offset):
            data[offset + 90] ^= 1
        path_of(core, pack).write_bytes(data)
        await scrubbing.scrub_pack(db, pack)
        (mended,) = await live(db)
        assert mended.generation == 2
        assert await contents(db, actor, study) == sorted(objects)
        assert await documents(db, actor, study) == before
        assert [(e["instances"], e["parts"]) for e in await told(db)] == [(0, 2)]

    async def test_a_lost_object_is_damage(
        self, db: Database, core: CoreSettings, send: Send
    ) -> None:
        await sealed(db, send, list(ct_series(2)))
        (pack,) = await live(db)
        path_of(core, pack).unlink()
        assert "object" in await scrubbing.scrub_pack(db, pack)
        assert [e["instances"] for e in await told(db)] == [2]


class TestCompact:
    async def test_many_generations_become_one_and_the_old_ones_go_after_the_grace(
        self, db: Database, actor: Actor, send: Send, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_ARCHIVE_COMPACT_GENERATIONS", "2")
        objects = list(ct_series(3))
        study = await sealed(db, send, objects, parts=3)
        before = await documents(db, actor, study)
        async with db.reading() as session:
            refs = await service.locate(session, actor, "default", study)
        assert await service.compact(db) == 1
        assert await service.compact(db) == 0
        (pack,) = await live(db)
        assert (pack.generation, pack.instance_count) == (4, 3)
        assert await contents(db, actor, study) == sorted(objects)
        assert await documents(db, actor, study) == before
        clock = FixedClock(now() + timedelta(seconds=ArchiveSettings().retired_grace_s + 1))
        with use_clock(clock):
            assert await service.delete_retired(db) == 3
        assert [o.key async for o in storage.list_objects(db, "series/")] == [pack.object_key]
        late = [await service.read_bytes(db, ref) for ref in refs]  # found before, moved since
        assert sorted(late) == sorted(objects)

    async def test_purged_instances_leave_the_pack(
        self, db: Database, actor: Actor, send: Send
    ) -> None:
        objects = list(ct_series(3))
        study = await sealed(db, send, objects)
        async with db.transaction() as session:
            gone = []
            for row in await session.scalars(select(Instance).limit(2)):
                row.deleted_at = now()
                gone.append(row.id)
        clock = FixedClock(now())
        with use_clock(clock):
            clock.advance(ArchiveSettings().purge_after_s + 1)
            await service.purge_deleted(db)
            assert await service.compact(db) == 1
        (pack,) = await live(db)
        assert (pack.instance_count, pack.garbage) == (1, 0)
        assert len(await contents(db, actor, study)) == 1
        async with db.reading() as session:
            assert [await session.get(Instance, i) for i in gone] == [None, None]


class TestMoveSeries:
    async def test_all_sealed_series_go_to_the_other_store(
        self, db: Database, actor: Actor, send: Send
    ) -> None:
        db.resources.get(Vault).stores["far"] = memory_store("far")
        objects = list(ct_series(2))
        study = await sealed(db, send, objects, parts=2)
        assert await service.move_series(db, "far") == 1
        assert await service.move_series(db, "far") == 0
        assert [p.store for p in await live(db)] == ["far"]
        assert await contents(db, actor, study) == sorted(objects)
        assert len(await documents(db, actor, study)) == 2


class TestRemoveSpentSegments:
    async def test_a_segment_goes_when_no_row_needs_it(
        self,
        db: Database,
        actor: Actor,
        core: CoreSettings,
        send: Send,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        study = await sealed(db, send, list(ct_series(2)))
        spool = core.data_dir / "spool"
        assert await service.remove_spent_segments(db) == 0  # it is still written to
        async with db.transaction() as session:
            rows = (await session.scalars(select(ReceiverRow))).all()
            for row in rows:
                row.segment += 1
        order: list[str] = []
        delete = storage.delete_key

        async def noted_settle(of: Database) -> None:
            await settle(of)
            order.append("settled")

        async def noted_delete(of: Database, key: str, *, store: str) -> None:
            order.append("deleted")
            await delete(of, key, store=store)

        monkeypatch.setattr("healthvision.domains.archive.keeping.sweeping.settle", noted_settle)
        monkeypatch.setattr(storage, "delete_key", noted_delete)
        assert await service.remove_spent_segments(db) == 1
        assert order == ["settled", "deleted"]  # a power cut may undo a swap that is not settled
        assert list(spool.glob("*/*.log")) == []
        assert len(await contents(db, actor, study)) == 2


class TestSweepOrphans:
    async def test_objects_without_a_row_go_and_the_others_stay(
        self, db: Database, actor: Actor, send: Send
    ) -> None:
        objects = list(ct_series(2))
        study = await sealed(db, send, objects)
        orphan = packs.pack_key(actor.org_id, UUID(int=7), 1)
        await storage.put_sealed(db, "main", orphan, [b"half a pack"])
        assert await service.sweep_orphans(db) == 0
        assert await service.sweep_orphans(db, grace=timedelta(seconds=-5)) == 1
        assert await contents(db, actor, study) == sorted(objects)


class TestVerify:
    async def test_finds_damage_and_missing_objects(
        self, db: Database, core: CoreSettings, send: Send
    ) -> None:
        await sealed(db, send, list(ct_series(2)))
        await send(list(ct_series(1)))
        for full in (False, True):
            result = service.Verified()
            steps = [n async for n in service.verify(db, result, full=full)]
            assert (result.packs, result.instances, result.wrong) == (1, 3, [])
            assert sum(steps) == 4
        (pack,) = await live(db)
        data = bytearray(path_of(core, pack).read_bytes())
        data[300] ^= 1
        path_of(core, pack).write_bytes(data)
        for full, wrong in ((False, 0), (True, 1)):
            result = service.Verified()
            assert [n async for n in service.verify(db, result, full=full)]
            assert len(result.wrong) == wrong


class TestExportPlain:
    async def test_writes_sealed_and_unsealed_instances_byte_for_byte(
        self, db: Database, actor: Actor, send: Send, tmp_path: Path
    ) -> None:
        first, second = list(ct_series(2)), list(ct_series(2))
        await sealed(db, send, first)
        await send(second)
        for kept in (0, 4):
            result = service.Exported()
            for org_id, study_id in await service.to_export(db, space="default"):
                await service.export_plain(db, tmp_path / "out", org_id, study_id, result)
            assert (result.files, result.kept, result.failed) == (4 - kept, kept, [])
        files = [p.read_bytes() for p in (tmp_path / "out").rglob("*.dcm")]
        assert sorted(files) == sorted(first + second)


async def forget_everything(db: Database) -> None:
    async with db.transaction() as session:
        for table in (Pack, Instance, Series, StudySpaceRow, Study):
            await session.execute(delete(table))


class TestRebuildIndex:
    async def test_makes_all_rows_again_and_twice_is_once(
        self, db: Database, actor: Actor, send: Send
    ) -> None:
        objects = list(ct_series(4))
        study = await sealed(db, send, objects, parts=2)
        before = await documents(db, actor, study)
        await forget_everything(db)
        for added in (4, 0):
            result = service.Rebuilt()
            found = await service.find_packs(db)
            assert len([p async for p in service.rebuild_index(db, found, result)]) == 2
            assert (result.packs, result.added, result.failed) == (2, added, [])
        assert await contents(db, actor, study) == sorted(objects)
        assert await documents(db, actor, study) == before
        async with db.reading() as session:
            row = (await session.scalars(select(Study))).one()
            series = (await session.scalars(select(Series))).one()
            places = (await session.scalars(select(StudySpaceRow))).all()
        assert (row.instance_count, row.series_count, series.unsealed) == (4, 1, 0)
        assert [p.state for p in places] == ["complete"]
        (late,) = await send([*ct_series(1)])
        assert late.outcome == "stored"
        assert await rewrite(db, actor.org_id, series.id)

    async def test_an_older_backup_is_brought_up_to_the_stores(
        self, db: Database, actor: Actor, send: Send
    ) -> None:
        objects = list(ct_series(2))
        study = await sealed(db, send, objects)
        (old,) = await live(db)
        async with db.reading() as session:
            rows = {r.id: (r.object_key, r.offset) for r in await session.scalars(select(Instance))}
        assert await rewrite(db, actor.org_id, old.series_id)
        await storage.delete_key(db, old.object_key)
        async with db.transaction() as session:  # as the backup knew it
            await session.execute(delete(Pack).where(Pack.id != old.id))
            for row in await session.scalars(select(Instance)):
                row.object_key, row.offset = rows[row.id]
        result = service.Rebuilt()
        packs_found = await service.find_packs(db)
        assert [p async for p in service.rebuild_index(db, packs_found, result)]
        assert (result.added, result.mended, result.failed) == (0, 2, [])
        assert await contents(db, actor, study) == sorted(objects)
        async with db.reading() as session:
            assert await session.scalar(select(func.count()).select_from(Pack)) == 2
