# SPDX-License-Identifier: Apache-2.0
"""New beginnings of objects, in every encoding, read back by pydicom and our own scanner."""

import io
import warnings
from typing import Any

import pydicom
import pytest
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)
from tests.factories.dicom import ct_bytes
from tests.support.services import shared

from healthvision.formats.dicom.coercing import coerce_head, coerced_json
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.header import read_header
from healthvision.formats.dicom.transcoding import transcode

CHANGES: dict[str, dict[str, Any] | None] = {
    "00081030": {"vr": "LO", "Value": ["Thorax nativ"]},
    "00080050": {"vr": "SH"},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Li^Na", "Ideographic": "李^娜"}]},
    "00100020": {"vr": "LO", "Value": ["P-2"]},
    "00101002": {
        "vr": "SQ",
        "Value": [{"00100020": {"vr": "LO", "Value": ["P1"]}, "00100021": {"vr": "LO"}}],
    },
    "00100030": None,
    "00200011": {"vr": "IS", "Value": [7]},
}


def corrected(data: bytes, changes: dict[str, Any] = CHANGES) -> bytes:
    """Return the whole corrected object as the archive puts it together."""
    header = read_header(data)
    stop = len(data) if header.deflated or header.pixel_offset is None else header.pixel_offset
    made = coerce_head(data[:stop], changes)
    return made.head + data[made.cut :]


def written(data: bytes, syntax: str) -> bytes:
    """Return an object in an uncompressed transfer syntax."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = pydicom.dcmread(io.BytesIO(data))
        dataset = pydicom.Dataset()
        dataset.file_meta, dataset.preamble = read.file_meta, b"\0" * 128
        for element in read:
            dataset.add(element)
        dataset.file_meta.TransferSyntaxUID = UID(syntax)
        out = io.BytesIO()
        implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
        dataset.save_as(out, implicit_vr=implicit, little_endian=little)
    return out.getvalue()


class TestCoerceHead:
    @pytest.mark.parametrize(
        "syntax",
        [
            ExplicitVRLittleEndian,
            ImplicitVRLittleEndian,
            ExplicitVRBigEndian,
            DeflatedExplicitVRLittleEndian,
            RLELossless,
            JPEGLSLossless,
        ],
    )
    @pytest.mark.parametrize("charset", ["ISO_IR 192", "GB18030", "ISO_IR 100", None])
    def test_changes_what_is_named_and_nothing_else(self, syntax: str, charset: str | None) -> None:
        names: dict[str, Any] = {"PatientName": "Wang^XiaoDong", "InstitutionName": "Krankenhaus"}
        plain = ct_bytes(SpecificCharacterSet=charset, GantryID="x" * 3, **names)
        compressed = syntax in (RLELossless, JPEGLSLossless)
        data = transcode(plain, syntax) if compressed else written(plain, syntax)
        made = corrected(data)
        before, after = read_header(data), read_header(made)
        assert after.patient_name == "Li^Na=李^娜"
        assert after.patient_id == "P-2"
        assert after.series_number == 7
        assert after.json == coerced_json(
            before.json, {**CHANGES, "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}
        )
        old, new = (pydicom.dcmread(io.BytesIO(d)) for d in (data, made))
        assert new.PixelData == old.PixelData
        assert new.OtherPatientIDsSequence[0].PatientID == "P1"
        assert "PatientBirthDate" not in new
        assert len(made) % 2 == 0

    @pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
    def test_says_where_the_frames_are_now(self, syntax: str) -> None:
        data = written(ct_bytes(), syntax)
        before, after = read_header(data), read_header(corrected(data))
        stop = len(data) if before.deflated else before.pixel_offset
        made = coerce_head(data[:stop], CHANGES)
        moved = tuple(tuple((o + made.shift, n) for o, n in frame) for frame in before.frames)
        assert after.frames == moved

    def test_keeps_the_character_set_when_ascii_is_enough(self) -> None:
        data = ct_bytes(SpecificCharacterSet="GB18030", PatientName="王^小东")
        change = {"00081030": {"vr": "LO", "Value": ["Knee"]}}
        after = read_header(corrected(data, change))
        assert (after.character_set, after.patient_name) == (("GB18030",), "王^小东")

    def test_turns_all_texts_into_utf_8_also_in_sequences(self) -> None:
        request = pydicom.Dataset()
        request.RequestedProcedureDescription = "胸部平扫"
        data = ct_bytes(
            SpecificCharacterSet="GB18030",
            InstitutionName="北京医院",
            RequestAttributesSequence=[request],
            PatientName="王^小东",
        )
        change = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "李^娜"}]}}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = pydicom.dcmread(io.BytesIO(corrected(data, change)))
        assert found.SpecificCharacterSet == "ISO_IR 192"
        assert found.InstitutionName == "北京医院"
        step = found.RequestAttributesSequence[0]
        assert step.RequestedProcedureDescription == "胸部平扫"

    @pytest.mark.parametrize("name", ["sr", "sequences"])
    def test_objects_without_pixels(self, name: str) -> None:
        data = ct_bytes()
        header = read_header(data)
        assert header.pixel_offset is not None
        dataset = pydicom.dcmread(io.BytesIO(data))
        del dataset.PixelData
        if name == "sequences":
            item = pydicom.Dataset()
            item.CodeMeaning = "x"
            dataset.ConceptNameCodeSequence = [item]
            dataset["ConceptNameCodeSequence"].is_undefined_length = True
        out = io.BytesIO()
        dataset.save_as(out, enforce_file_format=True)
        found = pydicom.dcmread(io.BytesIO(corrected(out.getvalue())))
        assert str(found.PatientID) == "P-2"

    def test_real_files_keep_everything_else(self) -> None:
        folder = shared("dicom")
        files = sorted(p for p in folder.rglob("*.dcm") if "hostile" not in p.parts)[::9]
        changes = {k: v for k, v in CHANGES.items() if k != "00200011"}
        seen = 0
        for file in files:
            data = file.read_bytes()
            try:
                before = read_header(data)
            except DicomRefused:
                continue
            after = read_header(corrected(data, changes))
            for tag in set(before.json) - set(changes) - {"00080005"}:
                assert after.json.get(tag) == before.json[tag], (file.name, tag)
            assert after.pixel_length == before.pixel_length, file.name
            seen += 1
        assert seen > 5
