# SPDX-License-Identifier: Apache-2.0
"""Every SEG and SR that is written, given to dciodvfy, dsrdump and highdicom."""

import io
import json
from pathlib import Path

import pydicom
import pytest
from tests.formats.dicom.factories import rotation, series_of, volume
from tests.formats.dicom.test_outputs import Case
from tests.support.conformance import complaints, read_by_others

from healthvision.formats.dicom.binary_seg import as_binary
from healthvision.formats.dicom.source import Encoding
from healthvision.formats.dicom.writer import to_part10

VIEWER = Path(__file__).parent / "viewer_measurements.json"  # kept by the viewer's own tests


@pytest.fixture(scope="module")
def case() -> Case:
    return Case(series_of(volume(turned=rotation(0.2, -0.1, 0.3))))


class TestWriters:
    @pytest.mark.parametrize("encoding", ["LABELMAP", "BINARY"])
    def test_others_read_them_without_a_complaint(
        self, case: Case, encoding: Encoding, tmp_path: Path
    ) -> None:
        objects = {n: o.data for n, o in case.write(encoding).items() if n in ("seg", "sr")}
        if encoding == "LABELMAP":
            objects |= {f"{n}-turned": as_binary(data) for n, data in objects.items()}
        for name, data in objects.items():
            assert complaints(data, tmp_path) == [], name
            assert read_by_others(data, tmp_path) == [], name

    def test_the_background_of_a_label_map_has_a_category_of_the_standard(self, case: Case) -> None:
        ds = pydicom.dcmread(io.BytesIO(case.write("LABELMAP")["seg"].data))
        first = ds.SegmentSequence[0]
        category = first.SegmentedPropertyCategoryCodeSequence[0]
        assert (first.SegmentNumber, ds.PixelPaddingValue) == (0, 0)
        assert category.CodeValue == "309825002"  # CID 7150
        assert first.SegmentedPropertyTypeCodeSequence[0].CodeValue == "125040"

    def test_private_codes_say_whose_they_are(self, case: Case) -> None:
        objects = case.write("BINARY")
        ds = pydicom.dcmread(io.BytesIO(objects["sr"].data))
        schemes = {i.CodingSchemeDesignator for i in ds.CodingSchemeIdentificationSequence}
        assert "99HV" in schemes
        assert "CodingSchemeIdentificationSequence" not in pydicom.dcmread(
            io.BytesIO(objects["seg"].data)
        )


class TestViewer:
    def test_its_measurements_are_read_by_others(self, tmp_path: Path) -> None:
        ds = pydicom.Dataset.from_json(json.loads(VIEWER.read_text(encoding="utf-8")))
        ds.SpecificCharacterSet = "ISO_IR 192"  # as the archive's door for DICOM JSON writes it
        data = to_part10(ds)
        assert complaints(data, tmp_path) == []
        assert read_by_others(data, tmp_path) == []
