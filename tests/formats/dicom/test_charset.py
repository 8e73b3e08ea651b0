# SPDX-License-Identifier: Apache-2.0
"""Person names in the character sets of the charset folder."""

import csv

import pytest
from tests.formats.dicom.factories import shared

from healthvision.formats.dicom.charset import decode, encodings
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.header import read_header


class TestDecode:
    def test_reads_gb18030_with_a_backslash_as_second_byte(self) -> None:
        codecs, known = encodings(["GB18030"])
        text = "俓乗"  # second bytes of GBK may be 0x5C
        assert known
        assert decode(text.encode("gb18030"), codecs) == text

    def test_reads_code_extensions(self) -> None:
        codecs, _ = encodings(["", "ISO 2022 IR 87"])
        raw = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"
        assert decode(raw, codecs) == "Yamada^Tarou=山田^太郎"

    def test_reads_chinese_code_extension(self) -> None:
        codecs, _ = encodings(["", "ISO 2022 IR 58"])
        raw = (
            b"Wang^XiaoDong=\x1b$)A" + "王".encode("gb2312") + b"^\x1b$)A" + "小东".encode("gb2312")
        )
        assert decode(raw, codecs) == "Wang^XiaoDong=王^小东"

    def test_never_fails(self) -> None:
        codecs, known = encodings(["NOT A SET"])
        assert not known
        assert len(decode(bytes(range(256)), codecs)) > 0

    def test_accepts_sloppy_spellings(self) -> None:
        assert encodings(["ISO-IR 192"]) == (["UTF8"], True)

    def test_names_of_the_collection_are_read(self) -> None:
        root = shared("dicom")
        right = wrong = 0
        with (root / "MANIFEST.csv").open(encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                if not row["file"].startswith("charset/"):
                    continue
                try:
                    name = read_header(root / row["file"]).patient_name
                except DicomRefused:
                    continue
                equal = name == row["patient_name"].rstrip("=")
                right, wrong = right + equal, wrong + (not equal)
        if right + wrong == 0:
            pytest.skip("no charset files")
        assert right >= 25
        assert wrong <= 2
