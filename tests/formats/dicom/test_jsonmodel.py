# SPDX-License-Identifier: Apache-2.0
"""The DICOM JSON model: large values by reference, odd values kept, nothing JSON cannot say."""

import json
import math

from pydicom import Dataset
from pydicom.sequence import Sequence
from tests.formats.dicom.factories import slice_of, volume

from healthvision.formats.dicom.header import read_header
from healthvision.formats.dicom.writer import to_part10


class TestBuild:
    def test_large_values_are_left_out_and_can_be_found(self) -> None:
        item = Dataset()
        item.PixelData = bytes(range(256)) * 8
        item["PixelData"].VR = "OB"
        ds = slice_of(volume(), 0, IconImageSequence=Sequence([Dataset(), item]))
        data = to_part10(ds)
        header = read_header(data)
        (bulk,) = [b for b in header.bulk if b.path != "7FE00010"]
        assert (bulk.path, bulk.vr, bulk.length) == ("00880200/1/7FE00010", "OB", 2048)
        assert data[bulk.offset : bulk.offset + bulk.length] == bytes(range(256)) * 8

    def test_not_a_number_is_written_as_text(self) -> None:
        ds = slice_of(volume(), 0)
        ds.add_new(0x00189073, "FD", [math.nan, math.inf, -math.inf, 1.5])
        model = read_header(to_part10(ds)).json
        assert model["00189073"]["Value"] == ["NaN", "Infinity", "-Infinity", 1.5]
        json.dumps(model, allow_nan=False)

    def test_short_binary_values_are_inline(self) -> None:
        ds = slice_of(volume(), 0)
        ds.add_new(0x00420011, "OB", b"ab")
        assert read_header(to_part10(ds)).json["00420011"]["InlineBinary"] == "YWI="

    def test_empty_values_keep_their_places(self) -> None:
        ds = slice_of(volume(), 0, ImageType=["ORIGINAL", "", "AXIAL"], PatientComments="")
        model = read_header(to_part10(ds)).json
        assert model["00080008"]["Value"] == ["ORIGINAL", None, "AXIAL"]
        assert model["00104000"] == {"vr": "LT"}

    def test_names_have_their_groups(self) -> None:
        model = read_header(to_part10(slice_of(volume(), 0))).json
        expected = {"Alphabetic": "Wang^XiaoDong", "Ideographic": "王^小东"}
        assert model["00100010"]["Value"] == [expected]
