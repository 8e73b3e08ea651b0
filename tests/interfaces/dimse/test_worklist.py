# SPDX-License-Identifier: Apache-2.0
"""The modality worklist and performed steps, with findscu and pynetdicom as modalities."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom import AE

from healthvision.domains.archive import module as archive
from healthvision.domains.audit import module as audit
from healthvision.domains.integration import module as integration
from healthvision.domains.integration import worklist
from healthvision.domains.integration.schemas import WorklistEntryCreate, WorklistEntryRead
from healthvision.domains.patients import module as patients
from healthvision.domains.spaces import module as spaces
from healthvision.domains.storage import module as storage
from healthvision.formats.dicom import dimse
from healthvision.kernel.db import Database
from healthvision.kernel.module import Module
from healthvision.kernel.security import Actor
from tests.interfaces.dimse.conftest import CALLED, CALLING, STRANGE, Dcmtk

WORKLIST, STEP = UID(dimse.MODALITY_WORKLIST), UID(dimse.PERFORMED_STEP)


@pytest.fixture
def modules() -> Sequence[Module]:
    """The archive, the rooms it stands on, and the integration room."""
    rooms = (audit, storage, patients, spaces, archive, integration)
    return [room.MODULE for room in rooms]


@pytest.fixture
async def entries(db: Database, titles: None, actor: Actor) -> list[WorklistEntryRead]:
    """Three steps: CT for one station, MR for any, CT of another day."""
    wang: dict[str, Any] = {"patient_id": "P1", "patient_name": "Wang^Min=王^敏"}
    li: dict[str, Any] = {"patient_id": "P2", "patient_name": "Li^Wei=李^伟"}
    day = date(2026, 3, 4)
    new = [
        WorklistEntryCreate(
            **wang,
            modality="CT",
            station_ae="CT1",
            scheduled_date=day,
            scheduled_time="08:30",
            accession_number="A1",
            procedure_description="Chest CT",
            performing_physician="Zhao^Lei=赵^磊",
            step_id="STEP1",
        ),
        WorklistEntryCreate(**li, modality="MR", scheduled_date=day, scheduled_time="09:00"),
        WorklistEntryCreate(**li, modality="CT", scheduled_date=date(2026, 3, 5)),
    ]
    async with db.transaction() as session:
        return [await worklist.schedule(session, actor, one) for one in new]


@contextmanager
def modality(port: int, abstract: str, called: str = CALLED) -> Iterator[Any]:
    """An association of a modality."""
    ae = AE(CALLING)
    ae.add_requested_context(abstract)
    association = ae.associate("127.0.0.1", port, ae_title=called)
    assert association.is_established
    try:
        yield association
    finally:
        association.release()


def _query(charset: str = "ISO_IR 192", **keys: str) -> Dataset:
    """A worklist query; keys of the step begin with 'step_'."""
    ds, item = Dataset(), Dataset()
    ds.SpecificCharacterSet = charset
    for keyword in ("PatientName", "PatientID", "AccessionNumber", "StudyInstanceUID"):
        setattr(ds, keyword, keys.get(keyword, ""))
    for keyword in (
        "ScheduledStationAETitle",
        "ScheduledProcedureStepStartDate",
        "ScheduledProcedureStepStartTime",
        "Modality",
        "ScheduledPerformingPhysicianName",
        "ScheduledProcedureStepID",
    ):
        setattr(item, keyword, keys.get(keyword, ""))
    ds.ScheduledProcedureStepSequence = [item]
    return ds


def _found(port: int, query: Dataset, called: str = CALLED) -> list[Dataset]:
    with modality(port, WORKLIST, called) as association:
        answers = list(association.send_c_find(query, WORKLIST))
    assert answers[-1][0].Status == 0x0000
    return [identifier for _, identifier in answers[:-1]]


MATCHES: tuple[tuple[dict[str, str], set[str]], ...] = (
    ({}, {"P1", "P2"}),
    ({"Modality": "CT", "ScheduledProcedureStepStartDate": "20260304"}, {"P1"}),
    ({"ScheduledProcedureStepStartDate": "20260305-"}, {"P2"}),
    (
        {
            "ScheduledProcedureStepStartDate": "20260304",
            "ScheduledProcedureStepStartTime": "0845-0915",
        },
        {"P2"},
    ),
    ({"ScheduledStationAETitle": "CT1", "Modality": "CT"}, {"P1", "P2"}),
    ({"ScheduledStationAETitle": "CT9", "Modality": "CT"}, {"P2"}),
    ({"PatientName": "wang*"}, {"P1"}),
    ({"PatientName": "王*"}, {"P1"}),
    ({"PatientName": "Wang^Min=王^敏"}, {"P1"}),
    ({"ScheduledPerformingPhysicianName": "Zhao*"}, {"P1"}),
    ({"PatientID": "P2"}, {"P2"}),
    ({"AccessionNumber": "A?"}, {"P1"}),
    ({"PatientID": "NOBODY"}, set()),
    ({"PatientID": "P\x001"}, set()),
)


class TestFind:
    async def test_matching_keys(self, port: int, entries: list[WorklistEntryRead]) -> None:
        for keys, found in MATCHES:
            answers = await asyncio.to_thread(_found, port, _query(**keys))
            assert {str(a.PatientID) for a in answers} == found, keys

    async def test_answers_hold_what_was_asked_and_nothing_else(
        self, port: int, entries: list[WorklistEntryRead]
    ) -> None:
        query = _query(PatientID="P1")
        (answer,) = await asyncio.to_thread(_found, port, query)
        assert {e.tag for e in answer} == {e.tag for e in query}
        (step,) = answer.ScheduledProcedureStepSequence
        assert {e.tag for e in step} == {e.tag for e in query.ScheduledProcedureStepSequence[0]}
        assert str(answer.PatientName) == "Wang^Min=王^敏"
        assert answer.StudyInstanceUID == entries[0].study_uid
        assert (step.ScheduledProcedureStepID, step.ScheduledStationAETitle) == ("STEP1", "CT1")

    @pytest.mark.parametrize(
        ("asked", "answered"),
        [("GB18030", "GB18030"), ("ISO_IR 100", "ISO_IR 192"), ("", "ISO_IR 192")],
    )
    async def test_answers_come_in_the_character_set_of_the_query_if_it_can_say_them(
        self, port: int, entries: list[WorklistEntryRead], asked: str, answered: str
    ) -> None:
        query = _query(asked, PatientID="P1")
        if not asked:
            del query.SpecificCharacterSet
        (answer,) = await asyncio.to_thread(_found, port, query)
        assert answer.SpecificCharacterSet == answered
        assert str(answer.PatientName) == "Wang^Min=王^敏"

    async def test_findscu_of_dcmtk_gets_the_worklist(
        self, dcmtk: Dcmtk, entries: list[WorklistEntryRead], tmp_path: Path
    ) -> None:
        step = "ScheduledProcedureStepSequence[0]."
        keys = ("-k", "PatientName", "-k", f"{step}Modality=MR", "-k", f"{step}Scheduled")
        keys = (*keys[:-1], f"{step}ScheduledProcedureStepStartDate=20260304")
        ran = await dcmtk("findscu", "-W", "-X", "-od", tmp_path, *keys)
        assert ran.code == 0, ran.text
        (file,) = tmp_path.glob("rsp*.dcm")
        answer = pydicom.dcmread(file, force=True)
        assert str(answer.PatientName) == "Li^Wei=李^伟"
        assert answer.ScheduledProcedureStepSequence[0].Modality == "MR"

    async def test_another_organisation_and_the_cancelled_are_not_seen(
        self, port: int, db: Database, actor: Actor, entries: list[WorklistEntryRead]
    ) -> None:
        assert await asyncio.to_thread(_found, port, _query(), STRANGE) == []
        async with db.transaction() as session:
            await worklist.cancel(session, actor, entries[0].id)
        answers = await asyncio.to_thread(_found, port, _query())
        assert {str(a.PatientID) for a in answers} == {"P2"}


def _step(entry: WorklistEntryRead) -> Dataset:
    ds, scheduled = Dataset(), Dataset()
    scheduled.StudyInstanceUID, scheduled.ScheduledProcedureStepID = entry.study_uid, entry.step_id
    ds.ScheduledStepAttributesSequence = [scheduled]
    ds.PatientID, ds.Modality = entry.patient_id, entry.modality
    ds.PerformedProcedureStepID, ds.PerformedStationAETitle = "PPS1", "CT1"
    ds.PerformedProcedureStepStartDate, ds.PerformedProcedureStepStartTime = "20260304", "0835"
    ds.PerformedProcedureStepStatus = "IN PROGRESS"
    ds.PerformedSeriesSequence = []
    return ds


def _ended(status: str) -> Dataset:
    ds, series = Dataset(), Dataset()
    series.SeriesInstanceUID = "1.2.3.4"
    ds.PerformedProcedureStepStatus = status
    ds.PerformedSeriesSequence = [series]
    return ds


class TestPerformedStep:
    async def test_the_entry_follows_what_the_modality_tells(
        self, port: int, db: Database, actor: Actor, entries: list[WorklistEntryRead]
    ) -> None:
        def talk(message: str, data: Dataset, uid: str = "1.2.826.1") -> int:
            with modality(port, STEP) as association:
                call = getattr(association, f"send_n_{message}")
                status, _ = call(data, STEP, uid)
            found: int = status.Status
            return found

        async def seen() -> WorklistEntryRead:
            async with db.reading() as session:
                return await worklist.get(session, actor, entries[0].id)

        step = _step(entries[0])
        assert await asyncio.to_thread(talk, "create", _ended("COMPLETED")) == 0x0106
        assert await asyncio.to_thread(talk, "set", _ended("COMPLETED")) == 0x0112
        broken = _step(entries[0])
        broken.PerformedLocation = "A\0B"
        assert await asyncio.to_thread(talk, "create", broken) == 0x0106
        assert await asyncio.to_thread(talk, "create", step) == 0x0000
        assert (await seen()).state == "in_progress"
        assert await asyncio.to_thread(talk, "create", step) == 0x0111
        assert await asyncio.to_thread(talk, "set", _ended("COMPLETED")) == 0x0000
        done = await seen()
        assert (done.state, done.performed[0].series) == ("completed", ["1.2.3.4"])
        assert await asyncio.to_thread(talk, "set", _ended("DISCONTINUED")) == 0x0110
        answers = await asyncio.to_thread(_found, port, _query())
        assert "P1" not in {str(a.PatientID) for a in answers}
