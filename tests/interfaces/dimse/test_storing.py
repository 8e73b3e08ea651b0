# SPDX-License-Identifier: Apache-2.0
"""C-ECHO and C-STORE by dcmtk."""

import asyncio
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLosslessSV1,
    RLELossless,
)

from healthvision.domains.archive import service as archive
from healthvision.domains.archive.schemas import ArchiveQuery, Incoming, Promised
from healthvision.formats.dicom.file_head import data_set_start
from healthvision.interfaces.dimse.desk import Desk, Peer
from healthvision.kernel.db import Database
from healthvision.kernel.errors import OutOfSpace
from healthvision.kernel.security import Actor
from tests.interfaces.dimse.conftest import CALLING, Dcmtk, write_files
from tests.support.small_ct import small_ct


async def stored_count(db: Database, actor: Actor) -> int:
    async with db.reading() as session:
        found = await archive.find_instances(session, actor, "default", ArchiveQuery())
    return len(found.items)


class TestEcho:
    async def test_is_answered(self, dcmtk: Dcmtk) -> None:
        ran = await dcmtk("echoscu", "-v")
        assert ran.code == 0, ran.text


class TestStore:
    async def test_objects_are_found_when_they_are_acknowledged(
        self, dcmtk: Dcmtk, ct_files: list[Path], db: Database, actor: Actor, stranger: Actor
    ) -> None:
        ran = await dcmtk("storescu", "-v", files=ct_files)
        assert ran.code == 0, ran.text
        assert ran.text.count("(Success)") == len(ct_files), ran.text
        assert await stored_count(db, actor) == len(ct_files)
        assert await stored_count(db, stranger) == 0

    async def test_several_associations_at_once(
        self, dcmtk: Dcmtk, tmp_path: Path, db: Database, actor: Actor
    ) -> None:
        sets = [write_files(tmp_path / str(i), small_ct(str(i))) for i in range(4)]
        ran = await asyncio.gather(*(dcmtk("storescu", "-v", files=s) for s in sets))
        assert [r.code for r in ran] == [0] * 4
        assert await stored_count(db, actor) == 4 * len(sets[0])

    @pytest.mark.parametrize("option", ["-xi", "-xe", "-xd"])
    async def test_other_encodings_are_kept_as_they_come(
        self, dcmtk: Dcmtk, ct_files: list[Path], option: str, db: Database, actor: Actor
    ) -> None:
        ran = await dcmtk("storescu", "-v", option, files=ct_files[:2])
        assert ran.code == 0, ran.text
        study = pydicom.dcmread(ct_files[0]).StudyInstanceUID
        async with db.reading() as session:
            refs = await archive.locate(session, actor, "default", study)
        syntax = {"-xi": ImplicitVRLittleEndian}.get(option)
        syntax = syntax or {"-xd": DeflatedExplicitVRLittleEndian}.get(option)
        assert [r.transfer_syntax for r in refs] == [syntax or ExplicitVRLittleEndian] * 2
        kept = pydicom.dcmread(BytesIO(await archive.read_bytes(db, refs[0])))
        assert kept.file_meta.SourceApplicationEntityTitle == CALLING
        assert np.array_equal(kept.pixel_array, pydicom.dcmread(ct_files[0]).pixel_array)

    async def test_the_data_set_is_kept_byte_for_byte(
        self, dcmtk: Dcmtk, ct_files: list[Path], db: Database, actor: Actor
    ) -> None:
        assert (await dcmtk("storescu", files=ct_files[:1])).code == 0
        sent = ct_files[0].read_bytes()
        study = pydicom.dcmread(ct_files[0]).StudyInstanceUID
        async with db.reading() as session:
            (ref,) = await archive.locate(session, actor, "default", study)
        kept = await archive.read_bytes(db, ref)
        assert kept[data_set_start(kept) :] == sent[data_set_start(sent) :]

    async def test_the_same_object_twice_is_kept_once(
        self, dcmtk: Dcmtk, ct_files: list[Path], db: Database, actor: Actor
    ) -> None:
        for _ in range(2):
            assert (await dcmtk("storescu", files=ct_files[:1])).code == 0
        assert await stored_count(db, actor) == 1

    async def test_large_objects_go_through_a_file(
        self,
        dcmtk: Dcmtk,
        ct_files: list[Path],
        db: Database,
        actor: Actor,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("HV_ARCHIVE_MEMORY_BYTES", "1000")
        assert (await dcmtk("storescu", files=ct_files)).code == 0
        assert await stored_count(db, actor) == len(ct_files)

    async def test_too_large_objects_are_refused_and_the_next_is_taken(
        self,
        dcmtk: Dcmtk,
        ct_files: list[Path],
        tmp_path: Path,
        db: Database,
        actor: Actor,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("HV_ARCHIVE_MAX_IMAGE_BYTES", "4000")
        large = pydicom.dcmread(ct_files[0])
        large.Rows, large.PixelData = 320, large.PixelData * 10
        large.save_as(ct_files[0])
        ran = await dcmtk("storescu", "-v", "-nh", files=ct_files[:2])
        assert await stored_count(db, actor) == 1, ran.text

    async def test_a_full_disk_is_told_and_the_next_object_is_taken(
        self,
        dcmtk: Dcmtk,
        ct_files: list[Path],
        db: Database,
        actor: Actor,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def full(_desk: Desk, _peer: Peer, _incoming: Incoming, _seen: set[str]) -> Promised:
            raise OutOfSpace("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(Desk, "promise", full)
            ran = await dcmtk("storescu", "-v", "-d", files=ct_files[:1])
        assert "0xa700" in ran.text.lower(), ran.text
        assert (await dcmtk("storescu", files=ct_files[:1])).code == 0
        assert await stored_count(db, actor) == 1

    @pytest.mark.parametrize(
        ("option", "syntax"), [("-xs", JPEGLosslessSV1), ("-xw", JPEG2000), ("-xr", RLELossless)]
    )
    async def test_compressed_objects_are_kept_compressed(
        self,
        dcmtk: Dcmtk,
        tmp_path: Path,
        db: Database,
        actor: Actor,
        option: str,
        syntax: str,
    ) -> None:
        source = pydicom.dcmread(BytesIO(small_ct()[0]))
        source.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8" + bytes(40) + b"\xff\xd9"])
        source["PixelData"].VR = "OB"
        source["PixelData"].is_undefined_length = True
        source.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
        out = BytesIO()
        source.save_as(out, enforce_file_format=True)
        files = write_files(tmp_path / "compressed", [out.getvalue()])
        ran = await dcmtk("storescu", "-v", option, files=files)
        assert ran.code == 0, ran.text
        async with db.reading() as session:
            uid = source.StudyInstanceUID
            (ref,) = await archive.locate(session, actor, "default", uid)
        assert ref.transfer_syntax == syntax
