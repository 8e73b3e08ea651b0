# SPDX-License-Identifier: Apache-2.0
"""The upper layer, command sets, file heads and identifiers as bytes, without a network."""

import random
from io import BytesIO
from typing import Any

import pydicom
import pytest
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from tests.support.small_ct import small_ct

from healthvision.formats.dicom import dimse, ul
from healthvision.formats.dicom.body import Body
from healthvision.formats.dicom.dimse import Command
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.file_head import data_set_start, file_head, identity_of
from healthvision.formats.dicom.identifiers import read_identifier, write_data_set
from healthvision.formats.dicom.ul import ProtocolError

REQUEST = ul.AssociateRequest(
    called="ARCHIVE",
    calling="MODALITY",
    contexts=(
        ul.Proposed(1, dimse.VERIFICATION, (ImplicitVRLittleEndian,)),
        ul.Proposed(3, "1.2.840.10008.5.1.4.1.1.2", (ExplicitVRLittleEndian, "1.2.3")),
    ),
    max_pdu=16384,
    implementation="1.2.3.4",
    version="TEST",
    roles=(ul.Role("1.2.840.10008.5.1.4.1.1.2", False, True),),
    identity=ul.UserIdentity(2, True, b"user", b"secret"),
)


class TestUpperLayer:
    def test_a_request_is_read_as_it_was_written(self) -> None:
        assert ul.decode_request(ul.encode_request(REQUEST)[6:]) == REQUEST

    def test_an_accept_is_read_as_it_was_written(self) -> None:
        answer = ul.AssociateAccept(
            (ul.Decided(1, 0, ImplicitVRLittleEndian), ul.Decided(3, 3, "1.2")),
            0,
            "1.2.3",
            "TEST",
            REQUEST.roles,
            True,
        )
        assert ul.decode_accept(ul.encode_accept(answer, "A", "B")[6:]) == answer

    def test_a_rejection_is_read_as_it_was_written(self) -> None:
        assert ul.decode_reject(ul.reject(ul.LOCAL_LIMIT)[6:]) == ul.LOCAL_LIMIT

    def test_secrets_are_not_shown(self) -> None:
        assert "secret" not in repr(REQUEST)

    def test_damage_raises_only_protocol_errors(self) -> None:
        sound = ul.encode_request(REQUEST)[6:]
        chance = random.Random(1)
        for _ in range(3000):
            data = bytearray(sound[: chance.randrange(len(sound) + 1)])
            for _ in range(chance.randrange(4)):
                if data:
                    data[chance.randrange(len(data))] = chance.randrange(256)
            for read in (ul.decode_request, ul.decode_accept):
                try:
                    read(bytes(data))
                except ProtocolError:
                    continue


class TestCommands:
    def test_are_read_as_they_were_written(self) -> None:
        command = Command(
            dimse.C_MOVE_RQ,
            7,
            affected_class=dimse.STUDY_ROOT_MOVE,
            priority=0,
            dataset_type=1,
            destination="PACS",
        )
        assert dimse.decode(dimse.encode(command)) == command

    def test_damage_raises_only_protocol_errors(self) -> None:
        sound = dimse.encode(Command(dimse.C_ECHO_RQ, 1, affected_class=dimse.VERIFICATION))
        for end in range(len(sound)):
            try:
                dimse.decode(sound[:end])
            except ProtocolError:
                continue


class TestFileHead:
    def test_makes_a_file_that_pydicom_reads(self) -> None:
        data = small_ct()[0]
        body = data[data_set_start(data) :]
        file = file_head("1.2.840.10008.5.1.4.1.1.2", "1.2.3", ExplicitVRLittleEndian, "CT1") + body
        read = pydicom.dcmread(BytesIO(file))
        assert read.file_meta.MediaStorageSOPInstanceUID == "1.2.3"
        assert read.file_meta.SourceApplicationEntityTitle == "CT1"
        assert read.pixel_array.shape == (32, 32)
        assert file[data_set_start(file) :] == body

    @pytest.mark.parametrize(
        "syntax",
        [
            ImplicitVRLittleEndian,
            ExplicitVRLittleEndian,
            ExplicitVRBigEndian,
            DeflatedExplicitVRLittleEndian,
        ],
    )
    def test_identity_is_found_in_every_encoding(self, syntax: str) -> None:
        source = pydicom.dcmread(BytesIO(small_ct()[0]))
        small = Dataset()
        small.SpecificCharacterSet, small.ImageType = "ISO_IR 192", ["ORIGINAL", "PRIMARY"]
        small.SOPClassUID, small.SOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
        small.file_meta = pydicom.dataset.FileMetaDataset()
        small.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
        out = BytesIO()
        small.save_as(out, enforce_file_format=True)
        data = out.getvalue()
        found = identity_of(data[data_set_start(data) :], syntax)
        assert found == (source.SOPClassUID, source.SOPInstanceUID)

    @pytest.mark.parametrize("data", [b"", b"\0" * 100, b"\xff" * 100])
    def test_no_identity_in_garbage(self, data: bytes) -> None:
        for syntax in (ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian):
            assert identity_of(data, syntax) is None


class TestIdentifiers:
    @pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
    def test_answers_are_read_by_pydicom(self, syntax: str) -> None:
        name = {"Alphabetic": "Wang^XiaoDong", "Ideographic": "王^小东"}
        document: dict[str, dict[str, Any]] = {
            "00100010": {"vr": "PN", "Value": [name]},
            "00200013": {"vr": "IS", "Value": [3]},
            "00280010": {"vr": "US", "Value": [512]},
            "00081110": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2"]}}]},
        }
        data = write_data_set(document, syntax)
        read = pydicom.dcmread(BytesIO(file_head("1.2", "1.2", syntax) + data))
        assert str(read.PatientName) == "Wang^XiaoDong=王^小东"
        assert (read.InstanceNumber, read.Rows) == (3, 512)
        assert read.ReferencedStudySequence[0].ReferencedSOPInstanceUID == "1.2"

    def test_keys_are_read_in_their_character_set(self) -> None:
        asked = Dataset()
        asked.SpecificCharacterSet = "GB18030"
        asked.QueryRetrieveLevel = "STUDY"
        asked.PatientName = "王*"
        asked.StudyDate = ""
        out = DicomBytesIO()
        out.is_little_endian, out.is_implicit_VR = True, True
        write_dataset(out, asked)
        found = read_identifier(out.getvalue(), ImplicitVRLittleEndian)
        assert found.level == "STUDY"
        assert found.values == {"PatientName": "王*"}
        assert set(found.asked) == {"00100010", "00080020"}

    def test_garbage_is_refused(self) -> None:
        with pytest.raises(DicomRefused):
            read_identifier(b"\xff" * 64, ImplicitVRLittleEndian)


class TestBody:
    def test_beyond_memory_goes_to_the_file(self) -> None:
        kept = BytesIO()
        body = Body(10, 1000, lambda: kept)
        body.begin(b"head")
        for piece in (b"abc", b"defghijk", b"l" * 50):
            view = body.room(len(piece))
            view[:] = piece
            body.took(len(piece))
        whole = body.whole()
        assert whole is kept
        assert kept.getvalue() == b"headabcdefghijk" + b"l" * 50

    def test_beyond_the_limit_is_dropped(self) -> None:
        body = Body(100, 20)
        body.begin()
        for _ in range(3):
            left = 15
            while left:
                view = body.room(left)
                body.took(len(view))
                left -= len(view)
        assert body.too_large
