# SPDX-License-Identifier: Apache-2.0
"""The way out: rights, audit, checks of what is stored."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from healthvision.domains.archive import service
from healthvision.domains.archive.errors import StorageDamaged, StudyNotFound
from healthvision.domains.archive.schemas import Incoming, Origin
from healthvision.domains.audit import service as audit
from healthvision.domains.audit.tables import AuditEvent
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.schemas import SpaceCreate, SpaceRead
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Forbidden
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings
from tests.domains.archive.conftest import Send
from tests.factories.dicom import ct_bytes, ct_series


def stored_files(core: CoreSettings) -> list[Path]:
    return [
        Path(folder) / name
        for root in ("objects", "spool")
        for folder, _, names in os.walk(core.data_dir / root)
        for name in names
        if name != "lock"
    ]


class TestReadInstances:
    async def test_the_access_is_recorded_before_the_first_byte(
        self, db: Database, actor: Actor, send: Send
    ) -> None:
        answers = await send(ct_series(2))
        source = service.read_instances(db, actor, "default", answers[0].study_uid)
        first = await anext(source)
        await audit.flush(db)
        async with db.reading() as session:
            rows = (await session.scalars(select(AuditEvent))).all()
        mine = [r for r in rows if r.action == "archive.pixels_read"]
        assert len(mine) == 1
        assert b"".join([p async for p in first.stream])
        assert [p.ref.instance_number async for p in source] == [2]

    async def test_strangers_and_the_rightless_get_nothing(
        self, db: Database, actor: Actor, stranger: Actor, send: Send, stranger_space: SpaceRead
    ) -> None:
        (answer,) = await send([ct_bytes()])
        with pytest.raises(StudyNotFound):
            await anext(service.read_instances(db, stranger, "default", answer.study_uid))
        nobody = replace(actor, permissions=frozenset())
        with pytest.raises(Forbidden):
            await anext(service.read_instances(db, nobody, "default", answer.study_uid))
        reader = replace(actor, permissions=frozenset({"studies:read"}))
        with pytest.raises(Forbidden):
            await service.receive(
                db, reader, [Incoming(b"x")], space_id="default", origin=Origin("folder")
            )


class TestOpenBytes:
    async def test_a_range_is_the_same_as_in_the_file(
        self, db: Database, actor: Actor, send: Send
    ) -> None:
        data = ct_bytes(size=300)
        (answer,) = await send([data])
        async with db.reading() as session:
            (ref,) = await service.locate(session, actor, "default", answer.study_uid)
        assert ref.pixel_offset is not None
        assert ref.pixel_length is not None
        got = await service.read_bytes(db, ref, ref.pixel_offset, ref.pixel_length)
        assert got == data[ref.pixel_offset : ref.pixel_offset + ref.pixel_length]
        assert await service.read_bytes(db, ref, len(data) - 3, 100) == data[-3:]
        assert await service.read_bytes(db, ref, 0, 0) == b""

    async def test_a_flipped_bit_gives_an_error_never_bad_bytes(
        self, db: Database, actor: Actor, core: CoreSettings, send: Send
    ) -> None:
        data = ct_bytes(size=300)
        (answer,) = await send([data])
        async with db.reading() as session:
            (ref,) = await service.locate(session, actor, "default", answer.study_uid)
        (path,) = stored_files(core)
        good = path.read_bytes()
        begin = ref.location.offset
        for at in (begin, begin + 50, begin + 100, begin + ref.size, begin + ref.size // 2):
            bad = bytearray(good)
            bad[at] ^= 1
            path.write_bytes(bytes(bad))
            with pytest.raises(StorageDamaged):
                await service.read_bytes(db, ref)
        path.write_bytes(good[: begin + ref.size])
        with pytest.raises(StorageDamaged):
            await service.read_bytes(db, ref)
        path.unlink()
        with pytest.raises(StorageDamaged):
            await service.read_bytes(db, ref)

    async def test_a_planted_name_and_pixel_run_are_in_no_stored_object(
        self, core: CoreSettings, send: Send
    ) -> None:
        name, run = "Geheimrat^Planted", np.arange(64, dtype="<i2").tobytes()
        planted = ct_bytes(PatientName=name, size=64)
        assert run in planted
        await send([planted, b"refused " + planted])
        files = stored_files(core)
        assert len(files) == 2
        for path in files:
            stored = path.read_bytes()
            assert name.encode() not in stored
            assert run not in stored
            assert "Geheimrat" not in str(path)


class TestJoiningAStudyOfAnotherSpace:
    async def test_a_sender_without_rights_there_is_held_back(
        self, db: Database, actor: Actor, send: Send
    ) -> None:
        async with db.transaction() as session:
            new = SpaceCreate(slug="closed", restricted=True)
            await spaces.create(session, actor, new)
        series = ct_series(2)
        items = [Incoming(series[0])]
        origin = Origin("dicomweb")
        await service.receive(db, actor, items, space_id="closed", origin=origin)
        writer = replace(actor, permissions=frozenset({"studies:read", "studies:write"}))
        (answer,) = await service.receive(
            db, writer, [Incoming(series[1])], space_id="default", origin=origin
        )
        assert (answer.outcome, answer.reason) == ("quarantined", "study-in-other-space")
