# SPDX-License-Identifier: Apache-2.0
"""Settings are read once and again when what they come from changed."""

from pathlib import Path

import pytest

from healthvision.domains.archive.settings import ArchiveSettings


class TestCurrent:
    def test_is_kept_while_nothing_changes(self) -> None:
        assert ArchiveSettings.current() is ArchiveSettings.current()

    def test_hears_of_a_changed_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = ArchiveSettings.current()
        monkeypatch.setenv("HV_ARCHIVE_BATCH_ITEMS", str(before.batch_items + 1))
        assert ArchiveSettings.current().batch_items == before.batch_items + 1
        monkeypatch.undo()
        assert ArchiveSettings.current() == before

    def test_hears_of_a_settings_file(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        file = tmp_path / "hv.toml"
        file.write_text("[archive]\nbatch_items = 7\n")
        monkeypatch.setenv("HV_CONFIG", str(file))
        assert ArchiveSettings.current().batch_items == 7
