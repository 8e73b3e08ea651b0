# SPDX-License-Identifier: Apache-2.0
"""The user's own files: each is brought in or counted as skipped."""

from pathlib import Path

from healthvision.app.demo.materials import not_images, own_cases


class TestNotImages:
    def test_files_without_an_image_are_named_and_the_others_are_brought_in(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "a.png").write_bytes(b"png")
        (tmp_path / "b").write_bytes(bytes(128) + b"DICM")
        (tmp_path / "notes.txt").write_text("x")
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "table.csv").write_text("x")
        assert [p.name for p in not_images(tmp_path)] == ["table.csv", "notes.txt"]
        assert [c.label for c in own_cases(tmp_path)] == ["a.png", "1 DICOM files"]
