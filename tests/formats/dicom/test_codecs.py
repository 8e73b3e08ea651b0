# SPDX-License-Identifier: Apache-2.0
"""Which decoder may see a compressed frame."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.formats.dicom.factories import shared

from healthvision.formats.dicom.codecs import jpeg_frame, plugins_for
from healthvision.formats.dicom.frames import frame_bytes
from healthvision.formats.dicom.header import InstanceHeader, read_header

LOSSLESS = "dicom/nema_wg04/JPLL/CT2_JPLL.dcm"


def _frame(path: Path) -> tuple[InstanceHeader, bytes]:
    data = path.read_bytes()
    header = read_header(data)
    return header, frame_bytes(data, header.frames[0])


class TestPluginsFor:
    def test_gdcm_sees_only_sound_streams(self) -> None:
        header, frame = _frame(shared(LOSSLESS))
        assert plugins_for(header, frame) == ("gdcm",)
        assert plugins_for(header, frame[: len(frame) // 2]) == ()
        assert plugins_for(header, b"\xff\xd8" + frame[4:]) == ()

    def test_damaged_frames_never_end_the_process(self) -> None:
        code = (
            "import random, sys\n"
            "from pathlib import Path\n"
            "from healthvision.formats.dicom.errors import DicomRefused\n"
            "from healthvision.formats.dicom.header import read_header\n"
            "from healthvision.formats.dicom.pixels import decode_frame\n"
            "rng = random.Random(5)\n"
            "data = Path(sys.argv[1]).read_bytes()\n"
            "start = read_header(data).frames[0][0][0]\n"
            "for _ in range(60):\n"
            "    raw = bytearray(data)\n"
            "    for _ in range(rng.randint(1, 8)):\n"
            "        raw[start + rng.randrange(400)] = rng.randrange(256)\n"
            "    try:\n"
            "        decode_frame(bytes(raw), read_header(bytes(raw)))\n"
            "    except DicomRefused:\n"
            "        pass\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(shared(LOSSLESS))], capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr[-500:]


class TestJpegFrame:
    def test_reads_the_frame_header(self) -> None:
        header, frame = _frame(shared(LOSSLESS))
        found = jpeg_frame(frame)
        assert found is not None
        assert (found.rows, found.columns) == (header.rows, header.columns)
        assert (found.kind, found.components) == (0xC3, 1)

    @pytest.mark.parametrize(
        "data", [b"", b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xc4\x00\x00\xff\xd9"]
    )
    def test_refuses_what_is_no_frame(self, data: bytes) -> None:
        assert jpeg_frame(data) is None
