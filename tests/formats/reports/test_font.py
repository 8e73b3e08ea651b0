# SPDX-License-Identifier: Apache-2.0
"""The font files: small enough, complete, licensed, and made by the script that is in the tree."""

import subprocess
import sys
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from healthvision.formats.reports.pdf_style import BOLD, FOLDER, REGULAR

ROOT = Path(__file__).parents[3]
SOURCES = (
    Path("/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf"),
    Path("/usr/share/fonts/truetype/dejavu/DejaVuSansCondensed.ttf"),
)


class TestFontFiles:
    def test_the_regular_font_has_latin_and_all_of_gb2312_hanzi(self) -> None:
        known = set(TTFont(str(FOLDER / f"{REGULAR}.ttf")).getBestCmap())
        wanted = set(range(0x20, 0x7F)) | set(map(ord, "≤≥±×µ°²³→–…（），。：；％"))
        for high in range(0xB0, 0xF8):
            for low in range(0xA1, 0xFF):
                char = bytes((high, low)).decode("gb2312", errors="ignore")
                wanted |= set(map(ord, char))
        assert {chr(code) for code in wanted - known} == set()

    def test_the_files_are_small_and_their_licences_are_beside_them(self) -> None:
        sizes = [(FOLDER / f"{name}.ttf").stat().st_size for name in (REGULAR, BOLD)]
        assert sum(sizes) < 2_500_000
        licence = (FOLDER / "LICENSE.md").read_text(encoding="utf-8")
        assert "Apache License 2.0" in licence and "Bitstream Vera licence" in licence

    @pytest.mark.skipif(
        not all(path.exists() for path in SOURCES), reason="Debian font packages not installed"
    )
    def test_the_script_makes_exactly_these_files(self, tmp_path: Path) -> None:
        script = ROOT / "scripts" / "make_report_font.py"
        subprocess.run(
            [sys.executable, str(script), "--out", str(tmp_path)], check=True, capture_output=True
        )
        for name in (REGULAR, BOLD):
            made = (tmp_path / f"{name}.ttf").read_bytes()
            assert made == (FOLDER / f"{name}.ttf").read_bytes()
