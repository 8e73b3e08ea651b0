# SPDX-License-Identifier: Apache-2.0
"""SEG, SR, SC and PDF objects: judged by dciodvfy, highdicom and our own door."""

import io
import subprocess
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from tests.formats.dicom.factories import (
    enhanced,
    finding,
    noise,
    output,
    result,
    rotation,
    segmentation,
    series_of,
    slice_of,
    volume,
)
from tests.support.services import program

from healthvision.clinical.result import Finding, Result, ResultStatus, Text
from healthvision.clinical.study import SeriesImage
from healthvision.formats.dicom.header import InstanceHeader, read_header
from healthvision.formats.dicom.outputs import OutputObject, OutputSources, write_outputs
from healthvision.formats.dicom.seg import segment_numbers
from healthvision.formats.dicom.series import assemble
from healthvision.formats.dicom.source import Encoding
from healthvision.formats.dicom.writer import to_part10

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
Objects = dict[str, OutputObject]


class Case:
    """One analysed series with everything its outputs are made from."""

    def __init__(self, files: list[bytes]) -> None:
        self.image: SeriesImage = assemble(files)
        self.headers: list[InstanceHeader] = [read_header(f) for f in files]
        self.segmentation = segmentation(self.image.volume)
        self.findings: tuple[Finding, ...] = (
            finding(3, self.headers[len(files) // 2].sop_uid),
            finding(None, self.headers[len(files) // 3].sop_uid).model_copy(
                update={"tracking_id": "n-2"}
            ),
        )
        self.result: Result = result(self.findings)

    def write(self, encoding: Encoding = "LABELMAP") -> Objects:
        """Write every output and key them by name."""
        sources = OutputSources(self.headers, self.image.slices)
        made = output(self.segmentation, self.findings, key_images=2)
        objects = write_outputs(self.result, made, sources, PDF, seg_encoding=encoding)
        return {o.name: o for o in objects}


@pytest.fixture
def case() -> Case:
    """An oblique series, so that geometry is not right by luck."""
    return Case(series_of(volume(turned=rotation(0.2, -0.1, 0.3))))


def _read(item: OutputObject) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(item.data))


def _words(ds: pydicom.Dataset) -> str:
    """All values of a data set, one per line."""
    return "\n".join(str(e.value) for e in ds.iterall() if e.VR != "SQ")


def _errors(item: OutputObject, folder: Path) -> list[str]:
    tool = program("dciodvfy")
    path = folder / f"{item.name}.dcm"
    path.write_bytes(item.data)
    done = subprocess.run([tool, "-new", str(path)], capture_output=True, text=True, check=False)
    return [line for line in done.stderr.splitlines() if line.startswith("Error")]


class TestWriteOutputs:
    def test_dciodvfy_finds_no_error(self, case: Case, tmp_path: Path) -> None:
        objects = case.write("BINARY")
        assert sorted(objects) == ["key-1", "key-2", "pdf", "seg", "sr"]
        found = {name: _errors(item, tmp_path) for name, item in objects.items()}
        assert found == {name: [] for name in objects}

    @pytest.mark.parametrize("encoding", ["LABELMAP", "BINARY"])
    def test_the_labels_come_back_where_they_were(self, case: Case, encoding: Encoding) -> None:
        seg = hd.seg.segread(io.BytesIO(case.write(encoding)["seg"].data))
        back = seg.get_volume(combine_segments=True)
        truth = case.segmentation.labels
        numbers = segment_numbers(case.segmentation)
        assert numbers == {1: 1, 3: 2}
        expected = np.select([truth.voxels == old for old in numbers], list(numbers.values()), 0)
        checked = 0
        for index in np.argwhere(back.array > 0):
            lps = (back.affine @ np.array([*index, 1.0]))[:3]
            where = tuple(round(v) for v in truth.to_index(lps))
            assert expected[where] == back.array[tuple(index)]
            checked += 1
        assert checked == int((expected > 0).sum())

    def test_the_same_input_gives_the_same_bytes(self, case: Case) -> None:
        for encoding in ("LABELMAP", "BINARY"):
            first, second = case.write(encoding), case.write(encoding)
            assert {n: o.data for n, o in first.items()} == {n: o.data for n, o in second.items()}

    def test_binary_and_labelmap_are_different_objects(self, case: Case) -> None:
        one, two = case.write("LABELMAP"), case.write("BINARY")
        assert one["seg"].sop_uid != two["seg"].sop_uid
        assert one["sr"].sop_uid != two["sr"].sop_uid
        assert one["pdf"].sop_uid == two["pdf"].sop_uid

    def test_all_belong_to_the_patient_and_study(self, case: Case) -> None:
        for item in case.write().values():
            header = read_header(item.data)
            assert header.patient_name == "Wang^XiaoDong=王^小东"
            assert header.study_uid == case.headers[0].study_uid
            assert header.accession_number == "A1"
            assert header.character_set == ("ISO_IR 192",)
            assert (header.sop_uid, header.series_uid) == (item.sop_uid, item.series_uid)

    def test_every_object_says_that_it_is_unverified(self, case: Case) -> None:
        objects = {name: _read(item) for name, item in case.write().items()}
        for ds in objects.values():
            assert "AI, unverified" in ds.SeriesDescription
        assert objects["sr"].VerificationFlag == "UNVERIFIED"
        assert objects["pdf"].VerificationFlag == "UNVERIFIED"
        assert "未经医生确认" in objects["key-1"].ImageComments

    def test_sr_holds_numbers_certainty_and_the_segment(self, case: Case) -> None:
        objects = case.write()
        report = hd.sr.srread(io.BytesIO(objects["sr"].data))
        content: Any = report.content
        groups = content.get_volumetric_roi_measurement_groups()
        assert len(groups) == 1
        assert groups[0].tracking_identifier == "nodule-1"
        values = {m.name.meaning: (m.value, m.unit.value) for m in groups[0].get_measurements()}
        assert values["Long Axis"] == (8.4, "mm")
        assert values["Certainty of Finding"] == (83.0, "%")
        text = _words(report)
        assert objects["seg"].sop_uid in text
        assert "7.6-9.2 mm" in text
        assert "lung-rads-v2022 4A" in text
        others = content.get_image_measurement_groups()
        assert {g.tracking_identifier for g in others} == {"n-2", "study", "negatives"}

    def test_a_key_image_keeps_its_pixels_and_names_its_slice(self, case: Case) -> None:
        made = output(None, key_images=2)
        ds = _read(case.write()["key-2"])
        assert np.array_equal(ds.pixel_array, made.key_images[1].pixels)
        shown = ds.SourceImageSequence[0].ReferencedSOPInstanceUID
        assert shown == case.image.slices[1].sop_instance_uid

    def test_the_pdf_comes_back_byte_for_byte(self, case: Case) -> None:
        ds = _read(case.write()["pdf"])
        assert ds.EncapsulatedDocument[: ds.EncapsulatedDocumentLength] == PDF

    def test_an_abstention_still_writes_its_reason(self, case: Case) -> None:
        abstained = case.result.model_copy(
            update={
                "status": ResultStatus.ABSTAINED,
                "abstained_reason": Text(en="Slices of 5 mm", zh="层厚 5 mm"),
                "findings": (),
                "measurements": (),
                "negatives": (),
            }
        )
        sources = OutputSources(case.headers)
        objects = write_outputs(abstained, output(None, key_images=0), sources, None)
        assert [o.name for o in objects] == ["sr"]
        assert "Slices of 5 mm" in _words(_read(objects[0]))

    def test_sources_with_odd_or_missing_values_do_not_stop_it(self, tmp_path: Path) -> None:
        made = volume()
        odd = {
            "PatientName": None,
            "PatientBirthDate": None,
            "StudyTime": None,
            "AccessionNumber": None,
            "StudyID": None,
            "PatientSex": None,
            "SliceThickness": None,
        }
        files = series_of(made, lambda i: dict(odd))
        files = [f.replace(b"20260304", b"2026.3.4") for f in files]
        objects = Case(files).write("BINARY")
        assert {n: _errors(o, tmp_path) for n, o in objects.items()} == {n: [] for n in objects}

    def test_an_enhanced_source_is_referenced_by_frame(self, tmp_path: Path) -> None:
        made = Case([enhanced(volume(turned=rotation(0.1, 0.2, 0.1)))])
        objects = made.write("BINARY")
        assert {n: _errors(o, tmp_path) for n, o in objects.items()} == {n: [] for n in objects}
        frames = _read(objects["seg"]).PerFrameFunctionalGroupsSequence
        source = frames[0].DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedSOPInstanceUID == made.headers[0].sop_uid
        assert int(source.ReferencedFrameNumber) in range(1, 10)

    def test_a_radiograph_without_position_gets_its_segmentation(self, tmp_path: Path) -> None:
        ds = slice_of(volume(noise((1, 16, 20))), 0, Modality="DX")
        ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
        for keyword in (
            "ImagePositionPatient",
            "ImageOrientationPatient",
            "FrameOfReferenceUID",
            "PixelSpacing",
            "SliceThickness",
        ):
            del ds[keyword]
        made = Case([to_part10(ds)])
        objects = made.write("BINARY")
        assert {n: _errors(o, tmp_path) for n, o in objects.items()} == {n: [] for n in objects}
        back = hd.seg.segread(io.BytesIO(objects["seg"].data)).pixel_array.reshape(-1, 16, 20)
        assert back.any(axis=0).sum() == (made.segmentation.labels.voxels > 0).sum()

    def test_refuses_to_write_without_sources(self, case: Case) -> None:
        with pytest.raises(ValueError, match="headers"):
            write_outputs(case.result, output(None), OutputSources([]), None)
