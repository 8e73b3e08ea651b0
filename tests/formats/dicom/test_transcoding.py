# SPDX-License-Identifier: Apache-2.0
"""Objects and frames from one transfer syntax into another."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, JPEGBaseline8Bit
from tests.factories.dicom import ct_bytes
from tests.formats.dicom.factories import shared

from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.header import read_header
from healthvision.formats.dicom.transcoding import (
    LOSSLESS,
    inflated_value,
    transcode,
    transcode_frame,
)

EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
FILES = [
    "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "rtdose_expb_1frame.dcm",
    "image_dfl.dcm",
]
COMPRESSIBLE = [
    *FILES[:5],
    "CT_small.dcm",
    "image_dfl.dcm",
    "SC_rgb.dcm",
    "SC_rgb_2frame.dcm",
    "SC_rgb_16bit.dcm",
    "SC_rgb_rle_2frame.dcm",
    "SC_ybr_full_uncompressed.dcm",
    "examples_palette.dcm",
]


def real(name: str) -> bytes:
    """Return a shared real file, wherever it lies."""
    for path in sorted(Path(shared("dicom")).rglob(name)):
        return path.read_bytes()
    pytest.skip(f"data missing: {name}")


def values(data: bytes) -> np.ndarray:
    """Return all stored values without change of colour."""
    if read_header(data).deflated:  # these cannot be read in place
        return pydicom.dcmread(io.BytesIO(data)).pixel_array
    return pixel_array(io.BytesIO(data), raw=True)


def _broken_jpeg() -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(ct_bytes()))
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
    dataset.PixelData = pydicom.encaps.encapsulate([b"no picture at all"])
    dataset["PixelData"].VR = "OB"
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


class TestTranscode:
    @pytest.mark.parametrize("name", FILES)
    def test_uncompressed_keeps_pixels_and_identity(self, name: str) -> None:
        data = real(name)
        out = transcode(data, EXPLICIT)
        before, after = read_header(data), read_header(out)
        assert (after.transfer_syntax, after.sop_uid) == (EXPLICIT, before.sop_uid)
        old, new = (pydicom.dcmread(io.BytesIO(d)) for d in (data, out))
        assert np.array_equal(old.pixel_array, new.pixel_array)
        assert old.PatientID == new.PatientID

    def test_numbers_of_big_endian_objects_keep_their_values(self) -> None:
        data = real("MR_small_bigendian.dcm")
        before, after = (pydicom.dcmread(io.BytesIO(d)) for d in (data, transcode(data, EXPLICIT)))
        for keyword in ("Rows", "Columns", "BitsAllocated", "PixelRepresentation"):
            assert before[keyword].value == after[keyword].value

    @pytest.mark.parametrize("syntax", LOSSLESS)
    @pytest.mark.parametrize("name", COMPRESSIBLE)
    def test_lossless_targets_keep_every_stored_value(self, name: str, syntax: str) -> None:
        data = real(name)
        out = transcode(data, syntax)
        before, after = read_header(data), read_header(out)
        assert (after.transfer_syntax, after.sop_uid) == (syntax, before.sop_uid)
        assert after.number_of_frames == before.number_of_frames == len(after.frames)
        assert after.photometric_interpretation == before.photometric_interpretation
        assert np.array_equal(values(out), values(data))
        again = transcode(out, EXPLICIT)
        assert np.array_equal(
            pydicom.dcmread(io.BytesIO(again)).pixel_array,
            pydicom.dcmread(io.BytesIO(data)).pixel_array,
        )

    @pytest.mark.parametrize("syntax", LOSSLESS)
    def test_the_ends_of_the_range_stay(self, syntax: str) -> None:
        dataset = pydicom.dcmread(io.BytesIO(ct_bytes()))
        wide = np.tile(np.array([-32768, -1, 0, 32767], np.int16), (64, 16))
        dataset.Rows = dataset.Columns = 64
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 15, 1
        dataset.PixelData = wide.tobytes()
        held = io.BytesIO()
        dataset.save_as(held)
        assert np.array_equal(values(transcode(held.getvalue(), syntax)), wide)

    def test_deflated_is_smaller_and_the_same(self) -> None:
        data = real("CT_small.dcm")
        out = transcode(data, DEFLATED)
        assert len(out) < len(data)
        assert read_header(out).deflated
        assert np.array_equal(pydicom.dcmread(io.BytesIO(out)).pixel_array, values(data))

    def test_a_lossy_copy_says_so_and_has_its_own_uid(self) -> None:
        data = real("SC_rgb.dcm")
        out = pydicom.dcmread(io.BytesIO(transcode(data, JPEGBaseline8Bit)))
        before = pydicom.dcmread(io.BytesIO(data))
        assert out.LossyImageCompression == "01"
        assert out.LossyImageCompressionMethod == "ISO_10918_1"
        assert out.SOPInstanceUID != before.SOPInstanceUID
        assert out.file_meta.MediaStorageSOPInstanceUID == out.SOPInstanceUID
        assert out.SourceImageSequence[0].ReferencedSOPInstanceUID == before.SOPInstanceUID
        assert out.ImageType[0] == "DERIVED"
        assert np.abs(out.pixel_array.astype(int) - before.pixel_array).mean() < 12

    def test_sixteen_bits_are_not_made_lossy(self) -> None:
        with pytest.raises(DicomRefused, match="8 bits"):
            transcode(ct_bytes(), JPEGBaseline8Bit)

    def test_says_what_cannot_be_decoded(self) -> None:
        with pytest.raises(DicomRefused, match=r"transfer-syntax=\*"):
            transcode(_broken_jpeg(), EXPLICIT)

    def test_bytes_that_are_no_dicom_are_refused(self) -> None:
        with pytest.raises(DicomRefused):
            transcode(b"nothing", EXPLICIT)

    def test_other_targets_are_refused(self) -> None:
        with pytest.raises(DicomRefused, match="not written"):
            transcode(ct_bytes(), "1.2.840.10008.1.2.2")


class TestTranscodeFrame:
    def test_gives_stored_values_in_little_endian(self) -> None:
        data = real("MR_small_bigendian.dcm")
        expected = pydicom.dcmread(io.BytesIO(data)).pixel_array.astype("<i2").tobytes()
        assert transcode_frame(data, 0, EXPLICIT) == expected

    @pytest.mark.parametrize("syntax", LOSSLESS)
    def test_gives_the_same_stream_as_the_whole_object(self, syntax: str) -> None:
        data = real("SC_rgb_2frame.dcm")
        whole = pydicom.dcmread(io.BytesIO(transcode(data, syntax)))
        frames = list(generate_frames(whole.PixelData, number_of_frames=2))
        assert transcode_frame(data, 1, UID(syntax)) == frames[1]

    def test_refuses_what_cannot_be_decoded(self) -> None:
        with pytest.raises(DicomRefused):
            transcode_frame(_broken_jpeg(), 0, EXPLICIT)


class TestInflatedValue:
    def test_reads_by_the_place_in_the_inflated_data_set(self) -> None:
        data = real("image_dfl.dcm")
        header = read_header(data)
        assert header.pixel_offset is not None and header.pixel_length is not None
        got = inflated_value(data, header.pixel_offset, header.pixel_length)
        assert got == pydicom.dcmread(io.BytesIO(data)).PixelData
