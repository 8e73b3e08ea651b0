# SPDX-License-Identifier: Apache-2.0
"""Storage commitment as SCP and as SCU, with pynetdicom on the other side."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep
from typing import Any
from uuid import UUID

import pydicom
import pytest
from pydicom import Dataset
from pydicom.uid import UID, generate_uid
from pynetdicom import AE, evt
from pynetdicom.presentation import build_role
from sqlalchemy import select

from healthvision.domains.integration import committing
from healthvision.domains.integration.ports import Way
from healthvision.domains.integration.tables import Commitment, Destination, Push, PushedObject
from healthvision.domains.spaces import aes
from healthvision.domains.spaces.schemas import RemoteAeChange, RemoteAeCreate
from healthvision.formats.dicom import dimse
from healthvision.formats.dicom.commitments import CommitmentRequest
from healthvision.interfaces.dimse import committing as door
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from healthvision.plugins.destinations.dicom import COURIER, DicomConfig
from tests.interfaces.dimse.conftest import CALLED, CALLING, Dcmtk
from tests.interfaces.dimse.test_worklist import modules as modules
from tests.support.queue import InPlaceQueue

MODEL, INSTANCE = UID(dimse.COMMITMENT), UID(dimse.COMMITMENT_INSTANCE)


@dataclass
class Heard:
    """Reports that came to a modality."""

    reports: list[tuple[int, Dataset]] = field(default_factory=list)

    def take(self, event: Any) -> tuple[int, None]:
        self.reports.append((event.event_type, event.event_information))
        return 0x0000, None


def _request(objects: Sequence[tuple[str, str]]) -> Dataset:
    ds = Dataset()
    ds.TransactionUID = generate_uid()
    ds.ReferencedSOPSequence = []
    for sop_class, instance in objects:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
        ds.ReferencedSOPSequence.append(item)
    return ds


def _ask(port: int, request: Dataset, heard: Heard, seconds: float) -> int:
    """Ask for commitment and stay on the association for a while."""
    ae = AE(CALLING)
    ae.add_requested_context(MODEL)
    handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, heard.take)]
    association = ae.associate("127.0.0.1", port, ae_title=CALLED, evt_handlers=handlers)
    assert association.is_established
    status, _ = association.send_n_action(request, 1, MODEL, INSTANCE)
    waited = 0.0
    while not heard.reports and waited < seconds:
        sleep(0.05)
        waited += 0.05
    association.release()
    found: int = status.Status
    return found


@pytest.fixture
async def stored(dcmtk: Dcmtk, ct_files: list[Path]) -> list[tuple[str, str]]:
    """Six stored objects: class and instance."""
    assert (await dcmtk("storescu", files=ct_files)).code == 0
    read = [pydicom.dcmread(p) for p in ct_files]
    return [(str(d.SOPClassUID), str(d.SOPInstanceUID)) for d in read]


@contextmanager
def modality(port: int, heard: Heard) -> Iterator[None]:
    """A modality that waits for reports on its own port."""
    ae = AE(CALLING)
    ae.add_supported_context(MODEL, scu_role=True, scp_role=True)
    handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, heard.take)]
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        yield
    finally:
        server.shutdown()


class TestAsProvider:
    async def test_a_peer_that_waits_gets_the_report_on_its_association(
        self,
        port: int,
        db: Database,
        stored: list[tuple[str, str]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(door, "PATIENCE_S", 0.1)
        heard, request = Heard(), _request(stored)
        assert await asyncio.to_thread(_ask, port, request, heard, 20.0) == 0x0000
        ((kind, report),) = heard.reports
        assert (kind, report.TransactionUID) == (1, request.TransactionUID)
        assert len(report.ReferencedSOPSequence) == 6
        assert "FailedSOPSequence" not in report
        async with db.reading() as session:
            (row,) = (await session.scalars(select(Commitment))).all()
        assert row.state == "told"

    async def test_others_are_called_back_and_hear_what_is_missing(
        self,
        port: int,
        db: Database,
        actor: Actor,
        queue: InPlaceQueue,
        stored: list[tuple[str, str]],
        listening_port: int,
    ) -> None:
        unknown = (stored[0][0], "1.2.3.4.5")
        wrong = ("1.2.840.10008.5.1.4.1.1.4", stored[1][1])
        heard, request = Heard(), _request([stored[0], wrong, unknown])
        assert await asyncio.to_thread(_ask, port, request, heard, 0.0) == 0x0000
        async with db.transaction() as session:
            await aes.change_remote(session, actor, CALLING, RemoteAeChange(port=listening_port))
        with modality(listening_port, heard):
            await queue.drain(db)
        ((kind, report),) = heard.reports
        assert kind == 2
        assert [i.ReferencedSOPInstanceUID for i in report.ReferencedSOPSequence] == [stored[0][1]]
        assert {i.ReferencedSOPInstanceUID: i.FailureReason for i in report.FailedSOPSequence} == {
            stored[1][1]: 0x0119,
            "1.2.3.4.5": 0x0112,
        }

    async def test_who_cannot_be_reached_is_tried_until_it_is_given_up(
        self,
        port: int,
        db: Database,
        actor: Actor,
        queue: InPlaceQueue,
        stored: list[tuple[str, str]],
        listening_port: int,
    ) -> None:
        assert await asyncio.to_thread(_ask, port, _request(stored[:1]), Heard(), 0.0) == 0x0000
        async with db.transaction() as session:
            await aes.change_remote(session, actor, CALLING, RemoteAeChange(port=listening_port))
        await queue.drain(db)
        async with db.reading() as session:
            (row,) = (await session.scalars(select(Commitment))).all()
        assert (row.state, row.attempts) == ("dead", 9)

    async def test_bad_requests_are_refused(self, port: int) -> None:
        assert await asyncio.to_thread(_ask, port, _request([]), Heard(), 0.0) == 0x0106


@dataclass(frozen=True)
class Sent:
    """A push that asked for commitment, and what it asked."""

    push_id: UUID
    request: CommitmentRequest


@pytest.fixture
async def sent(db: Database, titles: None, actor: Actor) -> Sent:
    """Two objects sent to the AE 'PACS'."""
    async with db.transaction() as session:
        pacs = RemoteAeCreate(title="PACS", host="127.0.0.1", port=104, operations=["receive"])
        await aes.add_remote(session, actor, pacs)
        parent = Destination(
            id=new_id(),
            org_id=actor.org_id,
            name="PACS",
            kind="dicom",
            config={},
            sealed="",
            spaces=[],
            profile={},
            created_by="test",
            commit=True,
        )
        session.add(parent)
        await session.flush()
        push = Push(
            id=new_id(),
            org_id=actor.org_id,
            destination_id=parent.id,
            study_id=new_id(),
            cause="test",
            profile={},
            state="done",
            commitment="asked",
            sent=2,
            total=2,
        )
        session.add(push)
        await session.flush()
        for number in (1, 2):
            session.add(
                PushedObject(
                    org_id=actor.org_id,
                    push_id=push.id,
                    destination_id=parent.id,
                    instance_id=new_id(),
                    sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
                    sop_uid=f"1.2.3.{number}",
                    variant="stored",
                    sha256="00",
                    state="sent",
                )
            )
        await session.flush()
        request = await committing._request(session, push, (CALLED, "PACS"))
    return Sent(push.id, request)


def _report(port: int, request: CommitmentRequest, stored: int, calling: str = "PACS") -> int:
    """Report on a new association, as PACS do: the first objects are stored, others not."""
    ds = Dataset()
    ds.TransactionUID = request.transaction_uid
    ds.ReferencedSOPSequence, ds.FailedSOPSequence = [], []
    for number, (sop_class, instance) in enumerate(request.references):
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
        if number < stored:
            ds.ReferencedSOPSequence.append(item)
        else:
            item.FailureReason = 0x0112
            ds.FailedSOPSequence.append(item)
    ae = AE(calling)
    ae.add_requested_context(MODEL)
    role = build_role(MODEL, scp_role=True)
    association = ae.associate("127.0.0.1", port, ae_title=CALLED, ext_neg=[role])
    if not association.is_established:
        return -1
    kind = 1 if stored == len(request.references) else 2
    status, _ = association.send_n_event_report(ds, kind, MODEL, INSTANCE)
    association.release()
    found: int = status.Status
    return found


class TestAsUser:
    async def test_a_destination_confirms(self, port: int, db: Database, sent: Sent) -> None:
        assert await asyncio.to_thread(_report, port, sent.request, 2) == 0x0000
        async with db.reading() as session:
            push = (await session.scalars(select(Push))).one()
        assert (push.commitment, push.state) == ("confirmed", "done")

    async def test_what_it_has_not_can_be_sent_again(
        self, port: int, db: Database, sent: Sent
    ) -> None:
        assert await asyncio.to_thread(_report, port, sent.request, 1) == 0x0000
        async with db.reading() as session:
            push = (await session.scalars(select(Push))).one()
            lost = (
                await session.scalars(select(PushedObject).where(PushedObject.state == "missing"))
            ).all()
        assert (push.commitment, push.state, push.sent) == ("refused", "partly", 1)
        assert [o.sop_uid for o in lost] == ["1.2.3.2"]

    async def test_reports_of_others_count_nothing(
        self, port: int, db: Database, sent: Sent
    ) -> None:
        assert await asyncio.to_thread(_report, port, sent.request, 2, CALLING) in (0x0124, -1)
        other = CommitmentRequest("1.2.3.9", sent.request.references)
        assert await asyncio.to_thread(_report, port, other, 2) == 0x0113
        async with db.reading() as session:
            push = (await session.scalars(select(Push))).one()
        assert push.commitment == "asked"

    async def test_a_report_on_the_association_of_the_request_is_heard(
        self,
        port: int,
        db: Database,
        actor: Actor,
        stored: list[tuple[str, str]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(door, "PATIENCE_S", 0.1)
        async with db.transaction() as session:
            own = RemoteAeCreate(title=CALLED, host="127.0.0.1", port=port, operations=["receive"])
            await aes.add_remote(session, actor, own)
        config = DicomConfig(remote_ae=CALLED, calling=CALLING)
        request = CommitmentRequest("1.2.3.77", tuple(stored))
        report = await COURIER.ask(Way(db, actor), config, request)
        assert report is not None
        assert set(report.stored) == set(stored) and not report.failed
