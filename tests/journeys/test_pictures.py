# SPDX-License-Identifier: Apache-2.0
"""Pictures in, exact pixels out by WADO-RS, and the original file byte for byte."""

import io
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from PIL import Image

from healthvision.client import ApiError, Client, UploadFailed
from healthvision.client.models import Upload, UploadMeta
from healthvision.clinical.volume import Array
from tests.journeys.chests import opened
from tests.journeys.world import Json, World

OCTETS = 'multipart/related; type="application/octet-stream"'


def send(client: Client, path: Path, patient: str) -> Upload:
    """Upload a picture of a patient."""
    meta = UploadMeta(patient_id=patient, modality="DX", study_date="20260304")
    return client.upload(path, meta=meta, content_type="application/octet-stream")


def described(world: World, study_id: UUID) -> tuple[Json, str]:
    """Return the DICOM JSON of a study's only instance and its DICOMweb path."""
    study = world.ask("GET", f"/v1/studies/{study_id}")
    assert study["instance_count"] == 1
    path = f"/dicomweb/default/studies/{study['study_uid']}"
    headers = {"Accept": "application/dicom+json"}
    found: Json = world.ask("GET", f"{path}/metadata", headers=headers)[0]  # type: ignore[index]
    series, instance = (found[t]["Value"][0] for t in ("0020000E", "00080018"))
    return found, f"{path}/series/{series}/instances/{instance}"


def frame(world: World, path: str, number: int = 1) -> bytes:
    """Return the bytes of one frame, taken out of its multipart envelope."""
    headers = {**world.admin.headers, "Accept": OCTETS}
    answer = world.http.get(f"{path}/frames/{number}", headers=headers)
    assert answer.status_code == 200, answer.text
    boundary = answer.headers["content-type"].split("boundary=")[1].split(";")[0].strip('"')
    part = answer.content.split(f"--{boundary}".encode())[1]
    body = part.split(b"\r\n\r\n", 1)[1]
    return body[: -len(b"\r\n")]


def original(world: World, upload: Upload) -> bytes:
    """Return the original file of an upload."""
    path = f"/v1/uploads/{upload.id}/original"
    answer = world.http.get(path, headers=world.admin.headers)
    assert answer.status_code == 200
    return answer.content


def grey(seed: int, shape: tuple[int, int]) -> Array:
    """Return 16-bit noise that uses the whole range."""
    pixels = np.random.default_rng(seed).integers(0, 65536, shape, dtype=np.uint16)
    pixels[0, 0], pixels[0, 1] = 0, 65535
    return pixels


class TestTiff:
    def test_sixteen_bit_pixels_and_the_file_come_back_exactly(
        self, world: World, tmp_path: Path
    ) -> None:
        pixels = grey(1, (211, 173))  # odd sizes: padding must not show
        path = tmp_path / "film.tiff"
        Image.fromarray(pixels).save(path, "TIFF")
        with opened(world) as client:
            upload = send(client, path, "TIFF-16")
        found, place = described(world, upload.studies[0])
        assert found["00280100"]["Value"] == [16]
        assert found["00280103"]["Value"] == [0]
        assert found["00280004"]["Value"] == ["MONOCHROME2"]
        got = np.frombuffer(frame(world, place)[: pixels.nbytes], "<u2").reshape(pixels.shape)
        np.testing.assert_array_equal(got, pixels)
        assert original(world, upload) == path.read_bytes()

    def test_every_page_is_a_frame_with_its_own_exact_pixels(
        self, world: World, tmp_path: Path
    ) -> None:
        pages = [grey(number, (64, 48)) for number in range(3)]
        path = tmp_path / "pages.tif"
        first, *rest = [Image.fromarray(p) for p in pages]
        first.save(path, "TIFF", save_all=True, append_images=rest)
        with opened(world) as client:
            upload = send(client, path, "TIFF-PAGES")
        found, place = described(world, upload.studies[0])
        assert int(found["00280008"]["Value"][0]) == 3
        for number, page in enumerate(pages, start=1):
            got = np.frombuffer(frame(world, place, number)[: page.nbytes], "<u2")
            np.testing.assert_array_equal(got.reshape(page.shape), page)
        assert original(world, upload) == path.read_bytes()

    def test_a_cut_file_is_refused_by_name_and_kept_in_quarantine(
        self, world: World, tmp_path: Path
    ) -> None:
        path = tmp_path / "cut.tiff"
        out = io.BytesIO()
        Image.fromarray(grey(9, (64, 64))).save(out, "TIFF")
        path.write_bytes(out.getvalue()[:-900])
        before = world.ask("GET", "/v1/quarantine")["total"]
        with opened(world) as client, pytest.raises((UploadFailed, ApiError)):
            upload = send(client, path, "TIFF-CUT")
            assert upload.failed == 1, upload
            assert upload.results[0].name == "cut.tiff"
            raise UploadFailed(upload.results[0].reason)
        items = world.ask("GET", "/v1/quarantine")
        assert items["total"] is None or items["total"] > (before or 0)
        assert items["items"], "the bytes are lost"


class TestJpeg:
    def test_decoded_pixels_are_stored_marked_lossy_and_the_file_is_kept(
        self, world: World, tmp_path: Path
    ) -> None:
        path = tmp_path / "photo.jpg"
        pixels = (grey(4, (80, 120)) >> 8).astype(np.uint8)
        Image.fromarray(pixels).save(path, "JPEG", quality=90)
        with opened(world) as client:
            upload = send(client, path, "JPEG-8")
        found, place = described(world, upload.studies[0])
        with Image.open(path) as picture:
            shown = np.asarray(picture)
        got = np.frombuffer(frame(world, place)[: shown.nbytes], np.uint8).reshape(shown.shape)
        np.testing.assert_array_equal(got, shown)
        assert found["00282110"]["Value"] == ["01"]
        assert original(world, upload) == path.read_bytes()
