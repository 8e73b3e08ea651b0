# SPDX-License-Identifier: Apache-2.0
"""Uploads that hurt: what they cost is bounded, and no byte of them is lost."""

import hashlib
import io
import zipfile
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import update

from healthvision.domains.archive import service
from healthvision.domains.archive.tables import Upload
from healthvision.domains.archive.uploading import taking_in
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.domains.storage import service as storage
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from tests.domains.archive.test_intake_api import Uploader, zip_of
from tests.factories.dicom import ct_bytes
from tests.support.queue import InPlaceQueue


@pytest.fixture
def uploader(
    client: httpx.AsyncClient, db: Database, queue: InPlaceQueue, space: SpaceRead
) -> Uploader:
    """A caller."""
    return Uploader(client, db, queue)


def packed(method: int, *files: tuple[str, bytes]) -> bytes:
    """Return a zip made with one compression method."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as target:
        for name, data in files:
            target.writestr(name, data)
    return out.getvalue()


async def held(uploader: Uploader) -> list[dict[str, Any]]:
    """Return what is in quarantine."""
    page = await uploader.client.get("/v1/quarantine")
    items: list[dict[str, Any]] = page.json()["items"]
    return items


async def age(db: Database, upload_id: str, **values: Any) -> None:
    """Change the row of an upload."""
    async with db.transaction() as session:
        await session.execute(update(Upload).where(Upload.id == UUID(upload_id)).values(**values))


class TestZip:
    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    async def test_methods_without_a_bound_are_not_expanded(
        self, uploader: Uploader, method: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """bzip2 and LZMA members of a few KB can hold gigabytes behind a small declared size."""
        data = packed(method, ("bomb.dcm", bytes(9000)), ("b.dcm", ct_bytes()))

        def never(*_: Any) -> None:
            raise AssertionError("expanded")

        monkeypatch.setattr(zipfile, "_get_decompressor", never)
        upload = await uploader.send("bomb.zip", data)
        assert (upload["state"], upload["stored"], upload["failed"]) == ("failed", 0, 2)
        assert {r["reason"] for r in upload["results"]} == {"compression"}

    async def test_a_zip_with_unread_files_is_kept_for_the_administrator(
        self, uploader: Uploader
    ) -> None:
        data = bytearray(packed(zipfile.ZIP_STORED, ("bad.dcm", ct_bytes()), ("b.dcm", ct_bytes())))
        data[300] ^= 1
        upload = await uploader.send("mixed.zip", bytes(data))
        assert (upload["state"], upload["stored"], upload["failed"]) == ("done", 1, 1)
        (item,) = await held(uploader)
        assert (item["reason"], item["sha256"]) == ("zip-members", hashlib.sha256(data).hexdigest())
        assert "damaged (1)" in item["detail"]


class TestDeath:
    async def test_a_file_on_which_workers_die_is_put_apart_unopened(
        self, uploader: Uploader, db: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = zip_of({"a.dcm": ct_bytes()})
        created = (await uploader.create("deadly.zip", data)).json()
        await uploader.put(created["parts"][0], data)
        await age(db, created["id"], deaths=taking_in.MOST_DEATHS)
        await uploader.client.post(f"/v1/uploads/{created['id']}/complete", json={})
        upload = await uploader.result(created["id"])
        assert (upload["state"], upload["stored"]) == ("failed", 0)
        (item,) = await held(uploader)
        assert (item["reason"], item["sha256"]) == ("deadly", hashlib.sha256(data).hexdigest())

    async def test_an_error_is_no_death(
        self, uploader: Uploader, db: Database, actor: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An outage lets the job try again as often as it takes."""
        data = zip_of({"a.dcm": ct_bytes()})
        created = (await uploader.create("fine.zip", data)).json()
        await uploader.put(created["parts"][0], data)
        await age(db, created["id"], state="queued")

        async def outage(*_: Any, **__: Any) -> None:
            raise OSError("away")

        with monkeypatch.context() as patch:
            patch.setattr(taking_in, "_dispatch", outage)
            for _ in range(taking_in.MOST_DEATHS + 2):
                with pytest.raises(OSError):
                    await service.take_in(db, actor.org_id, UUID(created["id"]))
        await service.take_in(db, actor.org_id, UUID(created["id"]))
        upload = (await uploader.client.get(f"/v1/uploads/{created['id']}")).json()
        assert (upload["state"], upload["stored"]) == ("done", 1)


class TestSignedUrl:
    async def test_it_does_not_work_again_after_the_upload_has_ended(
        self, uploader: Uploader
    ) -> None:
        data = ct_bytes()
        created = (await uploader.create("one.dcm", data)).json()
        (part,) = created["parts"]
        assert (await uploader.put(part, data)).status_code == 201
        await uploader.client.post(f"/v1/uploads/{created['id']}/complete", json={})
        assert (await uploader.result(created["id"]))["state"] == "done"
        again = await uploader.put(part, data)
        assert (again.status_code, again.json()["code"]) == (409, "upload-closed")

    async def test_what_was_put_late_past_us_is_swept_once_the_urls_are_over(
        self, uploader: Uploader, db: Database, actor: Actor
    ) -> None:
        """With S3 the bytes do not pass the API: staging is swept by the state of uploads."""
        upload = await uploader.send("one.dcm", ct_bytes())

        async def late() -> Any:
            yield b"late bytes"

        key = storage.staged_key(actor.org_id, f"{upload['id']}/00001")
        await storage.put(db, actor.org_id, key, late())
        assert await service.expire_uploads(db) == 0
        await age(db, upload["id"], expires_at=now() - timedelta(seconds=1))
        assert await service.expire_uploads(db) == 1
        assert await storage.staged_sizes(db, actor.org_id, upload["id"]) == {}
        assert await service.expire_uploads(db) == 0
