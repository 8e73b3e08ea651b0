# SPDX-License-Identifier: Apache-2.0
"""Corrected objects through the door: every form of them, and the originals for who may."""

import io
import zipfile
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import pydicom
import pytest
from tests.factories.dicom import ct_bytes, ct_series
from tests.interfaces.dicomweb.conftest import ROOT, Stow
from tests.interfaces.dicomweb.test_retrieve import ALL, path_of
from tests.interfaces.dicomweb.test_store import parts_of
from tests.support.auth import TableAuthenticator

from healthvision.domains.archive import service as archive
from healthvision.formats.dicom.header import read_header
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor

ONE = {"Accept": "application/dicom; transfer-syntax=*"}
NAME = "Li^Na=李^娜"


async def edit(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    """Correct the only study and its patient."""
    (study,) = (await client.get("/v1/studies")).json()["items"]
    reason = {"reason": "wrong at the console"}
    path = f"/v1/studies/{study['id']}/edit"
    answer = await client.post(path, json={"description": "头部平扫", **reason, **body})
    assert answer.status_code == 201, answer.text
    path = f"/v1/patients/{study['patient_ref']}/edit"
    assert (await client.post(path, json={"name": NAME, **reason})).status_code == 201
    found: dict[str, Any] = study
    return found


def said(data: bytes) -> tuple[str, str]:
    """Return name and description of an object."""
    header = read_header(data)
    return header.patient_name, header.study_description


@pytest.mark.parametrize("charset", ["ISO_IR 192", "GB18030"])
@pytest.mark.parametrize("sealed", [False, True])
class TestForms:
    async def test_all_of_them_say_what_is_right(
        self,
        client: httpx.AsyncClient,
        stow: Stow,
        db: Database,
        actor: Actor,
        charset: str,
        sealed: bool,
    ) -> None:
        objects = ct_series(3, SpecificCharacterSet=charset, PatientName="Wang^XiaoDong=王^小东")
        await stow(objects)
        study = await edit(client)
        if sealed:
            await archive.seal_study(db, actor.org_id, UUID(study["id"]))
        right = (NAME, "头部平扫")
        one = path_of(objects[1])
        series = one.split("/instances/")[0]

        whole = await client.get(series, headers=ALL)
        assert whole.headers["content-length"] == str(len(whole.content))
        got = await parts_of(whole)
        assert [said(d) for d in got] == [right] * 3
        pixels = [pydicom.dcmread(io.BytesIO(d)).pixel_array for d in got]
        before = [pydicom.dcmread(io.BytesIO(d)).pixel_array for d in objects]
        assert all(np.array_equal(a, b) for a, b in zip(pixels, before, strict=True))

        single = await client.get(one, headers=ONE)
        assert single.content == got[1]
        assert single.headers["content-length"] == str(len(got[1]))
        for span in ((0, 200), (100, 900), (len(got[1]) - 40, len(got[1]))):
            wanted = {**ONE, "Range": f"bytes={span[0]}-{span[1] - 1}"}
            part = await client.get(one, headers=wanted)
            assert (part.status_code, part.content) == (206, got[1][slice(*span)])
            assert part.headers["etag"] == single.headers["etag"]

        frame = await client.get(f"{one}/frames/1", headers={"Accept": "application/octet-stream"})
        assert frame.content == before[1].tobytes()
        bulk = await client.get(f"{one}/bulkdata/7FE00010")
        assert before[1].tobytes() in bulk.content

        (json, *_) = (await client.get(f"{one}/metadata")).json()
        assert json["00081030"]["Value"] == ["头部平扫"]
        assert json["00100010"]["Value"][0]["Ideographic"] == "李^娜"
        assert json["7FE00010"]["BulkDataURI"].endswith("/bulkdata/7FE00010")

        packed = await client.get(series, headers={"Accept": "application/zip"})
        with zipfile.ZipFile(io.BytesIO(packed.content)) as zipped:
            assert [said(zipped.read(n)) for n in zipped.namelist()] == [right] * 3
        coded = await client.get(
            one, headers={"Accept": "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.80"}
        )
        assert said(coded.content) == right
        uri = {"requestType": "WADO", "contentType": "application/dicom"}
        ids = dict(zip(("studyUID", "seriesUID", "objectUID"), one.split("/")[4::2], strict=True))
        assert said((await client.get(f"{ROOT}/wado", params={**uri, **ids})).content) == right
        exported = await client.get(f"/v1/studies/{study['id']}/export")
        with zipfile.ZipFile(io.BytesIO(exported.content)) as zipped:
            assert {said(zipped.read(n)) for n in zipped.namelist()} == {right}


class TestPictures:
    async def test_a_name_on_the_picture_is_the_corrected_one(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        data = ct_bytes(size=128)
        await stow([data])
        wanted = {"annotation": "patient", "viewport": "512,512"}
        path = f"{path_of(data)}/rendered"
        before = (await client.get(path, params=wanted)).content
        plain = (await client.get(path)).content
        await edit(client)
        assert (await client.get(path, params=wanted)).content != before
        assert (await client.get(path)).content == plain


class TestOriginal:
    async def test_needs_its_own_right(
        self,
        client: httpx.AsyncClient,
        stow: Stow,
        actor: Actor,
        authenticator: TableAuthenticator,
    ) -> None:
        data = ct_bytes()
        await stow([data])
        await edit(client)
        path, asked = path_of(data), {"original": "true"}
        assert (await client.get(path, headers=ONE, params=asked)).content == data
        assert await parts_of(await client.get(path, headers=ALL, params=asked)) == [data]
        (json,) = (await client.get(f"{path}/metadata", params=asked)).json()
        assert json["00081030"]["Value"] == ["Chest CT"]
        reader = frozenset({"studies:read", "patients:read"})
        authenticator.actors["reader"] = replace(actor, permissions=reader)
        mine = {**ONE, "x-test-actor": "reader"}
        assert (await client.get(path, headers=mine, params=asked)).status_code == 403
        assert (await client.get(path, headers=mine)).status_code == 200
        wrong = await client.get(path, headers=ONE, params={"original": "yes"})
        assert wrong.json()["code"] == "bad-parameter"

    async def test_a_split_series_is_found_under_its_new_study(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        data = ct_bytes()
        await stow([data])
        (study,) = (await client.get("/v1/studies")).json()["items"]
        whole = (await client.get(f"/v1/studies/{study['id']}")).json()
        body = {"series": [s["id"] for s in whole["series"]], "reason": "two visits"}
        made = (await client.post(f"/v1/studies/{study['id']}/split", json=body)).json()
        assert (await client.get(path_of(data), headers=ONE)).status_code == 404
        path = path_of(data).replace(study["study_uid"], made["after"]["study_uid"])
        shown = read_header((await client.get(path, headers=ONE)).content)
        assert shown.study_uid == made["after"]["study_uid"]
        got = await client.get(path, headers=ONE, params={"original": "true"})
        assert got.content == data
        found = (await client.get(f"{ROOT}/studies")).json()
        assert [s["0020000D"]["Value"][0] for s in found] == [made["after"]["study_uid"]]
