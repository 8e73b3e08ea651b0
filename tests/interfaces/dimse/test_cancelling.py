# SPDX-License-Identifier: Apache-2.0
"""C-CANCEL of a C-FIND, C-GET and C-MOVE by pynetdicom (PS3.4 C.4.1.3, C.4.2.3, C.4.3.3)."""

import asyncio
import itertools
import time
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from healthvision.domains.spaces import aes
from healthvision.domains.spaces.schemas import RemoteAeCreate
from healthvision.formats.dicom.association import Association
from healthvision.formats.dicom.dimse import Command
from healthvision.interfaces.dimse import finding
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from tests.interfaces.dimse.test_querying import FIRST, association, query, stored

CANCELLED, MESSAGE = 0xFE00, 7
WAIT_S = 30.0
__all__ = ["stored"]  # a fixture
pytestmark = pytest.mark.usefixtures("stored")  # six instances


def _counts(answer: Dataset) -> tuple[int, int]:
    """Return how many sub-operations were left and done."""
    return answer.NumberOfRemainingSuboperations, answer.NumberOfCompletedSuboperations


class TestFind:
    async def test_no_further_matches_come(
        self, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks, look = itertools.count(), finding.cancelled

        def patiently(association: Association, request: Command) -> bool:
            end = time.monotonic() + (WAIT_S if next(looks) else 0)  # the first match goes out
            while not look(association, request):
                if time.monotonic() > end:
                    return False
                time.sleep(0.01)
            return True

        monkeypatch.setattr(finding, "cancelled", patiently)
        monkeypatch.setattr(finding, "_LOOK_EVERY", 1)
        model = StudyRootQueryRetrieveInformationModelFind
        asked = query(
            "IMAGE",
            StudyInstanceUID=str(FIRST.StudyInstanceUID),
            SeriesInstanceUID=str(FIRST.SeriesInstanceUID),
            SOPInstanceUID="",
        )

        def run() -> list[int]:
            statuses: list[int] = []
            with association(port, [model]) as found:
                for status, _ in found.send_c_find(asked, model, msg_id=MESSAGE):
                    if not statuses:
                        found.send_c_cancel(MESSAGE, query_model=model)
                    statuses.append(status.Status)
            return statuses

        statuses = await asyncio.to_thread(run)
        assert statuses == [0xFF00, CANCELLED]


class TestGet:
    async def test_no_further_objects_come(self, port: int) -> None:
        model = StudyRootQueryRetrieveInformationModelGet
        got: list[str] = []

        def on_store(event: Any) -> int:
            got.append(str(event.request.AffectedSOPInstanceUID))
            event.assoc.send_c_cancel(MESSAGE, query_model=model)
            return 0

        def run() -> Any:
            roles = [build_role(CTImageStorage, scp_role=True)]
            handlers = [(evt.EVT_C_STORE, on_store)]
            contexts = [model, CTImageStorage]
            with association(port, contexts, handlers=handlers, roles=roles) as found:
                asked = query("STUDY", StudyInstanceUID=str(FIRST.StudyInstanceUID))
                return [s for s, _ in found.send_c_get(asked, model, msg_id=MESSAGE)][-1]

        last = await asyncio.to_thread(run)
        assert last.Status == CANCELLED
        assert len(got) < 6
        assert _counts(last) == (6 - len(got), len(got))


class TestMove:
    async def test_no_further_objects_leave(
        self, port: int, db: Database, actor: Actor, listening_port: int
    ) -> None:
        model = StudyRootQueryRetrieveInformationModelMove
        async with db.transaction() as session:
            new = RemoteAeCreate(
                title="ARCHIVE2", host="127.0.0.1", port=listening_port, operations=["receive"]
            )
            await aes.add_remote(session, actor, new)
        got: list[str] = []
        mover: list[Any] = []

        def on_store(event: Any) -> int:
            got.append(str(event.request.AffectedSOPInstanceUID))
            mover[0].send_c_cancel(MESSAGE, query_model=model)
            return 0

        def run() -> Any:
            receiver = AE(ae_title="ARCHIVE2")
            receiver.add_supported_context(CTImageStorage)
            where, handlers = ("127.0.0.1", listening_port), [(evt.EVT_C_STORE, on_store)]
            server: Any = receiver.start_server(where, block=False, evt_handlers=handlers)  # type: ignore[arg-type]
            try:
                with association(port, [model]) as found:
                    mover.append(found)
                    asked = query("STUDY", StudyInstanceUID=str(FIRST.StudyInstanceUID))
                    answers = found.send_c_move(asked, "ARCHIVE2", model, msg_id=MESSAGE)
                    return [s for s, _ in answers][-1]
            finally:
                server.shutdown()

        last = await asyncio.to_thread(run)
        assert last.Status == CANCELLED
        assert 1 <= len(got) < 6
        assert _counts(last) == (6 - len(got), len(got))
