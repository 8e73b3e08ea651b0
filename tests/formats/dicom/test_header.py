# SPDX-License-Identifier: Apache-2.0
"""Headers: hostile files, real files, and what pydicom says about the same bytes."""

import csv
import io
import struct
import subprocess
import sys
import time
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.formats.dicom.factories import series_of, shared, slice_of, volume

from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.header import age_doubt, age_years, read_header
from healthvision.formats.dicom.part10 import Limits
from healthvision.formats.dicom.writer import to_part10

CORPUS = "dicom/hostile/corpus_v3_two_thirds.zip"


def _element(tag: int, vr: bytes, value: bytes) -> bytes:
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    if vr in (b"OB", b"OW", b"SQ", b"UN", b"UT"):
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def _part10(dataset: bytes, syntax: bytes = b"1.2.840.10008.1.2.1\0") -> bytes:
    return b"\0" * 128 + b"DICM" + _element(0x00020010, b"UI", syntax) + dataset


def _good() -> bytes:
    return series_of(volume())[0]


class TestReadHeader:
    def test_gives_ids_names_and_sizes(self) -> None:
        header = read_header(_good())
        assert header.patient_name == "Wang^XiaoDong=王^小东"
        assert (header.rows, header.columns, header.number_of_frames) == (16, 20, 1)
        assert header.patient_age_years == 55
        assert header.frame_offsets == [(header.pixel_offset, 16 * 20 * 2)]
        assert header.json["7FE00010"] == {"vr": "OW"}

    def test_reads_a_path_and_a_stream_like_bytes(self, tmp_path: Path) -> None:
        path = tmp_path / "a.dcm"
        path.write_bytes(_good())
        with path.open("rb") as stream:
            assert read_header(path) == read_header(_good()) == read_header(stream)
        assert read_header(io.BytesIO(_good())) == read_header(_good())

    @pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
    @pytest.mark.parametrize(
        ("value", "reason"), [(b"", "uid-missing"), (b"../../etc/passwd", "uid-syntax")]
    )
    def test_refuses_missing_and_malformed_uids(
        self, keyword: str, value: bytes, reason: str
    ) -> None:
        uid = str(slice_of(volume(), 0)[keyword].value).encode()
        with pytest.raises(DicomRefused) as caught:
            read_header(_good().replace(uid, value.ljust(len(uid), b"\0")))
        assert caught.value.reason == reason
        assert keyword in caught.value.field
        assert "passwd" not in caught.value.detail

    def test_refuses_a_uid_of_100_characters(self) -> None:
        uid = str(slice_of(volume(), 0).SOPInstanceUID).encode()
        data = _good()
        old = struct.pack("<HH2sH", 0x0008, 0x0018, b"UI", len(uid) + len(uid) % 2) + uid
        assert old in data
        new = struct.pack("<HH2sH", 0x0008, 0x0018, b"UI", 100) + b"1." * 49 + b"11"
        data = data.replace(old + (b"\0" if len(uid) % 2 else b""), new)
        with pytest.raises(DicomRefused) as caught:
            read_header(data)
        assert caught.value.reason == "uid-syntax"

    def test_refuses_a_pixel_length_of_4_gib(self) -> None:
        data = _good()
        header = read_header(data)
        assert header.pixel_offset is not None
        where = header.pixel_offset - 4
        lie = data[:where] + struct.pack("<I", 0xFFFFFFF0) + data[where + 4 :]
        with pytest.raises(DicomRefused) as caught:
            read_header(lie)
        assert caught.value.reason == "element-length"
        assert "PixelData" in caught.value.field

    @pytest.mark.parametrize("depth", [33, 200, 100_000])
    def test_refuses_deep_nesting(self, depth: int) -> None:
        opening = _undefined(0x00081140) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
        with pytest.raises(DicomRefused) as caught:
            read_header(_part10(opening * depth))
        assert caught.value.reason == "depth"

    def test_refuses_a_million_tiny_elements_quickly(self) -> None:
        tiny = b"".join(
            _element((0x0009 << 16) | i, b"LO", b"") for i in range(0x1000, 0x1000 + 50_000)
        )
        many = tiny + tiny.replace(b"\x09\0", b"\x0b\0") + tiny.replace(b"\x09\0", b"\x0d\0")
        began = time.perf_counter()
        with pytest.raises(DicomRefused) as caught:
            read_header(_part10(many))
        assert caught.value.reason == "elements"
        assert time.perf_counter() - began < 25

    def test_refuses_a_deflate_bomb_within_the_memory_cap(self, tmp_path: Path) -> None:
        engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        block = b"\0" * (1 << 20)
        packed = b"".join(engine.compress(block) for _ in range(1024)) + engine.flush()
        path = tmp_path / "bomb.dcm"
        path.write_bytes(_part10(packed, b"1.2.840.10008.1.2.1.99"))
        code = (
            "import sys\n"
            "from pathlib import Path\n"
            "from healthvision.formats.dicom.errors import DicomRefused\n"
            "from healthvision.formats.dicom.header import read_header\n"
            "try:\n    read_header(Path(sys.argv[1]))\n"
            "except DicomRefused as e:\n"
            "    sys.stdout.write(e.reason + ' ')\n"
            # ru_maxrss would be that of the test process, which is inherited; VmHWM starts anew
            "status = Path('/proc/self/status').read_text().splitlines()\n"
            "peak = next(line for line in status if line.startswith('VmHWM'))\n"
            "sys.stdout.write(str(int(peak.split()[1]) // 1024))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
        )
        reason, megabytes = done.stdout.split()
        assert reason == "inflate"
        assert int(megabytes) < 512

    def test_refuses_sizes_that_only_32_bits_would_believe(self) -> None:
        ds = slice_of(volume(), 0, Rows=65535, Columns=65535)
        with pytest.raises(DicomRefused) as caught:
            read_header(to_part10(ds))
        assert caught.value.reason == "pixel-size"

    def test_refuses_two_thousand_million_frames(self) -> None:
        with pytest.raises(DicomRefused) as caught:
            read_header(to_part10(slice_of(volume(), 0, NumberOfFrames=2_000_000_000)))
        assert caught.value.reason in ("frame-count", "pixel-size")

    def test_refuses_rows_with_another_vr(self) -> None:
        data = _good()
        short = struct.pack("<HH2sH", 0x0028, 0x0010, b"US", 2) + struct.pack("<H", 16)
        assert short in data
        wide = struct.pack("<HH2sHI", 0x0028, 0x0010, b"UL", 4, 16)
        with pytest.raises(DicomRefused) as caught:
            read_header(data.replace(short, wide))
        assert (caught.value.reason, caught.value.field) == ("vr", "(0028,0010) Rows")

    @pytest.mark.parametrize(
        ("magic", "note"),
        [(b"MZ\x90", "windows-program"), (b"\x7fELF", "linux-program"), (b"<html>", "markup")],
    )
    def test_notes_a_preamble_that_is_another_file(self, magic: bytes, note: str) -> None:
        header = read_header(magic + _good()[len(magic) :])
        assert f"preamble-{note}" in header.notes

    def test_reads_deflated_implicit_and_big_endian_files_alike(self) -> None:
        folder = shared("dicom/pydicom_test_files")
        first = read_header(folder / "image_dfl.dcm")
        assert first.deflated and first.rows == 512
        assert read_header(folder / "ExplVR_BigEnd.dcm").little_endian is False

    def test_respects_other_limits(self) -> None:
        with pytest.raises(DicomRefused):
            read_header(_good(), limits=Limits(elements=5))

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_any_damage_is_read_or_refused(self, data: st.DataObject) -> None:
        raw = bytearray(_good()[:900])
        for _ in range(data.draw(st.integers(1, 6))):
            raw[data.draw(st.integers(128, len(raw) - 1))] = data.draw(st.integers(0, 255))
        try:
            read_header(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
        except DicomRefused as refused:
            assert refused.reason


def _peak_kib() -> int:
    """Return the largest resident size of this process so far (ru_maxrss outlives an exec)."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1])


class TestHostileCorpus:
    def test_every_file_is_read_or_refused_in_time_and_memory(self) -> None:
        outcomes, before = {"read": 0, "refused": 0}, _peak_kib()
        worst = 0.0
        with zipfile.ZipFile(shared(CORPUS)) as corpus:
            for info in corpus.infolist():
                if not info.filename.endswith(".dcm"):
                    continue
                data = corpus.read(info)
                began = time.perf_counter()
                try:
                    read_header(data)
                    outcomes["read"] += 1
                except DicomRefused:
                    outcomes["refused"] += 1
                worst = max(worst, time.perf_counter() - began)
        assert sum(outcomes.values()) >= 400
        assert outcomes["refused"] >= 100
        assert worst < 50
        assert _peak_kib() - before < 1 << 20


def _manifest() -> list[dict[str, str]]:
    with shared("dicom/MANIFEST.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


class TestRealFiles:
    def test_names_sizes_and_frames_are_those_of_the_manifest(self) -> None:
        root = shared("dicom")
        checked = 0
        for row in _manifest():
            try:
                header = read_header(root / row["file"])
            except DicomRefused:
                continue
            checked += 1
            if row["rows"]:
                assert str(header.rows) == row["rows"], row["file"]
                assert str(header.columns) == row["cols"], row["file"]
            if row["modality"]:
                assert header.modality == row["modality"], row["file"]
        assert checked >= 295

    def test_json_is_what_pydicom_says(self) -> None:
        root = shared("dicom")
        same = different = 0
        for row in _manifest():
            path = root / row["file"]
            try:
                mine = read_header(path).json
            except DicomRefused:
                continue
            theirs = _pydicom_json(path)
            if theirs is None:
                continue
            for tag, entry in theirs.items():
                value = entry.get("Value")
                if tag not in mine or value is None or entry["vr"] in ("SQ", "UN", "AT"):
                    continue
                if mine[tag]["vr"] == "UN":  # pydicom knows some private dictionaries
                    continue
                equal = _plain(mine[tag].get("Value")) == _plain(value)
                same, different = same + equal, different + (not equal)
        assert same > 10_000
        assert different <= same // 200, (same, different)


def _pydicom_json(path: Path) -> dict[str, Any] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ds = pydicom.dcmread(io.BytesIO(path.read_bytes()), stop_before_pixels=True)
            return dict(ds.to_json_dict(suppress_invalid_tags=True))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, OSError):
            return None


def _plain(values: Any) -> list[Any]:
    out: list[Any] = []
    for value in values or []:
        if isinstance(value, dict):
            out.append({k: v.strip() for k, v in value.items() if v.strip()})
        elif isinstance(value, str):
            out.append(value.strip(" \0"))
        else:
            out.append(None if value is None else float(value))
    while out and out[-1] in ("", None, {}):
        out.pop()
    return ["" if v in (None, {}) else v for v in out]


def _undefined(tag: int) -> bytes:
    return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, b"SQ", 0, 0xFFFFFFFF)


class TestAgeYears:
    @pytest.mark.parametrize(
        ("age", "birth", "study", "years"),
        [
            ("045Y", "", "", 45),
            ("030M", "", "", 2),
            ("45Y", "", "", 45),
            ("5Y", "", "", 5),
            ("045y", "", "", 45),
            ("18m", "", "", 1),
            ("0045Y", "", "", None),
            ("", "19700615", "20260614", 55),
            ("", "19700615", "20260615", 56),
            ("abc", "19700230", "20260615", None),
            ("", "20270101", "20260615", None),
        ],
    )
    def test_takes_the_age_or_the_dates(
        self, age: str, birth: str, study: str, years: int | None
    ) -> None:
        assert age_years(age, birth, study) == years

    @pytest.mark.parametrize(
        ("age", "birth", "doubt"),
        [
            ("003Y", "", ""),
            ("", "20230101", ""),
            ("003Y", "20230101", ""),
            ("003Y", "20220101", ""),
            ("003Y", "19760101", "disagrees"),
            ("three", "", "unreadable"),
            ("5", "20210101", "unreadable"),
        ],
    )
    def test_doubts_an_age_that_is_none_or_is_against_the_birth_date(
        self, age: str, birth: str, doubt: str
    ) -> None:
        assert age_doubt(age, birth, "20260615") == doubt
