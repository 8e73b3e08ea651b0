# SPDX-License-Identifier: Apache-2.0
"""Label maps turned into BINARY for PACS: judged by dciodvfy, highdicom and the direct way."""

import io
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from tests.formats.dicom.factories import rotation, series_of, volume
from tests.formats.dicom.test_outputs import Case, _errors

from healthvision.formats.dicom.binary_seg import BINARY_CLASS, as_binary, binary_uid
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.header import read_header
from healthvision.formats.dicom.outputs import OutputObject


@pytest.fixture(scope="module")
def case() -> Case:
    return Case(series_of(volume(turned=rotation(0.2, -0.1, 0.3))))


def _turned(case: Case, name: str) -> OutputObject:
    stored = case.write("LABELMAP")[name]
    data = as_binary(stored.data)
    head = read_header(data)
    return OutputObject(name, stored.kind, head.sop_class_uid, head.sop_uid, head.series_uid, data)


class TestAsBinary:
    def test_dciodvfy_finds_no_error(self, case: Case, tmp_path: Path) -> None:
        assert {n: _errors(_turned(case, n), tmp_path) for n in ("seg", "sr")} == {
            "seg": [],
            "sr": [],
        }

    def test_the_segments_are_those_written_directly(self, case: Case) -> None:
        direct = hd.seg.segread(io.BytesIO(case.write("BINARY")["seg"].data))
        turned = hd.seg.segread(io.BytesIO(_turned(case, "seg").data))
        one, two = (s.get_volume(combine_segments=True) for s in (direct, turned))
        assert np.array_equal(one.array, two.array)
        assert np.allclose(one.affine, two.affine)
        assert turned.SOPClassUID == BINARY_CLASS
        assert [s.SegmentLabel for s in turned.SegmentSequence] == [
            s.SegmentLabel for s in direct.SegmentSequence
        ]

    def test_the_report_points_to_the_turned_segmentation(self, case: Case) -> None:
        stored = case.write("LABELMAP")
        report = pydicom.dcmread(io.BytesIO(_turned(case, "sr").data))
        assert report.SOPInstanceUID == binary_uid(stored["sr"].sop_uid)
        text = "\n".join(str(e.value) for e in report.iterall() if e.VR == "UI")
        assert binary_uid(stored["seg"].sop_uid) in text
        assert stored["seg"].sop_uid not in text

    def test_the_same_input_gives_the_same_bytes(self, case: Case) -> None:
        assert _turned(case, "seg").data == _turned(case, "seg").data

    def test_what_is_neither_is_refused(self, case: Case) -> None:
        with pytest.raises(DicomRefused):
            as_binary(case.write("LABELMAP")["pdf"].data)
