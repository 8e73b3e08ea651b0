# SPDX-License-Identifier: Apache-2.0
"""Objects acknowledged before their rows: few, soon written, found by who sent them, never lost."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future

import pydicom
import pytest
from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom import AE
from sqlalchemy import select

from healthvision.domains.archive import service
from healthvision.domains.archive.receiving import bulk_writer, debts
from healthvision.domains.archive.receiving.ingest import receiver_of
from healthvision.domains.archive.schemas import Received
from healthvision.domains.archive.tables import Instance, Quarantined, StudySpaceRow
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.schemas import SpaceCreate
from healthvision.formats.dicom import dimse
from healthvision.interfaces.dimse.settings import DimseSettings
from healthvision.interfaces.dimse.unwritten import LATE
from healthvision.kernel.db import Database, DatabaseUnavailable
from healthvision.kernel.security import Actor
from tests.interfaces.dimse.conftest import CALLED, CALLING
from tests.support.small_ct import small_ct
from tests.support.stores import CT, Modality, modality, nobody_writes

WINDOW = 3
SECONDS = 120


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> DimseSettings:
    """Few objects may be unwritten; a test may say otherwise."""
    given = getattr(request, "param", {"unwritten_objects": WINDOW})
    return DimseSettings(port=0, **given)


def named(objects: Sequence[bytes]) -> list[tuple[str, bytes]]:
    """Return objects with their UIDs."""
    return [(str(read_head(data).SOPInstanceUID), data) for data in objects]


def read_head(data: bytes) -> Dataset:
    """Return the header of an object."""
    return pydicom.dcmread(pydicom.filebase.DicomBytesIO(data), stop_before_pixels=True)


async def rows(db: Database) -> set[str]:
    """Return the UIDs of the objects that have a row."""
    async with db.reading() as session:
        return set(await session.scalars(select(Instance.sop_uid)))


def send_all(sender: Modality, objects: Sequence[tuple[str, bytes]]) -> list[int]:
    """Send objects one after the other and return the statuses."""
    return [sender.send(uid, data) for uid, data in objects]


async def first_stored(port: int) -> None:
    """Store one object, so that keys, patient and study are there."""
    async with modality(port, CALLED, CALLING) as sender:
        statuses = await asyncio.to_thread(send_all, sender, named(small_ct(slices=1)))
        await asyncio.to_thread(sender.association.release)
    assert statuses == [dimse.SUCCESS]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, rows that cannot be written meanwhile are not owed yet."""
    monkeypatch.setattr(bulk_writer, "PATIENCE_S", 120.0)


@pytest.mark.usefixtures("patient")
class TestWindow:
    async def test_answers_do_not_wait_for_rows_until_there_are_too_many(
        self, port: int, db: Database, database_url: str
    ) -> None:
        await first_stored(port)
        objects = named(small_ct("two", slices=WINDOW + 1))
        async with modality(port, CALLED, CALLING) as sender:
            with nobody_writes(database_url):
                few = await asyncio.to_thread(send_all, sender, objects[:WINDOW])
                assert few == [dimse.SUCCESS] * WINDOW
                one_more = asyncio.create_task(asyncio.to_thread(sender.send, *objects[WINDOW]))
                await asyncio.sleep(0.3)  # it cannot be answered, however long one waits
                assert not one_more.done()
                assert len(await rows(db)) == 1
            assert await asyncio.wait_for(one_more, SECONDS) == dimse.SUCCESS
            await asyncio.to_thread(sender.association.release)
            assert len(await rows(db)) == 1 + WINDOW + 1

    @pytest.mark.usefixtures("lingering")
    @pytest.mark.parametrize("settings", [{"unwritten_objects": 0}], indirect=True)
    async def test_a_window_of_none_answers_behind_the_rows(self, port: int, db: Database) -> None:
        async with modality(port, CALLED, CALLING) as sender:
            for uid, data in named(small_ct(slices=2)):
                assert await asyncio.to_thread(sender.send, uid, data) == dimse.SUCCESS
                assert uid in await rows(db)

    @pytest.mark.usefixtures("lingering")
    @pytest.mark.parametrize("settings", [{"unwritten_bytes": 10}], indirect=True)
    async def test_a_large_object_waits_for_those_before_it(self, port: int, db: Database) -> None:
        async with modality(port, CALLED, CALLING) as sender:
            sent: list[str] = []
            for uid, data in named(small_ct(slices=3)):
                assert await asyncio.to_thread(sender.send, uid, data) == dimse.SUCCESS
                assert set(sent) <= await rows(db)
                sent.append(uid)


@pytest.fixture
def lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are written only for somebody who waits for them."""
    monkeypatch.setattr(bulk_writer, "LINGER_S", 3600.0)


@pytest.mark.usefixtures("lingering")
class TestSettle:
    async def test_before_a_release_is_answered(self, port: int, db: Database) -> None:
        objects = named(small_ct(slices=2))
        async with modality(port, CALLED, CALLING) as sender:
            await asyncio.to_thread(send_all, sender, objects)
            await asyncio.to_thread(sender.association.release)
            assert await rows(db) == {uid for uid, _ in objects}

    @pytest.mark.parametrize("how", ["abort", "close"])
    async def test_when_the_peer_is_gone(self, port: int, db: Database, how: str) -> None:
        objects = named(small_ct(slices=2))
        async with modality(port, CALLED, CALLING) as sender:
            await asyncio.to_thread(send_all, sender, objects)
            if how == "abort":
                await asyncio.to_thread(sender.association.abort)
        async with asyncio.timeout(SECONDS):
            while len(await rows(db)) < len(objects):
                await asyncio.sleep(0.05)

    async def test_before_any_other_service(self, port: int, db: Database) -> None:
        objects = named(small_ct(slices=2))
        async with modality(port, CALLED, CALLING) as sender:
            await asyncio.to_thread(send_all, sender, objects)
            assert await asyncio.to_thread(sender.echo) == dimse.SUCCESS
            assert await rows(db) == {uid for uid, _ in objects}

    async def test_a_peer_finds_and_gets_what_it_sent(self, port: int) -> None:
        objects = small_ct(slices=2)
        assert await asyncio.to_thread(_find, port, objects) == len(objects)


def _find(port: int, objects: Sequence[bytes]) -> int:
    """Send objects and count them by C-FIND over the same association."""
    ae = AE(CALLING)
    ae.add_requested_context(UID(CT))
    ae.add_requested_context(UID(dimse.STUDY_ROOT_FIND))
    association = ae.associate("127.0.0.1", port, ae_title=CALLED)
    assert association.is_established
    for data in objects:
        assert association.send_c_store(pydicom.dcmread(pydicom.filebase.DicomBytesIO(data)))
    head, asked = read_head(objects[0]), Dataset()
    asked.QueryRetrieveLevel = "IMAGE"
    asked.StudyInstanceUID = head.StudyInstanceUID
    asked.SeriesInstanceUID = head.SeriesInstanceUID
    asked.SOPInstanceUID = ""
    found = list(association.send_c_find(asked, UID(dimse.STUDY_ROOT_FIND)))
    association.release()
    return sum(1 for _, identifier in found if identifier is not None)


class TestJudged:
    async def test_what_is_out_of_sight_is_refused_before_it_is_acknowledged(
        self, port: int, db: Database, actor: Actor
    ) -> None:
        await first_stored(port)
        await _moved_out_of_sight(db, actor)
        (_, more) = named(small_ct(slices=2))
        async with modality(port, CALLED, CALLING) as sender:
            status = await asyncio.to_thread(sender.send, *more)
        assert status == dimse.CANNOT_UNDERSTAND
        async with db.reading() as session:
            assert len((await session.scalars(select(Quarantined))).all()) == 1

    @pytest.mark.usefixtures("lingering")
    async def test_what_goes_out_of_sight_before_its_rows_is_quarantined_and_counted(
        self, port: int, db: Database, actor: Actor
    ) -> None:
        await first_stored(port)
        (_, more) = named(small_ct(slices=2))
        before = LATE.labels("quarantined")._value.get()
        async with modality(port, CALLED, CALLING) as sender:
            assert await asyncio.to_thread(sender.send, *more) == dimse.SUCCESS
            await _moved_out_of_sight(db, actor)
            await asyncio.to_thread(sender.association.release)
        async with db.reading() as session:
            (held,) = (await session.scalars(select(Quarantined))).all()
        assert held.reason == "study-in-other-space"
        assert LATE.labels("quarantined")._value.get() == before + 1
        opened = await service.open_quarantined(db, actor, held.id)
        kept = b"".join([piece async for piece in opened])
        assert kept.endswith(more[1][-1000:])


async def _moved_out_of_sight(db: Database, actor: Actor) -> None:
    """Put all studies into a space where the AE may not write."""
    async with db.transaction() as session:
        closed = await spaces.create(session, actor, SpaceCreate(slug="closed", restricted=True))
        for row in await session.scalars(select(StudySpaceRow)):
            row.space_id = closed.id


class TestDebts:
    async def test_rows_that_could_not_be_written_are_written_without_a_restart(
        self, port: int, db: Database, actor: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await first_stored(port)
        monkeypatch.setattr(debts, "FIRST_S", 0.05)
        monkeypatch.setattr(debts, "LONGEST_S", 0.2)
        away = threading.Event()
        away.set()
        plain = bulk_writer.BulkWriter._patiently

        def patiently(writer: bulk_writer.BulkWriter, batch: list[bulk_writer.Work]) -> object:
            if away.is_set():
                raise DatabaseUnavailable("the database does not answer now")
            return plain(writer, batch)

        monkeypatch.setattr(bulk_writer.BulkWriter, "_patiently", patiently)
        first, second, third = named(small_ct("two", slices=3))
        async with modality(port, CALLED, CALLING) as sender:
            assert await asyncio.to_thread(sender.send, *first) == dimse.SUCCESS
            assert await asyncio.to_thread(sender.echo) == dimse.SUCCESS  # its rows are owed now
            assert receiver_of(db).debts.owed()
            refused = await asyncio.to_thread(sender.send, *second)
            assert refused == dimse.OUT_OF_RESOURCES
            away.clear()
            async with asyncio.timeout(SECONDS):
                while receiver_of(db).debts.owed():
                    await asyncio.sleep(0.02)
            assert first[0] in await rows(db)
            assert second[0] not in await rows(db)
            assert await asyncio.to_thread(sender.send, *third) == dimse.SUCCESS
            await asyncio.to_thread(sender.association.release)
        assert third[0] in await rows(db)
        async with db.reading() as session:
            study = read_head(first[1]).StudyInstanceUID
            refs = await service.locate(session, actor, "default", study)
        kept = {ref.sop_uid: await service.read_bytes(db, ref) for ref in refs}
        assert kept[first[0]].endswith(first[1][-1000:])


class TestPromised:
    async def test_a_known_object_is_answered_behind_its_rows(
        self, port: int, db: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await first_stored(port)
        monkeypatch.setattr(bulk_writer, "LINGER_S", 3600.0)
        ((uid, data),) = named(small_ct(slices=1))
        answers: list[Future[Received]] = []
        monkeypatch.setattr(
            "healthvision.interfaces.dimse.unwritten.Unwritten.add",
            lambda _, answer, size: answers.append(answer),
        )
        async with modality(port, CALLED, CALLING) as sender:
            assert await asyncio.to_thread(sender.send, uid, data) == dimse.SUCCESS
        assert answers == []
