# SPDX-License-Identifier: Apache-2.0
"""The way in."""

from pydicom.uid import generate_uid

from healthvision.domains.archive import service
from healthvision.domains.archive.schemas import ArchiveQuery
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from tests.domains.archive.conftest import Send
from tests.factories.dicom import ct_bytes, ct_series


class TestReceive:
    async def test_what_was_sent_is_found_and_read_back_byte_for_byte(
        self, db: Database, actor: Actor, space: SpaceRead, send: Send
    ) -> None:
        objects = ct_series(3)
        answers = await send(objects)
        assert [a.outcome for a in answers] == ["stored"] * 3
        async with db.reading() as session:
            found = await service.find_studies(
                session, actor, "default", ArchiveQuery({"PatientName": "wang*"}, with_total=True)
            )
            refs = await service.locate(session, actor, "default", answers[0].study_uid)
        assert found.total == 1
        assert found.items[0].json["00201208"]["Value"] == [3]
        assert [await service.read_bytes(db, r) for r in refs] == objects

    async def test_the_same_bytes_again_are_a_duplicate(self, send: Send) -> None:
        data = ct_bytes()
        first, twice = await send([data, data])
        (third,) = await send([data])
        assert [first.outcome, twice.outcome, third.outcome] == ["stored", "duplicate", "duplicate"]
        assert first.instance_id == twice.instance_id == third.instance_id

    async def test_another_object_with_the_same_uid_is_kept_and_reported(
        self, db: Database, actor: Actor, send: Send
    ) -> None:
        uid, study = generate_uid(), generate_uid()
        one = ct_bytes(sop_uid=uid, study_uid=study, fill=1)
        other = ct_bytes(sop_uid=uid, study_uid=study, fill=2)
        (first,) = await send([one])
        (second,) = await send([other])
        assert (second.outcome, second.current) == ("conflict", False)
        (again,) = await send([other])
        assert (again.outcome, again.current) == ("duplicate", False)  # kept, and still not shown
        assert first.study_id is not None
        async with db.reading() as session:
            refs = await service.locate(session, actor, "default", study, sop_uid=uid)
            everything = await service.list_instances(session, actor, first.study_id)
        assert await service.read_bytes(db, refs[0]) == one
        assert [(i.current, i.conflict) for i in everything] == [(True, True), (False, True)]

    async def test_bytes_that_are_no_dicom_go_to_quarantine(self, send: Send) -> None:
        good, bad = await send([ct_bytes(), b"not DICOM at all"])
        assert good.outcome == "stored"
        assert (bad.outcome, bad.quarantine_id is not None) == ("quarantined", True)
        assert bad.reason
