# SPDX-License-Identifier: Apache-2.0
"""C-MOVE to a storescp of dcmtk."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pydicom
import pytest

from healthvision.domains.archive import service as archive
from healthvision.domains.archive.correcting.corrections_schemas import StudyEdit
from healthvision.domains.spaces import aes
from healthvision.domains.spaces.schemas import RemoteAeCreate
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from tests.interfaces.dimse.conftest import Dcmtk
from tests.support.services import missing_service

STUDY = ("-S", "-k", "QueryRetrieveLevel=STUDY", "-k")


@pytest.fixture
async def receiver(
    db: Database, titles: None, actor: Actor, listening_port: int, tmp_path: Path
) -> AsyncIterator[Path]:
    """A storescp that is registered as ARCHIVE2, and its folder."""
    if shutil.which("storescp") is None:
        missing_service("dcmtk")
    folder = tmp_path / "received"
    folder.mkdir()
    async with db.transaction() as session:
        new = RemoteAeCreate(
            title="ARCHIVE2", host="127.0.0.1", port=listening_port, operations=["receive"]
        )
        await aes.add_remote(session, actor, new)
    process = await asyncio.create_subprocess_exec(
        "storescp", "+xa", "-od", str(folder), str(listening_port)
    )
    for _ in range(100):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", listening_port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            break
    yield folder
    process.terminate()
    await process.wait()


class TestMove:
    async def test_objects_arrive_at_the_destination(
        self, dcmtk: Dcmtk, receiver: Path, ct_files: list[Path]
    ) -> None:
        assert (await dcmtk("storescu", files=ct_files)).code == 0
        sent = {ds.SOPInstanceUID: ds for ds in map(pydicom.dcmread, ct_files)}
        uid = f"StudyInstanceUID={next(iter(sent.values())).StudyInstanceUID}"
        ran = await dcmtk("movescu", "-v", "-aem", "ARCHIVE2", *STUDY, uid)
        assert ran.code == 0, ran.text
        assert "Success" in ran.text
        got = {ds.SOPInstanceUID: ds for ds in map(pydicom.dcmread, receiver.iterdir())}
        assert got == sent

    async def test_an_unknown_destination_is_told(
        self, dcmtk: Dcmtk, receiver: Path, ct_files: list[Path]
    ) -> None:
        assert (await dcmtk("storescu", files=ct_files[:1])).code == 0
        uid = f"StudyInstanceUID={pydicom.dcmread(ct_files[0]).StudyInstanceUID}"
        ran = await dcmtk("movescu", "-v", "-d", "-aem", "NOBODY", *STUDY, uid)
        assert "0xa801" in ran.text.lower(), ran.text
        assert not list(receiver.iterdir())

    async def test_what_cannot_be_reached_is_counted_as_failed(
        self, dcmtk: Dcmtk, db: Database, actor: Actor, ct_files: list[Path], listening_port: int
    ) -> None:
        async with db.transaction() as session:
            away = RemoteAeCreate(
                title="AWAY", host="127.0.0.1", port=listening_port, operations=["receive"]
            )
            await aes.add_remote(session, actor, away)
        assert (await dcmtk("storescu", files=ct_files[:1])).code == 0
        uid = f"StudyInstanceUID={pydicom.dcmread(ct_files[0]).StudyInstanceUID}"
        ran = await dcmtk("movescu", "-v", "-d", "-aem", "AWAY", *STUDY, uid)
        assert "0xa702" in ran.text.lower(), ran.text

    async def test_a_peer_without_the_syntax_gets_it_turned(
        self,
        dcmtk: Dcmtk,
        db: Database,
        actor: Actor,
        ct_files: list[Path],
        listening_port: int,
        tmp_path: Path,
    ) -> None:
        folder = tmp_path / "plain"
        folder.mkdir()
        async with db.transaction() as session:
            plain = RemoteAeCreate(
                title="PLAIN", host="127.0.0.1", port=listening_port, operations=["receive"]
            )
            await aes.add_remote(session, actor, plain)
        assert (await dcmtk("storescu", "-xd", files=ct_files[:1])).code == 0
        uid = f"StudyInstanceUID={pydicom.dcmread(ct_files[0]).StudyInstanceUID}"
        process = await asyncio.create_subprocess_exec(
            "storescp", "+xi", "-od", str(folder), str(listening_port)
        )
        try:
            await asyncio.sleep(0.5)
            ran = await dcmtk("movescu", "-v", "-aem", "PLAIN", *STUDY, uid)
        finally:
            process.terminate()
            await process.wait()
        assert ran.code == 0, ran.text
        (file,) = folder.iterdir()
        got = pydicom.dcmread(file)
        assert got.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2"
        assert got.PixelData == pydicom.dcmread(ct_files[0]).PixelData


class TestCorrected:
    async def test_objects_go_out_with_what_is_right(
        self, dcmtk: Dcmtk, db: Database, actor: Actor, receiver: Path, ct_files: list[Path]
    ) -> None:
        assert (await dcmtk("storescu", files=ct_files)).code == 0
        sent = {ds.SOPInstanceUID: ds for ds in map(pydicom.dcmread, ct_files)}
        study_uid = str(next(iter(sent.values())).StudyInstanceUID)
        async with db.transaction() as session:
            study = await archive.get_study_by_uid(session, actor, "default", study_uid)
            wanted = StudyEdit(description="Knie links", accession_number="A-77", reason="typo")
            await archive.edit_study(session, actor, study.id, wanted)
        uid = f"StudyInstanceUID={study_uid}"
        ran = await dcmtk("movescu", "-v", "-aem", "ARCHIVE2", *STUDY, uid)
        assert ran.code == 0, ran.text
        got = {ds.SOPInstanceUID: ds for ds in map(pydicom.dcmread, receiver.iterdir())}
        assert {(d.StudyDescription, d.AccessionNumber) for d in got.values()} == {
            ("Knie links", "A-77")
        }
        for uid_, dataset in got.items():
            assert dataset.PixelData == sent[uid_].PixelData
        folder = receiver.parent / "got"
        folder.mkdir()
        ran = await dcmtk("getscu", "-v", "-od", str(folder), *STUDY, uid)
        assert ran.code == 0, ran.text
        found = [pydicom.dcmread(p) for p in folder.iterdir()]
        assert {d.StudyDescription for d in found} == {"Knie links"}
        assert len(found) == len(sent)
