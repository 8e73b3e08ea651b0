# SPDX-License-Identifier: Apache-2.0
"""Rendered resources, zips, other encodings and WADO-URI through the door."""

import io
import zipfile

import httpx
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.pixels.utils import pixel_array
from tests.factories.dicom import ct_bytes, ct_series
from tests.interfaces.dicomweb.conftest import ROOT, Stow
from tests.interfaces.dicomweb.test_retrieve import STRANGER, path_of, real
from tests.interfaces.dicomweb.test_store import parts_of

SYNTAXES = [f"1.2.840.10008.1.2.{n}" for n in ("4.80", "4.90", "4.201", "5")]


def image(response: httpx.Response) -> Image.Image:
    """Return the picture of an answer."""
    assert response.status_code == 200, response.text
    return Image.open(io.BytesIO(response.content))


class TestOtherEncodings:
    @pytest.mark.parametrize("syntax", SYNTAXES)
    async def test_an_instance_comes_in_the_asked_encoding(
        self, client: httpx.AsyncClient, stow: Stow, syntax: str
    ) -> None:
        data = ct_bytes()
        await stow([data])
        accept = {
            "Accept": f'multipart/related; type="application/dicom"; transfer-syntax={syntax}'
        }
        for _ in range(2):  # made, then kept
            (got,) = await parts_of(await client.get(path_of(data), headers=accept))
            dataset = pydicom.dcmread(io.BytesIO(got))
            assert dataset.file_meta.TransferSyntaxUID == syntax
            assert np.array_equal(dataset.pixel_array, pixel_array(io.BytesIO(data)))

    async def test_a_frame_comes_as_the_asked_image_type(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        data = ct_bytes()
        await stow([data])
        accept = {"Accept": "image/jphc"}
        response = await client.get(path_of(data) + "/frames/1", headers=accept)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("image/jphc")
        assert response.content.startswith(b"\xff\x4f\xff\x51")

    async def test_what_the_encoding_cannot_hold_is_406(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        data = ct_bytes()
        await stow([data])
        accept = {"Accept": "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50"}
        response = await client.get(path_of(data) + "/frames/1", headers=accept)
        assert response.status_code == 406
        assert "8 bits" in response.text


class TestZip:
    async def test_holds_every_file_byte_for_byte(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        objects = ct_series(3)
        await stow(objects)
        study = path_of(objects[0]).split("/series/")[0]
        response = await client.get(study, headers={"Accept": "application/zip"})
        assert response.headers["content-type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(response.content)) as packed:
            assert packed.testzip() is None
            names = packed.namelist()
            assert names == [f"DICOM/SER00000/IMG{n:05d}.dcm" for n in range(3)]
            assert sorted(packed.read(n) for n in names) == sorted(objects)


class TestRenderedForms:
    async def test_a_region_can_be_mirrored(self, client: httpx.AsyncClient, stow: Stow) -> None:
        data = real("pydicom_test_files", "CT_small.dcm")
        await stow([data])
        url, png = path_of(data) + "/rendered", {"Accept": "image/png"}
        whole = np.asarray(image(await client.get(url, headers=png)))
        for wanted, expected in (
            ("64,32,10,20,64,32", whole[20:52, 10:74]),
            ("64,32,10,20,-64,32", whole[20:52, 10:74][:, ::-1]),
            ("64,32,10,20,64,-32", whole[20:52, 10:74][::-1]),
        ):
            got = await client.get(url, headers=png, params={"viewport": wanted})
            assert np.array_equal(np.asarray(image(got)), expected)

    async def test_a_region_outside_is_clear(self, client: httpx.AsyncClient, stow: Stow) -> None:
        data = ct_bytes()
        await stow([data])
        parameters = {"viewport": "9,9,5000,0,9,9"}
        response = await client.get(path_of(data) + "/rendered", params=parameters)
        assert response.status_code == 406
        assert "region" in response.text

    async def test_annotations_are_burnt_into_the_copy(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        data = real("pydicom_test_files", "CT_small.dcm")
        await stow([data])
        url, png = path_of(data) + "/rendered", {"Accept": "image/png"}
        plain = np.asarray(image(await client.get(url, headers=png)))
        noted = await client.get(url, headers=png, params={"annotation": "patient,technique"})
        assert not np.array_equal(np.asarray(image(noted)), plain)
        bad = await client.get(url, params={"annotation": "all"})
        assert (bad.status_code, bad.json()["parameter"]) == (400, "annotation")

    async def test_many_frames_move(self, client: httpx.AsyncClient, stow: Stow) -> None:
        data = real("pydicom_test_files", "SC_rgb_rle_2frame.dcm")
        await stow([data])
        gif = image(await client.get(path_of(data) + "/rendered", headers={"Accept": "image/gif"}))
        assert getattr(gif, "n_frames", 1) == 2
        film = await client.get(path_of(data) + "/rendered", headers={"Accept": "video/mp4"})
        assert film.status_code == 200
        assert film.content[4:8] == b"ftyp"
        assert film.content.count(b"\xff\xd8\xff") == 2

    async def test_a_series_gives_its_middle_picture_or_all(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        objects = ct_series(3)
        await stow(objects)
        series = path_of(objects[0]).split("/instances/")[0]
        assert image(await client.get(series + "/rendered")).format == "JPEG"
        accept = {"Accept": 'multipart/related; type="image/png"'}
        parts = await parts_of(await client.get(series + "/rendered", headers=accept))
        assert [Image.open(io.BytesIO(p)).format for p in parts] == ["PNG"] * 3

    async def test_a_report_is_a_page(self, client: httpx.AsyncClient, stow: Stow) -> None:
        data = real("pydicom_test_files", "reportsi.dcm")
        await stow([data])
        response = await client.get(path_of(data) + "/rendered")
        assert response.headers["content-type"].startswith("text/html")
        assert "sandbox" in response.headers["content-security-policy"]
        assert "<li>" in response.text

    async def test_strangers_see_nothing(self, client: httpx.AsyncClient, stow: Stow) -> None:
        data = ct_bytes()
        await stow([data])
        series = path_of(data).split("/instances/")[0]
        for path in (path_of(data), series):
            response = await client.get(path + "/rendered", headers=STRANGER)
            assert response.status_code == 404


class TestWadoUri:
    def _asked(self, data: bytes, **more: str) -> dict[str, str]:
        header = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
        return {
            "requestType": "WADO",
            "studyUID": header.StudyInstanceUID,
            "seriesUID": header.SeriesInstanceUID,
            "objectUID": header.SOPInstanceUID,
            **more,
        }

    async def test_gives_the_object_and_its_picture(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        data = ct_bytes(size=64)
        await stow([data])
        asked = self._asked(data, contentType="application/dicom")
        assert (await client.get(f"{ROOT}/wado", params=asked)).content == data
        asked = self._asked(data, rows="32", columns="32", region="0,0,0.5,0.5", imageQuality="80")
        assert image(await client.get(f"{ROOT}/wado", params=asked)).size == (32, 32)

    @pytest.mark.parametrize(
        "name, value",
        [
            ("anonymize", "yes"),
            ("requestType", "OTHER"),
            ("region", "1,1,0,0"),
            ("windowCenter", "40"),
            ("unheard", "x"),
        ],
    )
    async def test_obeys_or_refuses(
        self, client: httpx.AsyncClient, stow: Stow, name: str, value: str
    ) -> None:
        data = ct_bytes()
        await stow([data])
        asked = self._asked(data, **{name: value})
        response = await client.get(f"{ROOT}/wado", params=asked)
        assert (response.status_code, response.json()["parameter"]) == (400, name)

    async def test_strangers_get_404(self, client: httpx.AsyncClient, stow: Stow) -> None:
        data = ct_bytes()
        await stow([data])
        response = await client.get(f"{ROOT}/wado", params=self._asked(data), headers=STRANGER)
        assert response.status_code == 404


class TestDeleteParts:
    async def test_what_is_left_is_counted(self, client: httpx.AsyncClient, stow: Stow) -> None:
        objects = ct_series(3)
        await stow(objects)
        study = path_of(objects[0]).split("/series/")[0]
        series = path_of(objects[0]).split("/instances/")[0]
        assert (await client.delete(path_of(objects[1]), headers=STRANGER)).status_code == 404
        assert (await client.delete(path_of(objects[1]))).status_code == 204
        assert (await client.get(path_of(objects[1]))).status_code == 404
        (found,) = (await client.get(f"{ROOT}/studies")).json()
        assert found["00201208"]["Value"] == [2]
        assert (await client.delete(path_of(objects[1]))).status_code == 404
        assert (await client.delete(series)).status_code == 204
        assert (await client.get(study)).status_code == 404
        assert (await stow(objects)).status_code == 200
        assert (await client.get(f"{series}/metadata")).status_code == 200
