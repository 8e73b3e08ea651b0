# SPDX-License-Identifier: Apache-2.0
"""Objects as people see them: films, documents, reports."""

import struct

import numpy as np
import pytest
from tests.formats.dicom.factories import shared, slice_of, volume

from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.header import read_header
from healthvision.formats.dicom.mp4 import to_mp4
from healthvision.formats.dicom.picture import encode, encode_moving
from healthvision.formats.dicom.shown import document_of, frame_ms, show_report
from healthvision.formats.dicom.srhtml import to_html
from healthvision.formats.dicom.writer import to_part10


class TestToMp4:
    def test_the_boxes_add_up_and_name_every_picture(self) -> None:
        frames = [encode(np.full((16, 24), n, np.uint8), "image/jpeg") for n in (0, 99)]
        film = to_mp4(frames, 24, 16, 40.0)
        position, kinds = 0, []
        while position < len(film):
            size, kind = struct.unpack_from(">I4s", film, position)
            kinds.append(kind)
            position += size
        assert (position, kinds) == (len(film), [b"ftyp", b"mdat", b"moov"])
        at = film.index(b"stsz") + 4
        sizes = struct.unpack_from(">IIIII", film, at)
        assert sizes == (0, 0, 2, len(frames[0]), len(frames[1]))
        (start,) = struct.unpack_from(">I", film, film.index(b"stco") + 12)
        assert film[start : start + len(frames[0])] == frames[0]

    def test_needs_a_picture(self) -> None:
        with pytest.raises(ValueError, match="pictures"):
            to_mp4([], 1, 1, 40)
        with pytest.raises(ValueError, match="pictures"):
            encode_moving([], "image/gif", frame_ms=40)


class TestDocuments:
    @pytest.mark.parametrize("size", [200, 5001])
    def test_a_pdf_comes_out_as_it_went_in(self, size: int) -> None:
        pdf = b"%PDF-1.7\n" + bytes(size)
        held = slice_of(volume(), 0, EncapsulatedDocument=pdf + b"\0" * (len(pdf) % 2))
        held.EncapsulatedDocumentLength = len(pdf)
        assert document_of(to_part10(held)) == pdf

    def test_an_image_holds_no_document(self) -> None:
        with pytest.raises(DicomRefused):
            document_of(to_part10(slice_of(volume(), 0)))

    def test_a_report_lists_its_content(self) -> None:
        data = (shared("dicom") / "pydicom_test_files" / "reportsi.dcm").read_bytes()
        assert b"<li>" in show_report(data)

    def test_values_are_escaped(self) -> None:
        item = {
            "0040A040": {"Value": ["TEXT"]},
            "0040A160": {"Value": ["<script>alert(1)</script>"]},
        }
        page = to_html({"0040A730": {"vr": "SQ", "Value": [item]}})
        assert "<script>" not in page
        assert "&lt;script&gt;" in page


class TestFrameMs:
    def test_follows_the_object(self) -> None:
        assert frame_ms(read_header(to_part10(slice_of(volume(), 0, FrameTime="40")))) == 40
        assert frame_ms(read_header(to_part10(slice_of(volume(), 0, CineRate="20")))) == 50
        assert frame_ms(read_header(to_part10(slice_of(volume(), 0)))) == 100
