# SPDX-License-Identifier: Apache-2.0
"""Stored values of the collection against the hashes of its manifest."""

import csv
import hashlib

import numpy as np
import pytest
from tests.formats.dicom.factories import series_of, shared, slice_of, volume

from healthvision.clinical.volume import Array
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.frames import frame_bytes
from healthvision.formats.dicom.header import read_header
from healthvision.formats.dicom.pixels import decode_frame
from healthvision.formats.dicom.writer import to_part10


class TestDecodeFrame:
    def test_values_are_those_of_the_manifest(self) -> None:
        root = shared("dicom")
        same: list[str] = []
        other: list[str] = []
        with (root / "MANIFEST.csv").open(encoding="utf-8") as stream:
            rows = [r for r in csv.DictReader(stream) if r["pixel_sha256_16"]]
        for row in rows:
            data = (root / row["file"]).read_bytes()
            try:
                header = read_header(data)
                frames = [decode_frame(data, header, i) for i in range(header.number_of_frames)]
            except DicomRefused:
                continue
            pixels = np.stack(frames) if len(frames) > 1 else frames[0]
            (same if row["pixel_sha256_16"] in _hashes(pixels) else other).append(row["file"])
        assert len(same) >= 215
        assert other == []

    def test_masks_what_lies_above_the_stored_bits(self) -> None:
        ds = slice_of(volume(), 0, BitsStored=12, HighBit=11)
        plain = np.frombuffer(ds.PixelData, "<u2") & 0x0FFF
        ds.PixelData = (plain | 0x3000).astype("<u2").tobytes()
        data = to_part10(ds)
        assert np.array_equal(decode_frame(data, read_header(data)).ravel(), plain)

    def test_extends_the_sign_of_12_bits(self) -> None:
        ds = slice_of(volume(), 0, BitsStored=12, HighBit=11, PixelRepresentation=1)
        ds.Rows, ds.Columns = 1, 2
        ds.PixelData = np.array([0x0FFF, 0x0001], "<u2").tobytes()
        data = to_part10(ds)
        assert decode_frame(data, read_header(data)).tolist() == [[-1, 1]]

    def test_names_the_transfer_syntax_it_cannot_decode(self) -> None:
        data = shared("dicom/pydicom_test_files/JPGExtended.dcm").read_bytes()
        with pytest.raises(DicomRefused, match="JPEG Extended"):
            decode_frame(data, read_header(data))

    def test_refuses_a_frame_that_is_not_there(self) -> None:
        data = series_of(volume())[0]
        with pytest.raises(DicomRefused) as caught:
            decode_frame(data, read_header(data), 1)
        assert caught.value.reason == "frame-number"


def _hashes(pixels: Array) -> set[str]:
    """Hashes in both byte orders: the manifest hashed big endian files as they are."""
    swapped = pixels.astype(pixels.dtype.newbyteorder(">"))
    made = (hashlib.sha256(np.ascontiguousarray(p).tobytes()) for p in (pixels, swapped))
    return {h.hexdigest()[:16] for h in made}


class TestFrameBytes:
    def test_finds_native_frames_and_fragments(self) -> None:
        data = series_of(volume())[0]
        header = read_header(data)
        assert frame_bytes(data, header.frames[0]) == slice_of(volume(), 0).PixelData
        path = shared("dicom/pydicom_data/emri_small_RLE.dcm")
        multi = path.read_bytes()
        found = read_header(multi)
        assert found.encapsulated and len(found.frames) == found.number_of_frames == 10
        assert all(frame_bytes(multi, f)[:1] == b"\x02" for f in found.frames)  # 2 RLE segments
