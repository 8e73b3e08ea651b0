# SPDX-License-Identifier: Apache-2.0
"""Pictures into DICOM: exact values, right way up, bounded."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.formats.dicom.factories import shared

from healthvision.clinical.volume import Array
from healthvision.formats.dicom.header import read_header
from healthvision.formats.dicom.pixels import decode_frame
from healthvision.formats.images.capture import ImageMeta, to_dicom
from healthvision.formats.images.errors import ImageRefused
from healthvision.formats.images.png import to_png
from healthvision.formats.images.reading import read_pages

META = ImageMeta(
    patient_id="P1",
    patient_name="王^小东",
    modality="DX",
    body_part="CHEST",
    view="PA",
    study_date="20260304",
    study_description="胸片",
)
GREY16 = np.random.default_rng(0).integers(0, 65536, (17, 23)).astype(np.uint16)
GREY8 = np.random.default_rng(1).integers(0, 256, (17, 23)).astype(np.uint8)
RGB = np.random.default_rng(2).integers(0, 256, (17, 23, 3)).astype(np.uint8)


def _save(pixels: Array | Image.Image, kind: str, **options: Any) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _stored(data: bytes) -> Array:
    header = read_header(data)
    frames = [decode_frame(data, header, i) for i in range(header.number_of_frames)]
    return np.stack(frames) if len(frames) > 1 else frames[0]


def _tiff(pixels: Array, *, photometric: int, sample_format: int = 1) -> bytes:
    """A plain little endian TIFF written by hand, so that no library changes the values."""
    data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    bits = pixels.dtype.itemsize * 8
    entries = [
        (256, 4, pixels.shape[1]),
        (257, 4, pixels.shape[0]),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, photometric),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, pixels.shape[0]),
        (279, 4, len(data)),
        (339, 3, sample_format),
    ]
    data += b"\0" * (len(data) % 2)
    ifd = struct.pack("<H", len(entries))
    for tag, kind, value in entries:
        ifd += struct.pack("<HHI", tag, kind, 1)
        ifd += struct.pack("<HH", value, 0) if kind == 3 else struct.pack("<I", value)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + ifd + struct.pack("<I", 0)


class TestToDicom:
    def test_keeps_what_the_caller_says(self) -> None:
        (data,) = to_dicom(_save(GREY8, "PNG"), META, uid_salt="org")
        header = read_header(data)
        assert (header.patient_name, header.modality) == ("王^小东", "DX")
        assert (header.body_part, header.view_position) == ("CHEST", "PA")
        assert header.sop_class_uid == "1.2.840.10008.5.1.4.1.1.7"
        assert header.study_description == "胸片"

    @pytest.mark.parametrize("kind", ["PNG", "TIFF"])
    def test_16_bit_values_are_exact(self, kind: str) -> None:
        (data,) = to_dicom(_save(GREY16, kind), META, uid_salt="org")
        assert np.array_equal(_stored(data), GREY16)
        assert read_header(data).photometric_interpretation == "MONOCHROME2"

    def test_big_endian_tiff_is_exact(self) -> None:
        raw = bytearray(_tiff(GREY16, photometric=1))
        image = Image.open(io.BytesIO(bytes(raw)))
        out = io.BytesIO()
        image.save(out, "TIFF", big_endian=True)
        (data,) = to_dicom(out.getvalue(), META, uid_salt="org")
        assert np.array_equal(_stored(data), GREY16)

    @pytest.mark.parametrize("pixels", [GREY8, GREY16])
    def test_min_is_white_keeps_values_and_becomes_monochrome1(self, pixels: Array) -> None:
        (data,) = to_dicom(_tiff(pixels, photometric=0), META, uid_salt="org")
        assert read_header(data).photometric_interpretation == "MONOCHROME1"
        assert np.array_equal(_stored(data), pixels)

    def test_signed_tiff_values_are_exact(self) -> None:
        signed = (GREY16.astype(np.int32) - 32768).astype(np.int16)
        (data,) = to_dicom(_tiff(signed, photometric=1, sample_format=2), META, uid_salt="org")
        assert np.array_equal(_stored(data), signed)
        assert read_header(data).pixel_representation == 1

    def test_colour_and_palette(self) -> None:
        (data,) = to_dicom(_save(RGB, "PNG"), META, uid_salt="org")
        assert np.array_equal(_stored(data), RGB)
        palette = Image.fromarray(RGB).quantize(16)
        (coloured,) = to_dicom(_save(palette, "PNG"), META, uid_salt="org")
        assert np.array_equal(_stored(coloured), np.asarray(palette.convert("RGB")))

    def test_pages_become_frames(self) -> None:
        pages = [Image.fromarray(GREY16 // (i + 1)) for i in range(3)]
        raw = _save(pages[0], "TIFF", save_all=True, append_images=pages[1:])
        (data,) = to_dicom(raw, META, uid_salt="org")
        header = read_header(data)
        assert header.number_of_frames == 3
        assert header.sop_class_uid == "1.2.840.10008.5.1.4.1.1.7.3"
        assert np.array_equal(_stored(data), np.stack([GREY16 // (i + 1) for i in range(3)]))

    def test_pages_of_different_size_become_objects_of_one_series(self) -> None:
        pages = [Image.fromarray(GREY8), Image.fromarray(GREY8[:9])]
        raw = _save(pages[0], "TIFF", save_all=True, append_images=pages[1:])
        headers = [read_header(d) for d in to_dicom(raw, META, uid_salt="org")]
        assert [h.rows for h in headers] == [17, 9]
        assert len({h.series_uid for h in headers}) == 1
        assert len({h.sop_uid for h in headers}) == 2

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_a_camera_picture_is_turned_upright(self, orientation: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        raw = _save(GREY8, "PNG", exif=exif)
        turned = {
            1: GREY8,
            2: GREY8[:, ::-1],
            3: GREY8[::-1, ::-1],
            4: GREY8[::-1],
            5: GREY8.T,
            6: np.rot90(GREY8, -1),
            7: GREY8[::-1, ::-1].T,
            8: np.rot90(GREY8),
        }
        (data,) = to_dicom(raw, META, uid_salt="org")
        assert np.array_equal(_stored(data), turned[orientation])

    def test_jpeg_is_decoded_and_marked_lossy(self) -> None:
        raw = _save(GREY8, "JPEG", quality=95)
        (data,) = to_dicom(raw, META, uid_salt="org")
        header = read_header(data)
        assert header.json["00282110"]["Value"] == ["01"]
        assert np.array_equal(_stored(data), np.asarray(Image.open(io.BytesIO(raw))))

    def test_same_content_salt_and_patient_give_the_same_bytes(self) -> None:
        raw = _save(GREY8, "PNG")
        assert to_dicom(raw, META, uid_salt="a") == to_dicom(raw, META, uid_salt="a")
        one, two = (read_header(to_dicom(raw, META, uid_salt=s)[0]).sop_uid for s in "ab")
        assert one != two

    def test_real_chest_pictures_come_through(self) -> None:
        folder = shared("cxr/covid_adult")
        paths = sorted(
            p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png")
        )
        assert paths
        for path in paths[:10]:
            (data,) = to_dicom(path, META, uid_salt="org")
            header = read_header(data)
            with Image.open(path) as image:
                assert (header.columns, header.rows) == image.size
            assert to_png(data, header).startswith(b"\x89PNG")


def _png_of(width: int, height: int) -> bytes:
    """A small file that claims a huge picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


class TestReadPages:
    @pytest.mark.parametrize("size", [(20_000, 20_000), (200_000, 200_000)])
    def test_refuses_a_decompression_bomb_before_decoding(self, size: tuple[int, int]) -> None:
        with pytest.raises(ImageRefused) as caught:
            read_pages(_png_of(*size))
        assert caught.value.reason == "too-large"

    def test_counts_the_pixels_of_all_pages(self) -> None:
        pages = [Image.fromarray(GREY8)] * 5
        raw = _save(pages[0], "TIFF", save_all=True, append_images=pages[1:])
        with pytest.raises(ImageRefused) as caught:
            read_pages(raw, max_pixels=17 * 23 * 4)
        assert caught.value.reason == "too-large"

    def test_refuses_other_files_and_truncated_ones(self) -> None:
        with pytest.raises(ImageRefused) as caught:
            read_pages(b"GIF89a" + b"\0" * 100)
        assert caught.value.reason == "not-an-image"
        raw = _save(RGB, "PNG")
        with pytest.raises(ImageRefused) as damaged:
            read_pages(raw[: len(raw) // 2])
        assert damaged.value.reason == "damaged"

    def test_refuses_to_cut_deep_colour_to_8_bits(self) -> None:
        body = zlib.compress(b"".join(b"\0" + bytes(6 * 4) for _ in range(3)))
        head = struct.pack(">IIBBBBB", 4, 3, 16, 2, 0, 0, 0)
        raw = b"\x89PNG\r\n\x1a\n"
        for kind, part in ((b"IHDR", head), (b"IDAT", body), (b"IEND", b"")):
            raw += struct.pack(">I", len(part)) + kind + part
            raw += struct.pack(">I", zlib.crc32(kind + part))
        with pytest.raises(ImageRefused) as caught:
            read_pages(raw)
        assert caught.value.reason == "depth"

    @settings(max_examples=200, deadline=None)
    @given(st.sampled_from(["PNG", "TIFF", "JPEG"]), st.data())
    def test_any_damage_is_read_or_refused(self, kind: str, data: st.DataObject) -> None:
        raw = bytearray(_save(GREY8, kind))
        for _ in range(data.draw(st.integers(1, 6))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        try:
            read_pages(bytes(raw), max_pixels=1_000_000)
        except ImageRefused as refused:
            assert refused.reason
