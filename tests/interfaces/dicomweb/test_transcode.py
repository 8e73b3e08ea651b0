# SPDX-License-Identifier: Apache-2.0
"""Real files of every transfer syntax into Explicit VR Little Endian."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from tests.factories.dicom import ct_bytes
from tests.support.services import shared

from healthvision.formats.dicom.header import read_header
from healthvision.interfaces.dicomweb.transcode import (
    CannotDecode,
    frame_as_explicit,
    inflated_value,
    to_explicit,
)

EXPLICIT = "1.2.840.10008.1.2.1"
FILES = [
    "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "rtdose_expb_1frame.dcm",
    "image_dfl.dcm",
]


def real(name: str) -> bytes:
    """Return a shared real file, wherever it lies."""
    for path in sorted(Path(shared("dicom")).rglob(name)):
        return path.read_bytes()
    pytest.skip(f"data missing: {name}")


class TestToExplicit:
    @pytest.mark.parametrize("name", FILES)
    def test_keeps_pixels_and_identity(self, name: str) -> None:
        data = real(name)
        out = to_explicit(data)
        before, after = read_header(data), read_header(out)
        assert (after.transfer_syntax, after.sop_uid) == (EXPLICIT, before.sop_uid)
        old, new = (pydicom.dcmread(io.BytesIO(d)) for d in (data, out))
        assert np.array_equal(old.pixel_array, new.pixel_array)
        assert old.PatientID == new.PatientID

    def test_numbers_of_big_endian_objects_keep_their_values(self) -> None:
        data = real("MR_small_bigendian.dcm")
        before, after = (pydicom.dcmread(io.BytesIO(d)) for d in (data, to_explicit(data)))
        for keyword in ("Rows", "Columns", "BitsAllocated", "PixelRepresentation"):
            assert before[keyword].value == after[keyword].value

    def test_says_what_cannot_be_decoded(self) -> None:
        with pytest.raises(CannotDecode, match=r"transfer-syntax=\*"):
            to_explicit(_broken_jpeg())

    def test_bytes_that_are_no_dicom_are_refused(self) -> None:
        with pytest.raises(CannotDecode):
            to_explicit(b"nothing")


def _broken_jpeg() -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(ct_bytes()))
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
    dataset.PixelData = pydicom.encaps.encapsulate([b"no picture at all"])
    dataset["PixelData"].VR = "OB"
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


class TestFrameAsExplicit:
    def test_gives_stored_values_in_little_endian(self) -> None:
        data = real("MR_small_bigendian.dcm")
        expected = pydicom.dcmread(io.BytesIO(data)).pixel_array.astype("<i2").tobytes()
        assert frame_as_explicit(data, 0) == expected

    def test_refuses_what_cannot_be_decoded(self) -> None:
        with pytest.raises(CannotDecode):
            frame_as_explicit(_broken_jpeg(), 0)


class TestInflatedValue:
    def test_reads_by_the_place_in_the_inflated_data_set(self) -> None:
        data = real("image_dfl.dcm")
        header = read_header(data)
        assert header.pixel_offset is not None and header.pixel_length is not None
        got = inflated_value(data, header.pixel_offset, header.pixel_length)
        assert got == pydicom.dcmread(io.BytesIO(data)).PixelData
