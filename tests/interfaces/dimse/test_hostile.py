# SPDX-License-Identifier: Apache-2.0
"""Strangers, crowds, liars and slow peers (D9-D12 of the threat list)."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from healthvision.domains.spaces import aes
from healthvision.domains.spaces.schemas import RemoteAeChange
from healthvision.formats.dicom import dimse, scu, ul
from healthvision.formats.dicom.association import Association, Timers
from healthvision.formats.dicom.file_head import data_set_start
from healthvision.formats.dicom.part10 import EXPLICIT_LE
from healthvision.formats.dicom.scu import Rejected, Sent
from healthvision.formats.dicom.ul import Proposed, Rejection
from healthvision.interfaces.dimse.settings import DimseSettings
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from healthvision.kernel.wire import Wire, WireClosed, connect
from tests.interfaces.dimse.conftest import CALLED, CALLING, Dcmtk
from tests.interfaces.dimse.test_storing import stored_count
from tests.support.small_ct import small_ct

CT = "1.2.840.10008.5.1.4.1.1.2"
CONTEXTS = [Proposed(1, dimse.VERIFICATION, (EXPLICIT_LE,)), Proposed(3, CT, (EXPLICIT_LE,))]
TIMERS = Timers(unit_s=20, idle_s=20)


WIRES: list[Wire] = []


@pytest.fixture(autouse=True)
def closed_wires() -> Iterator[None]:
    """Close what the test left open."""
    yield
    while WIRES:
        WIRES.pop().close()


def wired(port: int) -> Wire:
    WIRES.append(connect("127.0.0.1", port, seconds=20))
    return WIRES[-1]


def opened(port: int, calling: str = CALLING, called: str = CALLED) -> Association:
    return scu.associate(wired(port), calling, called, CONTEXTS, TIMERS)


def ended(wire: Wire) -> bytes:
    """Return what still comes until the connection ends."""
    got = b""
    buffer = bytearray(4096)
    while True:
        try:
            count = wire.read_some(memoryview(buffer))
        except WireClosed:
            return got
        got += buffer[:count]


class TestAdmission:
    @pytest.mark.parametrize(
        ("called", "calling", "answer"),
        [("NOBODY", CALLING, ul.CALLED_UNKNOWN), (CALLED, "STRANGER", ul.CALLING_UNKNOWN)],
    )
    async def test_unknown_titles_are_rejected(
        self, port: int, called: str, calling: str, answer: Rejection
    ) -> None:
        with pytest.raises(Rejected) as found:
            await asyncio.to_thread(opened, port, calling, called)
        assert found.value.rejection == answer

    async def test_a_title_from_another_address_is_rejected(
        self, port: int, db: Database, actor: Actor
    ) -> None:
        async with db.transaction() as session:
            change = RemoteAeChange(calls_from=["10.0.0.0/8"])
            await aes.change_remote(session, actor, CALLING, change)
        with pytest.raises(Rejected) as found:
            await asyncio.to_thread(opened, port)
        assert found.value.rejection == ul.CALLING_UNKNOWN

    async def test_what_is_not_allowed_is_not_negotiated(
        self, port: int, db: Database, actor: Actor
    ) -> None:
        async with db.transaction() as session:
            change = RemoteAeChange(operations=["find"])
            await aes.change_remote(session, actor, CALLING, change)
        association = await asyncio.to_thread(opened, port)
        assert association.context_for(dimse.VERIFICATION) is not None
        assert association.context_for(CT) is None
        await asyncio.to_thread(association.release)


class TestCrowd:
    async def test_idle_connections_do_not_stop_a_sender(
        self, port: int, dcmtk: Dcmtk, ct_files: list[Path]
    ) -> None:
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
        try:
            ran = await dcmtk("storescu", "-v", files=ct_files)
        finally:
            for sock in idle:
                sock.close()
        assert ran.code == 0, ran.text


class TestQuota:
    @pytest.fixture
    def settings(self) -> DimseSettings:
        return DimseSettings(port=0, max_per_host=2, max_waiting=3)

    async def test_more_associations_are_rejected_for_now(self, port: int) -> None:
        def run() -> Rejection:
            held = [opened(port) for _ in range(2)]
            try:
                opened(port)
            except Rejected as rejected:
                return rejected.rejection
            finally:
                for association in held:
                    association.release()
            raise AssertionError("a third association was taken")

        assert await asyncio.to_thread(run) == ul.LOCAL_LIMIT

    async def test_the_oldest_idle_connection_makes_room(self, port: int) -> None:
        def run() -> None:
            idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(10)]
            opened(port).release()
            for sock in idle:
                sock.close()

        await asyncio.to_thread(run)


class TestTimers:
    @pytest.fixture
    def settings(self) -> DimseSettings:
        return DimseSettings(port=0, request_s=1, unit_s=1, idle_s=1)

    async def test_silence_ends_the_connection(self, port: int) -> None:
        def run() -> bytes:
            return ended(wired(port))

        assert (await asyncio.to_thread(run))[:1] in (b"", b"\x07")

    async def test_silence_within_an_object_leaves_nothing(
        self, port: int, db: Database, actor: Actor
    ) -> None:
        def run() -> bytes:
            association = opened(port)
            association.wire.write([half_an_object(association)])
            return ended(association.wire)

        assert (await asyncio.to_thread(run))[:1] == b"\x07"
        assert await stored_count(db, actor) == 0


def half_an_object(association: Association) -> bytes:
    context = association.context_for(CT)
    assert context is not None
    command = dimse.encode(store_command("1.2.3"))
    number = context.number
    out = struct.pack(">BxIIBB", 4, len(command) + 6, len(command) + 2, number, 3) + command
    return out + struct.pack(">BxIIBB", 4, 1006, 1002, number, 0) + bytes(500)


def store_command(sop_uid: str, sop_class: str = CT) -> dimse.Command:
    return dimse.Command(
        dimse.C_STORE_RQ,
        1,
        affected_class=sop_class,
        affected_instance=sop_uid,
        priority=0,
        dataset_type=1,
    )


class TestLies:
    @pytest.mark.parametrize(
        "data",
        [
            b"GET / HTTP/1.1\r\n\r\n" + bytes(100),
            b"\x01\x00\xff\xff\xff\xff" + bytes(100),
            b"\x04\x00\x00\x00\x00\x0c" + bytes(12),
            b"\x01\x00\x00\x00\x00\x50" + b"\0\1" + bytes(66) + b"\x10\0\xff\xff" + bytes(8),
            b"\x01\x00\x00\x00\x00\x04" + bytes(4),
        ],
        ids=["http", "four-gigabytes", "data-first", "item-too-long", "too-short"],
    )
    async def test_garbage_ends_the_connection(self, port: int, dcmtk: Dcmtk, data: bytes) -> None:
        def run() -> bytes:
            wire = wired(port)
            wire.write([data])
            return ended(wire)

        assert (await asyncio.to_thread(run))[:1] in (b"\x07", b"")
        assert (await dcmtk("echoscu")).code == 0

    @pytest.mark.parametrize(
        "unit",
        [
            struct.pack(">BxIIBB", 4, 1 << 30, 100, 3, 3),
            struct.pack(">BxIIBB", 4, 6, 100, 3, 3),
            struct.pack(">BxIIBB", 4, 6, 1, 3, 3),
            struct.pack(">BxIIBB", 4, 8, 4, 99, 3) + b"\0\0",
            struct.pack(">BxIIBB", 4, 8, 4, 3, 2) + b"\0\0",
            b"\x02\0\0\0\0\x04" + bytes(4),
        ],
        ids=["huge", "value-too-long", "value-too-short", "context", "no-command", "accept"],
    )
    async def test_bad_units_abort(self, port: int, unit: bytes) -> None:
        def run() -> bytes:
            association = opened(port)
            association.wire.write([unit])
            return ended(association.wire)

        assert (await asyncio.to_thread(run))[:1] == b"\x07"

    async def test_an_abort_within_an_object_leaves_nothing(
        self, port: int, db: Database, actor: Actor
    ) -> None:
        def run() -> None:
            association = opened(port)
            association.wire.write([half_an_object(association)])
            association.wire.close()

        await asyncio.to_thread(run)
        assert await stored_count(db, actor) == 0


class TestObjects:
    @pytest.mark.parametrize(
        ("named", "status"), [("1.2.3.4", 0xA900), ("", 0x0117), ("not a uid", 0x0117)]
    )
    async def test_another_name_is_told(
        self, port: int, db: Database, actor: Actor, named: str, status: int
    ) -> None:
        assert await stored(port, named, small_ct()[0]) == status
        assert await stored_count(db, actor) == 0

    async def test_garbage_is_not_understood(self, port: int, db: Database, actor: Actor) -> None:
        assert await stored(port, "1.2.3", b"\0" * 132 + bytes(range(256)) * 8) == 0xC000
        assert await stored_count(db, actor) == 0

    async def test_another_class_than_the_contexts_is_told(self, port: int) -> None:
        uid = pydicom.dcmread(BytesIO(small_ct()[0])).SOPInstanceUID
        status = await stored(port, uid, small_ct()[0], "1.2.840.10008.5.1.4.1.1.4")
        assert status == 0x0122

    async def test_the_association_goes_on_after_a_refusal(
        self, port: int, db: Database, actor: Actor
    ) -> None:
        data = small_ct()[0]
        uid = pydicom.dcmread(BytesIO(data)).SOPInstanceUID

        def run() -> list[int]:
            association = opened(port)
            found = [send(association, name, data) for name in ("1.2.3", uid)]
            association.release()
            return found

        assert await asyncio.to_thread(run) == [0xA900, 0x0000]
        assert await stored_count(db, actor) == 1


async def stored(port: int, name: str, file: bytes, sop_class: str = CT) -> int:
    def run() -> int:
        association = opened(port)
        status = send(association, name, file, sop_class)
        association.release()
        return status

    return await asyncio.to_thread(run)


def send(association: Association, name: str, file: bytes, sop_class: str = CT) -> int:
    context = association.context_for(CT)
    assert context is not None
    body = file[data_set_start(file) or 132 :]
    return scu.store(association, context, Sent(sop_class, name, len(body)), [body])
