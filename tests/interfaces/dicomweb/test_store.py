# SPDX-License-Identifier: Apache-2.0
"""STOW-RS through the door."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from sqlalchemy import select
from tests.factories.dicom import ct_bytes, ct_series
from tests.interfaces.dicomweb.conftest import ROOT, Stow, related

from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.domains.archive.tables import Quarantined
from healthvision.interfaces.dicomweb.multipart import PartReader
from healthvision.kernel.db import Database


class TestStoreInstances:
    async def test_stores_and_says_where_they_are(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        objects = ct_series(3)
        response = await stow(objects)
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/dicom+json"
        stored = Dataset.from_json(response.json()).ReferencedSOPSequence
        assert len(stored) == 3
        path = httpx.URL(stored[1].RetrieveURL).path
        back = await client.get(path, headers={"Accept": "application/dicom; transfer-syntax=*"})
        assert back.content == objects[1]

    async def test_takes_one_instance_as_the_body(self, client: httpx.AsyncClient) -> None:
        headers = {"Content-Type": "application/dicom"}
        response = await client.post(f"{ROOT}/studies", content=ct_bytes(), headers=headers)
        assert response.status_code == 200

    async def test_takes_an_unquoted_type(self, client: httpx.AsyncClient) -> None:
        body, _ = related([ct_bytes()])
        kind = "multipart/related; type=application/dicom; boundary=hvtest"
        response = await client.post(
            f"{ROOT}/studies", content=body, headers={"Content-Type": kind}
        )
        assert response.status_code == 200

    async def test_the_same_again_is_fine(self, stow: Stow) -> None:
        objects = ct_series(2)
        await stow(objects)
        assert (await stow(objects)).status_code == 200

    async def test_keeps_the_good_and_lists_the_bad(self, stow: Stow) -> None:
        response = await stow([ct_bytes(), b"no DICOM"])
        assert response.status_code == 202
        answer = Dataset.from_json(response.json())
        assert len(answer.ReferencedSOPSequence) == 1
        assert [i.FailureReason for i in answer.OtherFailuresSequence] == [0xC000]

    async def test_nothing_kept_is_a_conflict(self, stow: Stow) -> None:
        assert (await stow([b"no DICOM"])).status_code == 409

    async def test_refuses_instances_of_another_study(self, stow: Stow) -> None:
        study = generate_uid()
        mine, other = ct_bytes(study_uid=study), ct_bytes()
        response = await stow([mine, other], path=f"/studies/{study}")
        assert response.status_code == 202
        (failed,) = Dataset.from_json(response.json()).FailedSOPSequence
        assert failed.FailureReason == 0xC409

    async def test_an_instance_over_the_limit_is_refused_alone(
        self, stow: Stow, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_ARCHIVE_MAX_IMAGE_BYTES", "5000")
        response = await stow([ct_bytes(size=64), ct_bytes()])
        assert response.status_code == 202
        answer = Dataset.from_json(response.json())
        assert [i.FailureReason for i in answer.OtherFailuresSequence] == [0xA700]
        assert len(answer.ReferencedSOPSequence) == 1

    async def test_a_request_over_the_limit_is_413(
        self, stow: Stow, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_ARCHIVE_MAX_STUDY_BYTES", "3000")
        assert (await stow(ct_series(4))).status_code == 413

    async def test_large_instances_go_through_a_file_and_come_back_whole(
        self, client: httpx.AsyncClient, stow: Stow, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_ARCHIVE_MEMORY_BYTES", "1000")
        data = ct_bytes(size=300)
        response = await stow([data, ct_bytes()])
        assert response.status_code == 200
        url = Dataset.from_json(response.json()).ReferencedSOPSequence[0].RetrieveURL
        back = await client.get(httpx.URL(url).path, headers={"Accept": "application/dicom"})
        assert back.content == data

    async def test_refuses_bodies_it_cannot_read(self, client: httpx.AsyncClient) -> None:
        cases: list[Any] = [
            ("text/plain", b"x", 415),
            ("multipart/form-data; boundary=b", b"x", 415),
            ('multipart/related; type="application/dicom+xml"; boundary=b', b"x", 415),
            ('multipart/related; type="application/dicom"', b"x", 400),
            ('multipart/related; type="application/dicom"; boundary=b', b"cut off", 400),
            ('multipart/related; type="application/dicom"; boundary=b', b"--b--", 400),
            ("application/dicom", b"", 400),
            ("", b"x", 415),
        ]
        for kind, body, status in cases:
            response = await client.post(
                f"{ROOT}/studies", content=body, headers={"Content-Type": kind}
            )
            assert response.status_code == status
            assert response.headers["content-type"] == "application/problem+json"

    async def test_a_cut_off_body_leaves_nothing_half_visible(
        self, client: httpx.AsyncClient
    ) -> None:
        study = generate_uid()
        body, kind = related(ct_series(2, study_uid=study))
        response = await client.post(
            f"{ROOT}/studies", content=body[:-600], headers={"Content-Type": kind}
        )
        assert response.status_code == 400
        found = await client.get(f"{ROOT}/studies", params={"StudyInstanceUID": study})
        assert found.json() == []

    async def test_an_unknown_space_and_no_sign_in_are_refused_before_the_body(
        self, client: httpx.AsyncClient
    ) -> None:
        async def endless() -> AsyncIterator[bytes]:
            raise AssertionError("the body was read")
            yield b""

        kind = related([])[1]
        for path, headers, status in (
            ("/dicomweb/nowhere/studies", {}, 404),
            (f"{ROOT}/studies", {"x-test-actor": "nobody"}, 401),
        ):
            response = await client.post(
                path, content=endless(), headers={"Content-Type": kind, **headers}
            )
            assert response.status_code == status

    async def test_two_senders_of_one_study_at_once_both_succeed(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        study = generate_uid()
        one, two = ct_series(3, study_uid=study), ct_series(3, study_uid=study)
        answers = await asyncio.gather(stow(one), stow(two))
        assert [a.status_code for a in answers] == [200, 200]
        found = await client.get(f"{ROOT}/studies", params={"StudyInstanceUID": study})
        assert found.json()[0]["00201208"]["Value"] == [6]


class TestLimits:
    def test_one_image_may_have_five_hundred_megabytes(self, db: Database) -> None:
        assert ArchiveSettings().max_image_bytes == 500_000_000


async def parts_of(response: httpx.Response) -> list[bytes]:
    """Return the bodies of a multipart answer."""

    async def chunks() -> AsyncIterator[bytes]:
        yield response.content

    boundary = response.headers["content-type"].split("boundary=")[1]
    reader, out = PartReader(chunks(), boundary), []
    while await reader.next_part() is not None:
        out.append(b"".join([c async for c in reader.body()]))
    return out


class TestOtherBodies:
    async def test_what_is_over_the_limit_lies_in_quarantine(
        self, client: httpx.AsyncClient, stow: Stow, db: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_ARCHIVE_MAX_IMAGE_BYTES", "5000")
        monkeypatch.setenv("HV_ARCHIVE_MEMORY_BYTES", "1000")
        data = ct_bytes(size=64)
        assert (await stow([data])).status_code == 409
        async with db.reading() as session:
            (row,) = (await session.scalars(select(Quarantined))).all()
        assert (row.reason, row.size) == ("file-too-large", len(data))

    async def test_instances_of_another_study_are_kept_in_quarantine(
        self, stow: Stow, db: Database
    ) -> None:
        response = await stow([ct_bytes()], path=f"/studies/{generate_uid()}")
        assert response.status_code == 409
        async with db.reading() as session:
            (row,) = (await session.scalars(select(Quarantined))).all()
        assert row.reason == "study-mismatch"

    async def test_takes_a_zip_and_skips_what_is_no_image(self, client: httpx.AsyncClient) -> None:
        objects = ct_series(3)
        body = io.BytesIO()
        with zipfile.ZipFile(body, "w") as packed:
            packed.writestr("readme.txt", b"hello")
            for number, data in enumerate(objects):
                packed.writestr(f"a/{number}", data)
        response = await client.post(
            f"{ROOT}/studies",
            content=body.getvalue(),
            headers={"Content-Type": "application/zip"},
        )
        assert response.status_code == 200, response.text
        assert len(Dataset.from_json(response.json()).ReferencedSOPSequence) == 3

    async def test_an_unsafe_zip_is_refused(self, client: httpx.AsyncClient) -> None:
        body = io.BytesIO()
        with zipfile.ZipFile(body, "w") as packed:
            packed.writestr("../out", b"x")
        response = await client.post(
            f"{ROOT}/studies",
            content=body.getvalue(),
            headers={"Content-Type": "application/zip"},
        )
        assert 400 <= response.status_code < 500

    async def test_takes_dicom_json_with_bulk_values(self, client: httpx.AsyncClient) -> None:
        source = pydicom.dcmread(io.BytesIO(ct_bytes()))
        document = source.to_json_dict()
        pixels = source.PixelData
        document["7FE00010"] = {"vr": "OW", "BulkDataURI": "pixels/1"}
        body, _ = related([], "")
        body = b"\r\n".join(
            [
                b"--hvtest\r\nContent-Type: application/dicom+json\r\n",
                json.dumps([document]).encode(),
                b"--hvtest\r\nContent-Type: application/octet-stream\r\n"
                b"Content-Location: pixels/1\r\n",
                pixels,
                b"--hvtest--\r\n",
            ]
        )
        kind = 'multipart/related; type="application/dicom+json"; boundary=hvtest'
        response = await client.post(
            f"{ROOT}/studies", content=body, headers={"Content-Type": kind}
        )
        assert response.status_code == 200, response.text
        url = httpx.URL(response.json()["00081199"]["Value"][0]["00081190"]["Value"][0]).path
        back = await client.get(url, headers={"Accept": "application/dicom; transfer-syntax=*"})
        assert pydicom.dcmread(io.BytesIO(back.content)).PixelData == pixels

    async def test_a_bulk_value_that_is_not_there_is_named(self, client: httpx.AsyncClient) -> None:
        document = {"7FE00010": {"vr": "OW", "BulkDataURI": "nowhere"}}
        body, _ = related([json.dumps(document).encode()], "application/dicom+json")
        kind = 'multipart/related; type="application/dicom+json"; boundary=hvtest'
        response = await client.post(
            f"{ROOT}/studies", content=body, headers={"Content-Type": kind}
        )
        assert response.status_code == 409
        assert "json-model" in response.text
