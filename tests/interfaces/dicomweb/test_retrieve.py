# SPDX-License-Identifier: Apache-2.0
"""WADO-RS through the door."""

import io
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import generate_uid
from sqlalchemy import func, select
from tests.factories.dicom import ct_bytes, ct_series
from tests.interfaces.dicomweb.conftest import ROOT, Stow
from tests.interfaces.dicomweb.test_store import parts_of
from tests.support.services import shared

from healthvision.domains.audit.tables import AuditEvent
from healthvision.formats.dicom.header import read_header
from healthvision.formats.dicom.render import Rendering, Window, render_frame
from healthvision.kernel.db import Database

ALL = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
OHIF_FRAME = {"Accept": "multipart/related; type=application/octet-stream; transfer-syntax=*"}
STRANGER = {"x-test-actor": "stranger"}
EXPLICIT = "1.2.840.10008.1.2.1"


def path_of(data: bytes) -> str:
    """Return the path of an instance."""
    header = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    return (
        f"{ROOT}/studies/{header.StudyInstanceUID}/series/{header.SeriesInstanceUID}"
        f"/instances/{header.SOPInstanceUID}"
    )


def real(*parts: str) -> bytes:
    """Return a shared real file."""
    path: Path = shared("dicom", *parts)
    return path.read_bytes()


class TestRetrieveInstances:
    async def test_a_study_and_a_series_come_back_byte_for_byte(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        objects = ct_series(4)
        await stow(objects)
        series = path_of(objects[0]).split("/instances/")[0]
        for path in (series, series.split("/series/")[0]):
            response = await client.get(path, headers=ALL)
            assert response.status_code == 200
            assert await parts_of(response) == objects
            assert response.headers["content-length"] == str(len(response.content))

    @pytest.mark.parametrize(
        "accept",
        [
            "",
            "*/*",
            'multipart/related; type="application/dicom"',
            "multipart/related; type=application/dicom; transfer-syntax=*",
            'multipart/related; type="application/dicom"; transfer-syntax="1.2.840.10008.1.2.1"',
        ],
    )
    async def test_takes_the_headers_of_real_clients(
        self, client: httpx.AsyncClient, stow: Stow, accept: str
    ) -> None:
        data = ct_bytes()
        await stow([data])
        response = await client.get(path_of(data), headers={"Accept": accept})
        assert await parts_of(response) == [data]

    async def test_gives_a_byte_range_of_one_instance(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        data = ct_bytes()
        await stow([data])
        headers = {"Accept": "application/dicom", "Range": "bytes=128-131"}
        response = await client.get(path_of(data), headers=headers)
        assert (response.status_code, response.content) == (206, b"DICM")
        assert response.headers["content-range"] == f"bytes 128-131/{len(data)}"
        headers["Range"] = f"bytes={len(data)}-"
        assert (await client.get(path_of(data), headers=headers)).status_code == 416

    async def test_decodes_compressed_instances_unless_told_not_to(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        data = real("pydicom_test_files", "MR_small_RLE.dcm")
        await stow([data])
        (stored,) = await parts_of(await client.get(path_of(data), headers=ALL))
        assert stored == data
        (decoded,) = await parts_of(await client.get(path_of(data)))
        dataset = pydicom.dcmread(io.BytesIO(decoded))
        assert dataset.file_meta.TransferSyntaxUID == EXPLICIT
        original = pydicom.dcmread(io.BytesIO(data))
        assert np.array_equal(dataset.pixel_array, original.pixel_array)

    async def test_says_clearly_what_cannot_be_made(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        data = ct_bytes()
        await stow([data])
        for accept in (
            "text/html",
            'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.70',
        ):
            response = await client.get(path_of(data), headers={"Accept": accept})
            assert response.status_code == 406
            assert response.json()["code"] == "not-acceptable"
            assert "application/dicom" in response.text or EXPLICIT in response.text

    async def test_strangers_and_other_studies_get_404(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        data = ct_bytes()
        await stow([data])
        path = path_of(data)
        paths = [path + tail for tail in ("", "/metadata", "/frames/1", "/rendered", "/thumbnail")]
        for each in paths:
            assert (await client.get(each, headers=STRANGER)).status_code == 404
        for wrong in (
            path.replace("/default/", "/other/"),
            path.split("/instances/")[0] + "/instances/1.2.3",
            f"{ROOT}/studies/{generate_uid()}",
        ):
            assert (await client.get(wrong)).status_code == 404

    async def test_a_picture_and_the_frames_after_it_are_one_reading(
        self, client: httpx.AsyncClient, stow: Stow, db: Database
    ) -> None:
        """As the viewer asks: the rendered first image, then the pixels."""
        data = ct_bytes()
        await stow([data])
        path = path_of(data)
        for tail in ("/rendered?accept=image/png&window=40,400", "/frames/1", "/frames/1"):
            assert (await client.get(path + tail)).status_code == 200
        read = select(AuditEvent).where(AuditEvent.action == "archive.pixels_read")
        async with db.reading() as session:
            assert len((await session.scalars(read)).all()) == 1

    async def test_each_read_is_in_the_audit_log(
        self, client: httpx.AsyncClient, stow: Stow, db: Database
    ) -> None:
        data = ct_bytes()
        await stow([data])
        path = path_of(data)
        for tail in ("", "/metadata", "/rendered"):
            assert (await client.get(path + tail)).status_code == 200
        await client.get(f"{ROOT}/studies", params={"PatientID": "P1"})
        async with db.reading() as session:
            actions = set(await session.scalars(select(AuditEvent.action)))
        assert {
            "archive.pixels_read",
            "archive.metadata_read",
            "archive.searched",
        } <= actions

    async def test_nothing_leaves_unrecorded(
        self, client: httpx.AsyncClient, stow: Stow, db: Database
    ) -> None:
        data = ct_bytes()
        await stow([data])
        before = await self._count(db)
        refused = await client.get(path_of(data), headers={"Accept": "text/html"})
        assert refused.status_code == 406
        assert await self._count(db) == before

    async def _count(self, db: Database) -> int:
        async with db.reading() as session:
            return await session.scalar(select(func.count()).select_from(AuditEvent)) or 0


class TestRetrieveFrames:
    async def test_gives_the_pixels_of_a_native_frame(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        data = ct_bytes(size=32, fill=7)
        await stow([data])
        pixels = pydicom.dcmread(io.BytesIO(data)).PixelData
        for headers in (OHIF_FRAME, {}, {"Accept": "application/dicom+json, */*"}):
            response = await client.get(path_of(data) + "/frames/1", headers=headers)
            assert await parts_of(response) == [pixels]
        single = await client.get(
            path_of(data) + "/frames/1", headers={"Accept": "application/octet-stream"}
        )
        assert single.content == pixels
        assert single.headers["content-type"].startswith("application/octet-stream")

    async def test_gives_stored_fragments_or_decoded_pixels(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        data = real("pydicom_test_files", "MR_small_RLE.dcm")
        await stow([data])
        path = path_of(data) + "/frames/1"
        response = await client.get(path, headers=OHIF_FRAME)
        assert b"transfer-syntax=1.2.840.10008.1.2.5" in response.content
        (stored,) = await parts_of(response)
        assert stored in data
        (decoded,) = await parts_of(await client.get(path))
        original = pydicom.dcmread(io.BytesIO(data)).pixel_array
        assert decoded == original.astype("<i2").tobytes()

    async def test_gives_several_frames_in_the_asked_order(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        data = real("pydicom_data", "SC_rgb_2frame.dcm")
        await stow([data])
        frames = pydicom.dcmread(io.BytesIO(data)).pixel_array
        response = await client.get(path_of(data) + "/frames/2,1", headers=OHIF_FRAME)
        assert await parts_of(response) == [frames[1].tobytes(), frames[0].tobytes()]

    @pytest.mark.parametrize(
        ("listed", "status"),
        [("2", 404), ("0", 400), ("x", 400), ("1,,2", 400), ("-1", 400), ("1,1", 400)],
    )
    async def test_refuses_frames_that_are_not_there(
        self, client: httpx.AsyncClient, stow: Stow, listed: str, status: int
    ) -> None:
        data = ct_bytes()
        await stow([data])
        response = await client.get(f"{path_of(data)}/frames/{listed}")
        assert response.status_code == status


class TestRetrieveMetadata:
    async def test_refers_to_values_that_can_be_fetched(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        objects = ct_series(2)
        await stow(objects)
        series = path_of(objects[0]).split("/instances/")[0]
        for path, count in (
            (series, 2),
            (series.split("/series/")[0], 2),
            (path_of(objects[1]), 1),
        ):
            response = await client.get(path + "/metadata")
            assert response.headers["content-type"] == "application/dicom+json"
            documents = response.json()
            assert len(documents) == count
        pixels = documents[0]["7FE00010"]
        assert pixels["vr"] == "OW"
        value = await client.get(httpx.URL(pixels["BulkDataURI"]).path)
        assert await parts_of(value) == [pydicom.dcmread(io.BytesIO(objects[1])).PixelData]
        assert value.headers["content-length"] == str(len(value.content))
        name = documents[0]["00100010"]["Value"][0]
        assert name == {"Alphabetic": "Wang^XiaoDong", "Ideographic": "王^小东"}

    async def test_bulk_values_know_range(self, client: httpx.AsyncClient, stow: Stow) -> None:
        data = ct_bytes(size=64)
        await stow([data])
        pixels = pydicom.dcmread(io.BytesIO(data)).PixelData
        headers = {"Accept": "application/octet-stream", "Range": "bytes=-10"}
        response = await client.get(path_of(data) + "/bulkdata/7FE00010", headers=headers)
        assert (response.status_code, response.content) == (206, pixels[-10:])
        unknown = await client.get(path_of(data) + "/bulkdata/00100010")
        assert unknown.status_code == 404

    async def test_has_no_xml(self, client: httpx.AsyncClient, stow: Stow) -> None:
        data = ct_bytes()
        await stow([data])
        headers = {"Accept": 'multipart/related; type="application/dicom+xml"'}
        assert (await client.get(path_of(data) + "/metadata", headers=headers)).status_code == 406


class TestRendered:
    @pytest.mark.parametrize(
        ("accept", "kind"), [("image/jpeg", "JPEG"), ("image/png", "PNG"), ("*/*", "JPEG")]
    )
    async def test_gives_a_picture_in_the_asked_format_and_size(
        self, client: httpx.AsyncClient, stow: Stow, accept: str, kind: str
    ) -> None:
        data = ct_bytes(size=64)
        await stow([data])
        params = {"window": "-1000,200", "viewport": "32,32", "quality": "70"}
        headers = {"Accept": accept}
        for tail in ("/rendered", "/frames/1/rendered"):
            response = await client.get(path_of(data) + tail, params=params, headers=headers)
            picture = Image.open(io.BytesIO(response.content))
            assert (picture.format, picture.size) == (kind, (32, 32))

    async def test_one_frame_of_a_large_object_is_the_same_picture(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        dataset = pydicom.dcmread(io.BytesIO(ct_bytes(size=512)))
        frame = np.arange(512 * 512, dtype="<i2")
        dataset.NumberOfFrames = 12
        dataset.PixelData = b"".join((frame // 16 + n * 500).tobytes() for n in range(12))
        buffer = io.BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        data = buffer.getvalue()
        assert len(data) > 4 << 20
        await stow([data])
        params = {"window": "0,8000"}
        headers = {"Accept": "image/png"}
        path = f"{path_of(data)}/frames/7/rendered"
        response = await client.get(path, params=params, headers=headers)
        how = Rendering(window=Window(0, 8000), media="image/png")
        assert response.content == render_frame(data, read_header(data), frame=6, how=how)

    async def test_the_window_changes_the_picture(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        data = ct_bytes(size=64)
        await stow([data])
        grey = []
        for window in ("-1000,4000", "-4000,100"):
            response = await client.get(
                path_of(data) + "/rendered",
                params={"window": window},
                headers={"Accept": "image/png"},
            )
            grey.append(np.asarray(Image.open(io.BytesIO(response.content))).mean())
        assert grey[0] < 200 < grey[1]

    async def test_thumbnails_of_all_levels_are_small(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        objects = [ct_bytes(size=300)]
        await stow(objects)
        path = path_of(objects[0])
        series = path.split("/instances/")[0]
        for each in (path, series, series.split("/series/")[0]):
            response = await client.get(each + "/thumbnail")
            assert Image.open(io.BytesIO(response.content)).size == (128, 128)

    async def test_names_a_bad_parameter(self, client: httpx.AsyncClient, stow: Stow) -> None:
        data = ct_bytes()
        await stow([data])
        windows = ("1", "a,b", "1,0", "1,nan", "1,2,cubic")
        cases = [
            *(("window", value) for value in windows),
            *(("viewport", value) for value in ("0,1", "99999,1", "1")),
            *(("quality", value) for value in ("0", "best")),
        ]
        for name, value in cases:
            response = await client.get(path_of(data) + "/rendered", params={name: value})
            assert response.status_code == 400, (name, value)
            assert response.json()["parameter"] == name

    async def test_an_object_without_a_picture_is_406(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        data = real("pydicom_test_files", "reportsi.dcm")
        await stow([data])
        picture = {"Accept": "image/jpeg"}
        assert (await client.get(path_of(data) + "/rendered", headers=picture)).status_code == 406
        assert (await client.get(path_of(data) + "/frames/1")).status_code == 404


class TestDeleteStudy:
    async def test_takes_the_study_out_of_sight(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        data = ct_bytes()
        await stow([data])
        study = path_of(data).split("/series/")[0]
        assert (await client.delete(study, headers=STRANGER)).status_code == 404
        assert (await client.delete(study)).status_code == 204
        assert (await client.get(study)).status_code == 404
        assert (await client.delete(study)).status_code == 404
