# SPDX-License-Identifier: Apache-2.0
"""What the client asks for is what the server offers."""

import asyncio
import zipfile
from pathlib import Path

import pytest
from tests.factories.dicom import ct_bytes, ct_series
from tests.support.queue import InPlaceQueue

from healthvision.client import ApiError, AsyncClient
from healthvision.kernel.db import Database


class TestStowAndSearch:
    async def test_what_was_stored_is_found_closed_and_read_back(
        self, server: AsyncClient, tmp_path: Path
    ) -> None:
        objects = ct_series(2)
        (tmp_path / "one.dcm").write_bytes(objects[0])
        stored = await server.stow([tmp_path / "one.dcm", objects[1], b"no DICOM"])
        assert (stored.status, len(stored.stored), len(stored.refused)) == (202, 2, 1)
        assert stored.refused[0].detail.startswith("not-part-10")
        (found,) = await server.search("studies", PatientID="P1")
        uid = found["0020000D"]["Value"][0]
        study = await server.find_study(uid)
        assert study is not None and study.instance_count == 2
        await server.close_study(study.id)
        (instance, *_) = await server.search(f"studies/{uid}/instances", limit=1)
        path = await server.download_instance(
            uid,
            instance["0020000E"]["Value"][0],
            instance["00080018"]["Value"][0],
            tmp_path / "back.dcm",
        )
        assert path.read_bytes() in objects
        await server.delete_study(study.id)
        assert await server.find_study(uid) is None

    async def test_a_missing_study_is_a_problem_with_a_code(self, server: AsyncClient) -> None:
        with pytest.raises(ApiError) as caught:
            await server.stow([ct_bytes()], space="nowhere")
        assert (caught.value.status, caught.value.code) == (404, "space-not-found")


class TestUpload:
    async def test_a_zip_goes_in_by_presigned_parts(
        self,
        server: AsyncClient,
        db: Database,
        queue: InPlaceQueue,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("HV_ARCHIVE_PART_BYTES", "2048")
        file = tmp_path / "study.zip"
        with zipfile.ZipFile(file, "w") as archive:
            for number, data in enumerate(ct_series(5)):
                archive.writestr(f"{number}.dcm", data)
        assert file.stat().st_size > 2 * 2048
        seen: list[tuple[int, int]] = []

        async def worker() -> None:
            while True:
                await queue.drain(db)
                await asyncio.sleep(0.05)

        working = asyncio.create_task(worker())
        try:
            done = await server.upload(
                file, timeout_s=30, progress=lambda sent, total: seen.append((sent, total))
            )
        finally:
            working.cancel()
        assert (done.state, done.stored, len(done.studies)) == ("done", 5, 1)
        assert seen[-1] == (file.stat().st_size, file.stat().st_size)
