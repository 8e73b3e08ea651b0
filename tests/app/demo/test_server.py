# SPDX-License-Identifier: Apache-2.0
"""The demo deletes only what a demo made."""

from pathlib import Path

import pytest

from healthvision.app.demo import story
from healthvision.app.demo.server import MARKER, FolderTaken, only_one, wipe


class TestWipe:
    def test_a_new_or_empty_folder_gets_the_marker(self, tmp_path: Path) -> None:
        wipe(tmp_path / "new")
        (tmp_path / "empty").mkdir()
        wipe(tmp_path / "empty")
        assert (tmp_path / "new" / MARKER).is_file()
        assert (tmp_path / "empty" / MARKER).is_file()

    def test_what_an_earlier_demo_left_goes(self, tmp_path: Path) -> None:
        wipe(tmp_path / "demo")
        (tmp_path / "demo" / "old").write_text("x")
        wipe(tmp_path / "demo")
        assert [p.name for p in (tmp_path / "demo").iterdir()] == [MARKER]

    def test_a_folder_of_somebody_else_is_left_as_it_is(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").write_text("x")
        with pytest.raises(FolderTaken, match="not made by the demo"):
            wipe(tmp_path)
        assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]

    def test_the_command_says_so_and_ends_with_2(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "thesis.tex").write_text("x")
        assert story.run(story.Plan(True, 1, None, 0, tmp_path)) == 2
        assert "thesis.tex" in [p.name for p in tmp_path.iterdir()]
        assert "not made by the demo" in capsys.readouterr().out


class TestOnlyOne:
    def test_a_second_demo_in_the_folder_is_told_and_changes_nothing(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = tmp_path / "demo"
        wipe(folder)
        (folder / "old").write_text("x")
        with only_one(folder):
            assert story.run(story.Plan(True, 1, None, 0, folder)) == 2
        assert "another demo runs" in capsys.readouterr().out
        assert (folder / "old").exists()

    def test_the_folder_is_free_after_the_end(self, tmp_path: Path) -> None:
        for _ in range(2):
            with only_one(tmp_path / "demo"):
                pass
