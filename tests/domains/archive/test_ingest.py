# SPDX-License-Identifier: Apache-2.0
"""The way in from threads, the journal under it, and what happens when a disk is full."""

import asyncio
import errno
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from pydicom.uid import generate_uid
from sqlalchemy import delete, select

from healthvision.domains.archive import service
from healthvision.domains.archive.errors import FileTooLarge
from healthvision.domains.archive.receiving import (
    bulk_writer,
    durable,
    heads,
    ingest,
    recording,
)
from healthvision.domains.archive.receiving.ingest import Receiver, receiver_of
from healthvision.domains.archive.receiving.scanning import Scanned
from healthvision.domains.archive.recovering import recovery
from healthvision.domains.archive.schemas import Incoming, Origin, Received
from healthvision.domains.archive.tables import (
    Instance,
    Quarantined,
    ReceiverRow,
    Series,
    Study,
    StudySpaceRow,
)
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.schemas import SpaceChange, SpaceCreate, SpaceRead
from healthvision.domains.storage import service as storage
from healthvision.domains.storage.errors import StoreUnavailable
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.kernel.crypto import Damaged
from healthvision.kernel.db import Database, DatabaseUnavailable
from healthvision.kernel.errors import Busy, OutOfSpace
from healthvision.kernel.journal import Hold, records
from healthvision.kernel.security import Actor
from tests.domains.archive.conftest import Send
from tests.factories.dicom import ct_bytes, ct_series

ORIGIN = Origin("dimse", "AE1")


async def submit(
    db: Database, actor: Actor, space: SpaceRead, objects: Sequence[bytes]
) -> list[Received]:
    """Submit objects from a thread, one after the other, as an association does."""
    receiver = receiver_of(db)

    def send() -> list[Received]:
        return [
            receiver.submit(actor, space, ORIGIN, Incoming(data, name=str(i))).result(60)
            for i, data in enumerate(objects)
        ]

    return await asyncio.to_thread(send)


async def read_all(db: Database) -> dict[str, bytes]:
    """Return the bytes of all shown instances by SOP UID."""
    found: dict[str, bytes] = {}
    async with db.reading() as session:
        studies = (await session.scalars(select(Study))).all()
    for study in studies:
        actor = Actor.system(study.org_id)
        async with db.reading() as session:
            refs = await service.locate(session, actor, "default", study.study_uid)
        for ref in refs:
            found[ref.sop_uid] = await service.read_bytes(db, ref)
    return found


class TestSubmit:
    async def test_threads_store_objects_that_are_found_and_read(
        self, db: Database, actor: Actor, space: SpaceRead
    ) -> None:
        series = ct_series(5)
        answers = await submit(db, actor, space, series)
        assert [a.outcome for a in answers] == ["stored"] * 5
        assert sorted((await read_all(db)).values()) == sorted(series)

    async def test_bad_objects_are_quarantined_and_known_ones_not_written_again(
        self, db: Database, actor: Actor, space: SpaceRead
    ) -> None:
        data = ct_bytes()
        answers = await submit(db, actor, space, [data, b"no dicom at all", data])
        assert [a.outcome for a in answers] == ["stored", "quarantined", "duplicate"]
        assert answers[1].quarantine_id is not None
        folder = receiver_of(db).journal.folder
        size = sum(path.stat().st_size for path in folder.glob("*.log"))
        await submit(db, actor, space, [data])
        assert sum(path.stat().st_size for path in folder.glob("*.log")) == size

    async def test_many_associations_write_one_study(
        self, db: Database, actor: Actor, space: SpaceRead
    ) -> None:
        series = ct_series(24)
        groups = [series[n::4] for n in range(4)]
        answers = await asyncio.gather(*(submit(db, actor, space, g) for g in groups))
        assert {a.outcome for group in answers for a in group} == {"stored"}
        async with db.reading() as session:
            (study,) = (await session.scalars(select(Study))).all()
            (row,) = (await session.scalars(select(Series))).all()
        assert (study.instance_count, study.series_count) == (24, 1)
        assert (row.instance_count, row.unsealed) == (24, 24)

    async def test_an_object_over_the_memory_limit_is_streamed(
        self, db: Database, actor: Actor, space: SpaceRead, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_ARCHIVE_MEMORY_BYTES", "100000")
        data, small = ct_bytes(size=300), ct_bytes()
        with service.spool(db) as file:
            file.write(data)
            file.flush()
            (answer,) = await receiver_of(db).receive(actor, space, ORIGIN, [Incoming(file)])
        await submit(db, actor, space, [small])
        assert (await read_all(db))[answer.sop_uid] == data
        names = sorted(p.name for p in receiver_of(db).journal.folder.glob("*.log"))
        assert names == ["00000001.log", "00000002.log"]


class TestDiskFull:
    async def test_the_sender_is_told_and_the_next_object_is_stored(
        self, db: Database, actor: Actor, space: SpaceRead, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = ct_bytes(), ct_bytes()

        def full(handle: int, parts: list[bytes], at: int) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        await submit(db, actor, space, [ct_bytes()])
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwritev", full)
            with pytest.raises(OutOfSpace):
                await submit(db, actor, space, [first])
        answers = await submit(db, actor, space, [second, first])
        assert [a.outcome for a in answers] == ["stored", "stored"]
        assert len(await read_all(db)) == 3


class TestDatabaseAway:
    async def test_the_object_stays_in_the_journal_and_is_written_later(
        self, db: Database, actor: Actor, space: SpaceRead, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = ct_bytes()

        def away(*_: object) -> None:
            raise DatabaseUnavailable("the database does not answer")

        with monkeypatch.context() as patch:
            patch.setattr(bulk_writer, "write_requests", away)
            patch.setattr(bulk_writer, "PATIENCE_S", 0.0)
            with pytest.raises(DatabaseUnavailable):
                await submit(db, actor, space, [data])
        assert await read_all(db) == {}
        assert await service.recover(db) == 1
        assert list((await read_all(db)).values()) == [data]
        assert await service.recover(db) == 0


class TestRaces:
    async def test_one_spoilt_request_does_not_spoil_the_others(
        self, db: Database, actor: Actor, space: SpaceRead, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, bad_study = recording.write_requests, generate_uid()
        started, gate = threading.Event(), threading.Event()

        def spoilt(one: Any, resources: Any, requests: Sequence[Any], *rest: Any) -> Any:
            started.set()
            gate.wait(30)
            uids = {i.header.study_uid for r in requests for i in r.items}
            if bad_study in uids:
                raise RuntimeError("a bug")
            return real(one, resources, requests, *rest)

        monkeypatch.setattr(bulk_writer, "write_requests", spoilt)
        receiver = receiver_of(db)
        objects = [ct_bytes(), ct_bytes(), ct_bytes(study_uid=bad_study), ct_bytes()]

        def send() -> "list[Future[Received]]":
            return [receiver.submit(actor, space, ORIGIN, Incoming(o)) for o in objects]

        futures = await asyncio.to_thread(send)
        gate.set()
        results = await asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
        assert [isinstance(r, Received) for r in results] == [True, True, False, True]


async def forsake(db: Database, actor: Actor, space: SpaceRead, objects: Sequence[bytes]) -> str:
    """Leave a journal as a process does that dies between its sync and its rows."""
    dying = Receiver(db, asyncio.get_running_loop())
    sealer = await storage.blob_sealer(db, actor.org_id)
    sender = durable.Sender(actor, space, ORIGIN, sealer)
    await asyncio.to_thread(dying._stage, sender, [Incoming(o) for o in objects])
    folder = dying.journal.folder
    dying.journal.close()
    dying.database.close()
    return folder.name


class TestRecover:
    async def test_what_a_dead_process_promised_is_written_once(
        self, db: Database, actor: Actor, space: SpaceRead
    ) -> None:
        series = ct_series(4)
        folder = storage.spool_folder(db) / await forsake(db, actor, space, series)
        with (folder / "00000001.log").open("ab") as file:
            file.write(b"HVJ\x01 a record that was not written in full")
        assert await service.recover(db) == 4
        assert sorted((await read_all(db)).values()) == sorted(series)
        async with db.reading() as session:
            rows = (await session.scalars(select(Instance))).all()
            (row,) = (await session.scalars(select(ReceiverRow))).all()
        assert {r.origin_detail for r in rows} == {"AE1"}
        assert {r.object_key for r in rows} == {f"{folder.name}/00000001.log"}
        assert (row.segment, row.closed_at is None) == (2, False)
        assert await service.recover(db) == 0

    async def test_a_request_that_was_not_written_in_full_was_never_there(
        self, db: Database, actor: Actor, space: SpaceRead
    ) -> None:
        whole = ct_bytes()
        name = await forsake(db, actor, space, [whole])
        folder = storage.spool_folder(db) / await forsake(db, actor, space, ct_series(3))
        os.truncate(folder / "00000001.log", (folder / "00000001.log").stat().st_size - 1)
        assert await service.recover(db) == 1
        assert list((await read_all(db)).values()) == [whole]
        assert name != folder.name

    async def test_an_object_deleted_since_does_not_come_back(
        self, db: Database, actor: Actor, space: SpaceRead
    ) -> None:
        await forsake(db, actor, space, [ct_bytes()])
        await service.recover(db)
        async with db.transaction() as session:
            (study,) = (await session.scalars(select(Study))).all()
            await service.delete_study(session, actor, study.id)
            await session.execute(delete(ReceiverRow))  # as if the checkpoint was lost
        assert await service.recover(db) == 0
        async with db.reading() as session:
            assert len((await session.scalars(select(Instance))).all()) == 1

    async def test_what_the_sender_may_not_add_goes_to_quarantine(
        self, db: Database, actor: Actor, space: SpaceRead, send: Send
    ) -> None:
        study = generate_uid()
        await send([ct_bytes(study_uid=study)])
        async with db.transaction() as session:
            closed = await spaces.create(session, actor, SpaceCreate(slug="c", restricted=True))
            (member,) = (await session.scalars(select(StudySpaceRow))).all()
            member.space_id = closed.id
        outsider = replace(actor, permissions=frozenset({"studies:write"}))
        await forsake(db, outsider, space, [ct_bytes(study_uid=study)])
        assert await service.recover(db) == 1
        async with db.reading() as session:
            (held,) = (await session.scalars(select(Quarantined))).all()
        assert held.reason == "study-in-other-space"

    async def test_a_damaged_record_is_quarantined_and_the_others_are_written(
        self, db: Database, actor: Actor, space: SpaceRead
    ) -> None:
        series = ct_series(3)
        folder = storage.spool_folder(db) / await forsake(db, actor, space, series)
        segment = folder / "00000001.log"
        place = list(records(segment))[1].place
        with segment.open("r+b") as file:
            file.seek(place.offset + place.length // 2)
            file.write(b"\0flip")
        lying = segment.read_bytes()[place.offset : place.offset + place.length]
        assert await service.recover(db) == 3
        assert sorted((await read_all(db)).values()) == sorted([series[0], series[2]])
        async with db.reading() as session:
            (held,) = (await session.scalars(select(Quarantined))).all()
        assert (held.reason, held.space_id, held.size) == ("damaged", space.id, len(lying))
        await service.recover(db)
        async with db.reading() as session:
            assert len((await session.scalars(select(Quarantined))).all()) == 1

    async def test_a_record_that_cannot_be_read_any_more_is_quarantined(
        self, db: Database, actor: Actor, space: SpaceRead, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await forsake(db, actor, space, [ct_bytes()])
        refusal = DicomRefused("vr", "A rule of today.")
        found = partial(Scanned, sha256="", header=None, refusal=refusal)
        monkeypatch.setattr(recovery, "scan", found)
        await service.recover(db)
        assert await read_all(db) == {}
        async with db.reading() as session:
            (held,) = (await session.scalars(select(Quarantined))).all()
        assert (held.reason, held.state) == ("vr", "held")

    async def test_a_segment_with_a_head_nobody_can_open_stays(
        self, db: Database, actor: Actor, space: SpaceRead, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = await forsake(db, actor, space, [ct_bytes()])
        spool = storage.spool_folder(db)
        before = (spool / name / "00000001.log").read_bytes()

        async def damaged(*_: object) -> None:
            raise Damaged("the seal is broken")

        monkeypatch.setattr(heads, "read_head", damaged)
        assert await service.recover(db) == 0
        (kept,) = (spool / recovery.SET_ASIDE).iterdir()
        assert kept.name == f"{name}-00000001.log"
        assert kept.read_bytes() == before

    async def test_what_a_bug_stops_goes_to_quarantine_and_the_rest_is_written(
        self, db: Database, actor: Actor, space: SpaceRead, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, good, bad = recording.write_requests, ct_bytes(), generate_uid()
        await forsake(db, actor, space, [ct_bytes(study_uid=bad)])
        await forsake(db, actor, space, [good])

        def spoilt(one: Any, resources: Any, requests: Sequence[Any], *rest: Any) -> Any:
            if bad in {i.header.study_uid for r in requests for i in r.items}:
                raise RuntimeError("a bug")
            return real(one, resources, requests, *rest)

        monkeypatch.setattr(bulk_writer, "write_requests", spoilt)
        assert await service.recover(db) == 2
        assert list((await read_all(db)).values()) == [good]
        async with db.reading() as session:
            (held,) = (await session.scalars(select(Quarantined))).all()
        assert held.reason == "not-written"

    async def test_an_empty_folder_of_a_dead_process_is_removed(
        self, db: Database, actor: Actor, space: SpaceRead
    ) -> None:
        name = await forsake(db, actor, space, [ct_bytes()])
        folder = storage.spool_folder(db) / name
        await service.recover(db)
        (folder / "00000001.log").unlink()  # as after sealing
        await service.recover(db)
        assert not folder.exists()
        async with db.reading() as session:
            assert (await session.scalars(select(ReceiverRow))).all() == []


class TestOwed:
    async def test_what_cannot_go_to_quarantine_now_goes_there_later(
        self,
        db: Database,
        actor: Actor,
        space: SpaceRead,
        send: Send,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        study, receiver = generate_uid(), receiver_of(db)
        await send([ct_bytes(study_uid=study)])
        async with db.transaction() as session:
            closed = await spaces.create(session, actor, SpaceCreate(slug="c", restricted=True))
            (member,) = (await session.scalars(select(StudySpaceRow))).all()
            member.space_id = closed.id

        async def away(*_: object, **__: object) -> None:
            raise StoreUnavailable("the store does not answer", retry_after=1)

        outsider = replace(actor, permissions=frozenset({"studies:write"}))
        with monkeypatch.context() as patch:
            patch.setattr(ingest, "hold_back", away)
            with pytest.raises(StoreUnavailable):
                await submit(db, outsider, space, [ct_bytes(study_uid=study)])
        assert len(receiver.debts.owed()) == 1
        receiver.debts.refuse()  # the database is there: the next ones may be promised
        assert await service.recover(db) == 1
        assert not receiver.debts.owed()
        async with db.reading() as session:
            (held,) = (await session.scalars(select(Quarantined))).all()
        assert held.reason == "study-in-other-space"

    async def test_one_that_cannot_be_written_keeps_no_other_from_it(
        self, db: Database, actor: Actor, space: SpaceRead, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        receiver, plain, series = receiver_of(db), recovery._replay, ct_series(3)

        def none(_writer: object, _batch: object) -> None:
            raise DatabaseUnavailable("the database does not answer now")

        with monkeypatch.context() as patch:
            patch.setattr(bulk_writer.BulkWriter, "_patiently", none)
            for one in series:
                with pytest.raises(DatabaseUnavailable):
                    await submit(db, actor, space, [one])
        first = min(receiver.debts.owed())
        with pytest.raises(Busy):
            receiver.debts.refuse()

        async def but_the_first(db: Database, receiver: Receiver, owed: Sequence[Any]) -> None:
            if owed[0].record.place.position == first:
                raise StoreUnavailable("the store does not answer", retry_after=1)
            await plain(db, receiver, owed)

        with monkeypatch.context() as patch:
            patch.setattr(recovery, "_replay", but_the_first)
            with pytest.raises(StoreUnavailable):
                await service.recover(db)
        assert receiver.debts.owed() == {first}
        receiver.debts.refuse()
        assert len(await read_all(db)) == 2
        assert await service.recover(db) == 1
        assert not receiver.debts.owed()
        assert sorted((await read_all(db)).values()) == sorted(series)


class TestRows:
    async def test_a_second_value_of_a_patient_is_noted_once(
        self, db: Database, actor: Actor, space: SpaceRead, send: Send
    ) -> None:
        await send([ct_bytes(PatientID="P9", PatientName="One")])
        await send([ct_bytes(PatientID="P9", PatientName="Two")])
        async with db.reading() as session:
            names = [s.patient_name for s in await session.scalars(select(Study))]
            held = (await session.scalars(select(Quarantined))).all()
            rows = (await session.scalars(select(Instance))).all()
        assert sorted(names) == ["One", "Two"]
        assert (len(held), len(rows)) == (0, 2)


class TestMemory:
    async def test_what_others_wrote_between_two_objects_is_seen(
        self, db: Database, actor: Actor, space: SpaceRead, send: Send
    ) -> None:
        first, second, third, fourth = ct_series(4)
        await send([first])
        await send([second])
        async with db.transaction() as session:
            (study,) = (await session.scalars(select(Study))).all()
            await service.delete_study(session, actor, study.id)
        await send([third])
        async with db.transaction() as session:
            change = SpaceChange(quiet_s=77)
            await spaces.change(session, actor, space.id, change)
        await send([fourth])
        async with db.reading() as session:
            studies = (await session.scalars(select(Study).order_by(Study.id))).all()
            query = select(StudySpaceRow).where(StudySpaceRow.study_id == studies[1].id)
            (member,) = (await session.scalars(query)).all()
        assert [s.deleted_at is None for s in studies] == [False, True]
        assert [s.instance_count for s in studies] == [2, 2]
        assert member.due_at is not None
        assert (member.due_at - member.last_instance_at).total_seconds() == 77

    async def test_a_transaction_that_failed_leaves_nothing_behind(
        self,
        db: Database,
        actor: Actor,
        space: SpaceRead,
        send: Send,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        first, second, third = ct_series(3)
        await send([first])
        with monkeypatch.context() as patch:
            patch.setattr(bulk_writer, "save_checkpoint", _fail)
            with pytest.raises(RuntimeError):
                await send([second])
        await send([third])
        async with db.reading() as session:
            (study,) = (await session.scalars(select(Study))).all()
            (series,) = (await session.scalars(select(Series))).all()
        assert (study.instance_count, series.instance_count, series.unsealed) == (2, 2, 2)
        assert await service.recover(db) == 1
        assert len(await read_all(db)) == 3


def _fail(*_: object) -> None:
    raise RuntimeError("a bug")


class TestCheckSize:
    async def test_an_object_over_the_limit_is_refused_before_it_is_read(
        self, db: Database, actor: Actor, space: SpaceRead, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_ARCHIVE_MAX_IMAGE_BYTES", "1000")
        with pytest.raises(FileTooLarge):
            await submit(db, actor, space, [ct_bytes()])
        assert not list(storage.spool_folder(db).glob("*/*.log"))


class TestJournalFolder:
    async def test_a_folder_taken_by_another_is_left_to_it(
        self, db: Database, actor: Actor, space: SpaceRead
    ) -> None:
        receiver = receiver_of(db)
        folder = storage.spool_folder(db) / str(receiver.id)
        folder.mkdir(parents=True)
        hold = Hold(folder)
        (answer,) = await submit(db, actor, space, [ct_bytes()])
        hold.release()
        assert answer.outcome == "stored"
        assert receiver.journal.folder != folder
