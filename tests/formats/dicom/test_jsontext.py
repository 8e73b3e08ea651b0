# SPDX-License-Identifier: Apache-2.0
"""The JSON text of a header is what ``dumps`` writes, also from what was remembered."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from tests.formats.dicom.factories import slice_of, volume

from healthvision.formats.dicom import jsontext
from healthvision.formats.dicom.header import InstanceHeader, read_header
from healthvision.formats.dicom.jsontext import dumps, entry_text
from healthvision.formats.dicom.writer import to_part10

SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin with an empty memory."""
    monkeypatch.setattr(jsontext, "_read", {})
    yield


def _rich(**attributes: Any) -> Dataset:
    request = Dataset()
    request.AccessionNumber = "A2"
    request.RequestedProcedureID = "R1"
    ds = slice_of(volume(), 0, RequestAttributesSequence=Sequence([request]), **attributes)
    ds.ImageType = ["ORIGINAL", "", "AXIAL"]
    ds.SeriesDescription = 'a "quoted" text'
    ds.PatientComments = ""
    ds.add_new(0x00189073, "FD", [math.nan, math.inf, 1.5])
    ds.add_new(0x00280120, "SS", -2000)
    ds.add_new(0x00420011, "OB", b"ab")
    ds.add_new(0x00091010, "UN", b"private!")
    return ds


def _same(data: bytes) -> InstanceHeader:
    plain = read_header(data)
    for _ in range(2):  # the second time from memory
        found = read_header(data, with_text=True)
        assert found.text == dumps(plain.json)
        assert replace(found, text="") == plain
    return plain


class TestHeaderWithText:
    @pytest.mark.parametrize("syntax", SYNTAXES)
    def test_says_what_a_plain_one_says(self, syntax: str) -> None:
        _same(to_part10(_rich(), syntax))

    def test_tells_the_same_bytes_apart_by_their_character_set(self) -> None:
        texts = set()
        for charset in ("ISO_IR 100", "ISO_IR 144", "ISO_IR 192"):
            data = to_part10(slice_of(volume(), 0, SpecificCharacterSet="ISO_IR 192"))
            marked = data.replace("王".encode(), b"\xc4\xd0\xc4").replace(
                b"ISO_IR 192", charset.encode()
            )
            texts.add(str(_same(marked).json["00100010"]))
        assert len(texts) == 3

    def test_tells_signed_values_of_implicit_objects_apart(self) -> None:
        values = []
        for signed in (0, 1):
            ds = slice_of(volume(), 0, PixelRepresentation=signed)
            ds.add_new(0x00280106, "US", 0xFFFF)
            data = to_part10(ds, ImplicitVRLittleEndian)
            values.append(_same(data).json["00280106"])
        assert values == [{"vr": "US", "Value": [0xFFFF]}, {"vr": "SS", "Value": [-1]}]

    def test_notes_an_odd_length_each_time(self) -> None:
        data = to_part10(slice_of(volume(), 0, SmallestImagePixelValue=7))
        position = data.index(b"\x28\x00\x06\x01")
        odd = data[: position + 6] + b"\x03\0" + data[position + 8 : position + 10] + b"\0"
        odd += data[position + 10 :]
        assert "value-length" in _same(odd).notes

    def test_refers_to_short_pixels_each_time(self) -> None:
        ds = slice_of(volume(), 0, Rows=2, Columns=2)
        ds.PixelData = bytes(8)
        (bulk,) = _same(to_part10(ds)).bulk
        assert (bulk.path, bulk.length) == ("7FE00010", 8)

    def test_remembers_few_values(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("healthvision.formats.dicom.jsonmodel.MOST_READ", 5)
        for number in range(3):
            _same(to_part10(_rich(InstanceNumber=number)))
        assert all(len(memory) <= 5 for memory in jsontext._read.values())

    def test_keeps_no_long_values(self) -> None:
        long = "x" * (jsontext.MOST_BYTES + 2)
        _same(to_part10(slice_of(volume(), 0, ImageComments=long)))
        kept = [key for memory in jsontext._read.values() for key in memory]
        assert kept
        assert max(len(raw) for _, _, raw in kept) <= jsontext.MOST_BYTES


@pytest.mark.parametrize(
    "entry",
    [
        {"vr": "LO"},
        {"vr": "LO", "Value": ['a "b" \\ 王\x00\ud83d\ude00']},
        {"vr": "IS", "Value": [1, -(10**23), "1.5x"]},
        {"vr": "DS", "Value": [0.7, 1e-7, 1e22, -0.0, None]},
        {"vr": "FD", "Value": ["NaN", math.inf]},
        {"vr": "PN", "Value": [{"Alphabetic": "A^B"}]},
        {"vr": "SQ", "Value": [{"00080050": {"vr": "SH", "Value": ["A"]}}]},
        {"vr": "OB", "InlineBinary": "YWI="},
    ],
)
def test_entry_text_is_what_dumps_writes(entry: dict[str, Any]) -> None:
    assert entry_text(entry) == dumps(entry)
