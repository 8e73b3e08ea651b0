# SPDX-License-Identifier: Apache-2.0
"""Uploads and quarantine through the door."""

import hashlib
import io
import stat
import zipfile
from typing import Any

import httpx
import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from healthvision.domains.archive import service
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.kernel.db import Database
from tests.domains.archive.conftest import Send
from tests.factories.dicom import ct_bytes, ct_series
from tests.support.queue import InPlaceQueue

OTHER = {"x-test-actor": "stranger"}


def zip_of(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return out.getvalue()


def png_bytes(mode: str = "L") -> bytes:
    out = io.BytesIO()
    pixels = np.arange(48 * 40, dtype=np.uint16).reshape(48, 40)
    Image.fromarray(pixels if mode == "I;16" else (pixels % 251).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def nifti_bytes() -> bytes:
    values = np.arange(8 * 9 * 5, dtype=np.int16).reshape(8, 9, 5)
    image: Any = nib.Nifti1Image(  # type: ignore[no-untyped-call]
        values, np.diag([-1.0, -1.0, 2.0, 1.0])
    )
    image.set_sform(image.affine, 1)
    return bytes(image.to_bytes())


class Uploader:
    """Does what a caller does: create, PUT the parts, complete, wait."""

    def __init__(self, client: httpx.AsyncClient, db: Database, queue: InPlaceQueue) -> None:
        self.client, self.db, self.queue = client, db, queue

    async def create(self, name: str, data: bytes, **more: Any) -> httpx.Response:
        body = {"filename": name, "size": len(data), **more}
        return await self.client.post("/v1/uploads", json=body)

    async def put(self, part: dict[str, Any], data: bytes) -> httpx.Response:
        start = part["offset"]
        body = data[start : start + part["size"]]
        return await self.client.put(part["url"], content=body, headers=part["headers"])

    async def send(self, name: str, data: bytes, **more: Any) -> dict[str, Any]:
        created = await self.create(name, data, **more)
        assert created.status_code == 201, created.text
        upload = created.json()
        for part in upload["parts"]:
            answer = await self.put(part, data)
            assert answer.status_code == 201, answer.text
        done = await self.client.post(
            f"/v1/uploads/{upload['id']}/complete",
            json={"sha256": hashlib.sha256(data).hexdigest()},
        )
        assert done.status_code == 202, done.text
        return await self.result(upload["id"])

    async def result(self, upload_id: str) -> dict[str, Any]:
        await self.queue.drain(self.db)
        found: dict[str, Any] = (await self.client.get(f"/v1/uploads/{upload_id}")).json()
        return found


@pytest.fixture
def uploader(
    client: httpx.AsyncClient, db: Database, queue: InPlaceQueue, space: SpaceRead
) -> Uploader:
    return Uploader(client, db, queue)


class TestUpload:
    async def test_a_zip_of_dicom_is_taken_in_and_other_files_count_as_skipped(
        self, uploader: Uploader
    ) -> None:
        files = {f"a/{n}.dcm": data for n, data in enumerate(ct_series(3))}
        upload = await uploader.send("study.zip", zip_of({**files, "readme.txt": b"hello"}))
        assert (upload["state"], upload["stored"], upload["skipped"]) == ("done", 3, 1)
        assert len(upload["studies"]) == 1
        study = await uploader.client.get(f"/v1/studies/{upload['studies'][0]}")
        assert study.json()["instance_count"] == 3

    async def test_a_nifti_volume_becomes_a_series_and_the_original_comes_back(
        self, uploader: Uploader
    ) -> None:
        data = nifti_bytes()
        upload = await uploader.send("v.nii", data, meta={"patient_id": "N1", "modality": "CT"})
        assert (upload["state"], upload["stored"]) == ("done", 5)
        original = await uploader.client.get(f"/v1/uploads/{upload['id']}/original")
        assert original.content == data

    async def test_a_16_bit_picture_keeps_its_values(self, uploader: Uploader) -> None:
        upload = await uploader.send(
            "cxr.png", png_bytes("I;16"), meta={"patient_id": "X1", "modality": "DX"}
        )
        assert (upload["state"], upload["stored"]) == ("done", 1)
        export = await uploader.client.get(f"/v1/studies/{upload['studies'][0]}/export")
        with zipfile.ZipFile(io.BytesIO(export.content)) as packed:
            data = packed.read(packed.namelist()[0])
        wanted = np.arange(48 * 40, dtype="<u2").tobytes()
        assert wanted in data

    async def test_parts_may_be_resumed(
        self, uploader: Uploader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_ARCHIVE_PART_BYTES", "1024")
        data = ct_bytes(size=32)
        upload = (await uploader.create("one.dcm", data)).json()
        assert len(upload["parts"]) == -(-len(data) // 1024)
        await uploader.put(upload["parts"][0], data)
        early = await uploader.client.post(f"/v1/uploads/{upload['id']}/complete", json={})
        assert (early.status_code, early.json()["missing"]) == (409, 2)
        again = (await uploader.client.get(f"/v1/uploads/{upload['id']}")).json()
        assert [p["done"] for p in again["parts"]][:2] == [True, False]
        for part in again["parts"]:
            if not part["done"]:
                assert (await uploader.put(part, data)).status_code == 201
        done = await uploader.client.post(f"/v1/uploads/{upload['id']}/complete", json={})
        assert done.status_code == 202
        assert (await uploader.result(upload["id"]))["stored"] == 1

    async def test_bytes_that_are_not_the_promised_ones_fail(self, uploader: Uploader) -> None:
        data = ct_bytes()
        upload = (await uploader.create("one.dcm", data)).json()
        assert (await uploader.put(upload["parts"][0], data)).status_code == 201
        body = {"sha256": "0" * 64}
        await uploader.client.post(f"/v1/uploads/{upload['id']}/complete", json=body)
        found = await uploader.result(upload["id"])
        assert (found["state"], found["error"]) == ("failed", "digest-mismatch")

    async def test_a_file_of_another_kind_is_quarantined(self, uploader: Uploader) -> None:
        upload = await uploader.send("picture.png", b"no picture" * 100)
        assert (upload["state"], upload["error"]) == ("failed", "not-an-image")
        held = (await uploader.client.get("/v1/quarantine")).json()
        assert [h["reason"] for h in held["items"]] == ["type"]

    @pytest.mark.parametrize(("more", "status"), [(0, 201), (1, 413)])
    async def test_the_limit_of_one_file_is_exact(
        self, uploader: Uploader, monkeypatch: pytest.MonkeyPatch, more: int, status: int
    ) -> None:
        body = {"filename": "big.dcm", "size": 500_000_000 + more}
        assert (await uploader.client.post("/v1/uploads", json=body)).status_code == status
        data = ct_bytes()
        monkeypatch.setenv("HV_ARCHIVE_MAX_IMAGE_BYTES", str(len(data) - more))
        assert (await uploader.create("one.dcm", data)).status_code == status

    async def test_strangers_get_404(self, uploader: Uploader, stranger_space: SpaceRead) -> None:
        upload = await uploader.send("v.nii", nifti_bytes(), meta={"patient_id": "N1"})
        for path in ("", "/original"):
            url = f"/v1/uploads/{upload['id']}{path}"
            assert (await uploader.client.get(url, headers=OTHER)).status_code == 404
        url = f"/v1/uploads/{upload['id']}/complete"
        assert (await uploader.client.post(url, json={}, headers=OTHER)).status_code == 404
        assert (await uploader.client.get("/v1/uploads", headers=OTHER)).json()["items"] == []


class TestHostileZip:
    async def _error(self, uploader: Uploader, data: bytes) -> str:
        upload = await uploader.send("bad.zip", data)
        assert (upload["state"], upload["stored"]) == ("failed", 0)
        held = (await uploader.client.get("/v1/quarantine")).json()["items"]
        assert held[0]["sha256"] == hashlib.sha256(data).hexdigest()
        return str(held[0]["reason"])

    async def test_a_bomb_is_refused(self, uploader: Uploader) -> None:
        assert await self._error(uploader, zip_of({"a": bytes(20 << 20)})) == "ratio"

    @pytest.mark.parametrize("name", ["../../etc/x.dcm", "/etc/x.dcm", "c:/x.dcm", "a\\..\\..\\b"])
    async def test_path_tricks_are_refused(self, uploader: Uploader, name: str) -> None:
        assert await self._error(uploader, zip_of({name: ct_bytes()})) == "path"

    async def test_links_are_refused(self, uploader: Uploader) -> None:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as packed:
            entry = zipfile.ZipInfo("link")
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            packed.writestr(entry, "/etc/passwd")
        assert await self._error(uploader, out.getvalue()) == "link"

    async def test_the_expanded_size_is_limited(
        self, uploader: Uploader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_ARCHIVE_ZIP_EXPANDED_BYTES", "1000")
        assert await self._error(uploader, zip_of({"a.dcm": ct_bytes()})) == "expanded"

    async def test_a_zip_in_a_zip_is_opened_once_and_no_deeper(self, uploader: Uploader) -> None:
        inner = zip_of({"one.dcm": ct_bytes()})
        deep = zip_of({"deep.zip": zip_of({"two.dcm": ct_bytes()})})
        upload = await uploader.send("nest.zip", zip_of({"a.zip": inner, "b.zip": deep}))
        assert (upload["stored"], upload["skipped"], upload["failed"]) == (1, 0, 1)
        assert {r["reason"] for r in upload["results"]} == {"", "zip-depth"}

    async def test_a_damaged_file_fails_alone(self, uploader: Uploader) -> None:
        good = ct_bytes()
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as packed:
            packed.writestr("bad.dcm", b"\0" * 128 + b"DICM" + b"x" * 400)
            packed.writestr("good.dcm", good)
        data = bytearray(out.getvalue())
        data[300] ^= 1  # the CRC of the first file does not fit any more
        upload = await uploader.send("mixed.zip", bytes(data))
        assert (upload["stored"], upload["failed"]) == (1, 1)
        assert upload["results"][0]["reason"] == "damaged"


class TestSignedUrl:
    async def test_it_works_once_and_only_as_agreed(self, uploader: Uploader) -> None:
        data = ct_bytes()
        part = (await uploader.create("one.dcm", data)).json()["parts"][0]
        put, headers = uploader.client.put, part["headers"]
        changed = part["url"].replace(f"size={len(data)}", f"size={len(data) + 1}")
        assert (await put(changed, content=data, headers=headers)).status_code == 404
        other_path = part["url"].replace("/00001", "/00002")
        assert (await put(other_path, content=data, headers=headers)).status_code == 404
        wrong_type = {"Content-Type": "text/plain"}
        assert (await put(part["url"], content=data, headers=wrong_type)).status_code == 422
        assert (await put(part["url"], content=data + b"x", headers=headers)).status_code == 413
        assert (await put(part["url"], content=data[:-1], headers=headers)).status_code == 422
        assert (await uploader.client.get(part["url"])).status_code == 404
        assert (await uploader.put(part, data)).status_code == 201
        assert (await uploader.put(part, data)).status_code == 409

    async def test_a_chunked_body_is_cut_at_the_agreed_size(self, uploader: Uploader) -> None:
        data = ct_bytes()
        part = (await uploader.create("one.dcm", data)).json()["parts"][0]

        async def endless() -> Any:
            for _ in range(10_000):
                yield data

        answer = await uploader.client.put(part["url"], content=endless(), headers=part["headers"])
        assert answer.status_code == 413

    async def test_it_expires(
        self, uploader: Uploader, monkeypatch: pytest.MonkeyPatch, db: Database
    ) -> None:
        monkeypatch.setenv("HV_ARCHIVE_UPLOAD_EXPIRES_S", "1")
        data = ct_bytes()
        upload = (await uploader.create("one.dcm", data)).json()
        from healthvision.kernel import clock  # noqa: PLC0415

        later = clock.FixedClock(clock.now())
        later.advance(3)
        with clock.use_clock(later):
            assert (await uploader.put(upload["parts"][0], data)).status_code == 404
            url = f"/v1/uploads/{upload['id']}/complete"
            assert (await uploader.client.post(url, json={})).status_code == 410
            assert await service.expire_uploads(db) == 1
        assert (await uploader.client.post(url, json={})).status_code == 410


class TestQuarantine:
    async def test_it_is_listed_downloaded_and_deleted_by_administrators(
        self, client: httpx.AsyncClient, send: Send
    ) -> None:
        (answer,) = await send([b"broken bytes"])
        url = f"/v1/quarantine/{answer.quarantine_id}"
        assert (await client.get(url)).json()["reason"] == answer.reason
        assert (await client.get(f"{url}/bytes")).content == b"broken bytes"
        assert (await client.get(url, headers=OTHER)).status_code == 404
        assert (await client.get(f"{url}/bytes", headers=OTHER)).status_code == 404
        assert (await client.delete(url, headers=OTHER)).status_code == 404
        again = await client.post(f"{url}/release")
        assert (again.status_code, again.json()["outcome"]) == (200, "quarantined")
        assert (await client.delete(url)).status_code == 204
        assert (await client.delete(url)).status_code == 409
        assert (await client.get("/v1/quarantine")).json()["total"] == 0
