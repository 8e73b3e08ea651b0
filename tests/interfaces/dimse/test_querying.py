# SPDX-License-Identifier: Apache-2.0
"""C-FIND and C-GET by dcmtk and pynetdicom."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    PatientRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)

from healthvision.domains.audit import service as audit
from healthvision.domains.audit.schemas import EventFilter
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from tests.interfaces.dimse.conftest import CALLED, CALLING, Dcmtk
from tests.support.small_ct import small_ct

FIRST = pydicom.dcmread(BytesIO(small_ct()[0]))
STUDY_FIND = StudyRootQueryRetrieveInformationModelFind
PATIENT_FIND = PatientRootQueryRetrieveInformationModelFind
Answer = tuple[int, Dataset | None]


@contextmanager
def association(
    port: int, contexts: list[Any], *, handlers: list[Any] | None = None, roles: Any = ()
) -> Iterator[Any]:
    entity = AE(ae_title=CALLING)
    for context in contexts:
        entity.add_requested_context(context)
    found = entity.associate(
        "127.0.0.1", port, ae_title=CALLED, ext_neg=list(roles), evt_handlers=handlers or []
    )
    assert found.is_established
    yield found
    found.release()


def query(level: str, **keys: str) -> Dataset:
    asked = Dataset()
    asked.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(asked, keyword, value)
    return asked


async def find(port: int, asked: Dataset, root: Any = STUDY_FIND) -> list[Answer]:
    def run() -> list[Answer]:
        with association(port, [root]) as found:
            return [(s.Status, ds) for s, ds in found.send_c_find(asked, root)]

    return await asyncio.to_thread(run)


@pytest.fixture
async def stored(dcmtk: Dcmtk, ct_files: list[Path]) -> list[Path]:
    """A CT of six slices in the archive."""
    ran = await dcmtk("storescu", files=ct_files)
    assert ran.code == 0, ran.text
    return ct_files


class TestFind:
    async def test_studies_have_the_asked_attributes(self, port: int, stored: list[Path]) -> None:
        asked = query(
            "STUDY",
            PatientName="test^*",
            StudyDate="20260101-20261231",
            PatientID="",
            StudyInstanceUID="",
            NumberOfStudyRelatedInstances="",
            ModalitiesInStudy="",
        )
        *pending, (last, _) = await find(port, asked)
        assert last == 0x0000
        ((status, study),) = pending
        assert status == 0xFF00
        assert study is not None
        assert study.SpecificCharacterSet == "ISO_IR 192"
        assert (study.PatientID, str(study.PatientName)) == ("P-one", "Test^one")
        assert study.StudyInstanceUID == FIRST.StudyInstanceUID
        assert study.NumberOfStudyRelatedInstances == len(stored)
        assert study.ModalitiesInStudy == "CT"
        assert (study.QueryRetrieveLevel, study.RetrieveAETitle) == ("STUDY", CALLED)

    @pytest.mark.parametrize(
        ("keys", "count"),
        [
            ({"PatientName": "Nobody*"}, 0),
            ({"StudyDate": "20250101-20251231"}, 0),
            ({"StudyDate": "20260304"}, 1),
            ({"PatientID": "P-o?e"}, 1),
            ({"StudyInstanceUID": f"1.2.3\\{FIRST.StudyInstanceUID}"}, 1),
            ({"ModalitiesInStudy": "MR"}, 0),
        ],
    )
    async def test_keys_match(
        self, port: int, stored: list[Path], keys: dict[str, str], count: int
    ) -> None:
        *pending, (last, _) = await find(port, query("STUDY", **keys))
        assert (last, len(pending)) == (0x0000, count)

    async def test_series_and_images_are_found(self, port: int, stored: list[Path]) -> None:
        study = FIRST.StudyInstanceUID
        series = query("SERIES", StudyInstanceUID=study, SeriesInstanceUID="", Modality="CT")
        assert len(await find(port, series)) == 2
        images = query("IMAGE", StudyInstanceUID=study, SOPInstanceUID="", InstanceNumber="3")
        *pending, _ = await find(port, images)
        assert [ds.InstanceNumber for _, ds in pending if ds] == [3]

    async def test_patients_are_found_once(
        self, port: int, stored: list[Path], dcmtk: Dcmtk
    ) -> None:
        asked = query("PATIENT", PatientID="P-*", PatientName="")
        *pending, (last, _) = await find(port, asked, PATIENT_FIND)
        assert last == 0x0000
        assert [ds.PatientID for _, ds in pending if ds] == ["P-one"]

    async def test_a_level_of_another_model_is_refused(self, port: int) -> None:
        ((status, _),) = await find(port, query("PATIENT", PatientID="x"))
        assert status == 0xA900

    async def test_keys_that_are_not_matched_are_told(self, port: int, stored: list[Path]) -> None:
        *pending, _ = await find(port, query("STUDY", AdmittingDiagnosesDescription="x"))
        assert [status for status, _ in pending] == [0xFF01]

    async def test_is_recorded(
        self, port: int, stored: list[Path], db: Database, actor: Actor
    ) -> None:
        await find(port, query("STUDY", PatientID="P-one"))
        async with db.reading() as session:
            page = await audit.list_events(
                session, actor, EventFilter(action="archive.searched", actor_id=CALLING)
            )
        assert [(e.actor_kind, e.address) for e in page.items] == [("device", "127.0.0.1")]
        assert "P-one" not in str(page.items[0].detail)


class TestGet:
    async def test_objects_come_back_as_they_were(
        self, port: int, dcmtk: Dcmtk, stored: list[Path], tmp_path: Path
    ) -> None:
        folder = tmp_path / "got"
        folder.mkdir()
        uid = f"StudyInstanceUID={FIRST.StudyInstanceUID}"
        ran = await dcmtk(
            "getscu", "-v", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", uid, "-od", folder
        )
        assert ran.code == 0, ran.text
        got = {ds.SOPInstanceUID: ds for ds in map(pydicom.dcmread, folder.iterdir())}
        sent = {ds.SOPInstanceUID: ds for ds in map(pydicom.dcmread, stored)}
        assert got == sent

    async def test_reading_is_recorded_and_counts_are_right(
        self, port: int, stored: list[Path], db: Database, actor: Actor
    ) -> None:
        model = StudyRootQueryRetrieveInformationModelGet
        kept: list[str] = []

        def keep(event: Any) -> int:
            kept.append(event.dataset.SOPInstanceUID)
            return 0x0000 if len(kept) != 2 else 0xA700

        def run() -> list[tuple[Any, Dataset | None]]:
            contexts = [model, CTImageStorage]
            role = build_role(CTImageStorage, scp_role=True)
            handlers = [(evt.EVT_C_STORE, keep)]
            with association(port, contexts, handlers=handlers, roles=[role]) as found:
                asked = query("STUDY", StudyInstanceUID=FIRST.StudyInstanceUID)
                return [(s, ds) for s, ds in found.send_c_get(asked, model)]

        answers = await asyncio.to_thread(run)
        last, failed = answers[-1]
        assert last.Status == 0xB000
        counts = (
            last.NumberOfCompletedSuboperations,
            last.NumberOfFailedSuboperations,
            last.NumberOfWarningSuboperations,
        )
        assert counts == (5, 1, 0)
        assert failed is not None
        assert failed.FailedSOPInstanceUIDList == kept[1]
        async with db.reading() as session:
            wanted = EventFilter(action="archive.pixels_read", actor_id=CALLING)
            page = await audit.list_events(session, actor, wanted)
        assert len(page.items) == 1

    async def test_nothing_found_is_no_failure(self, port: int, dcmtk: Dcmtk) -> None:
        uid = "StudyInstanceUID=1.2.3"
        ran = await dcmtk("getscu", "-v", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", uid)
        assert ran.code == 0, ran.text
