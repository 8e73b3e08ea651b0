# SPDX-License-Identifier: Apache-2.0
"""The language of the command line, and acts of the log in words."""

from pathlib import Path

import pytest

import healthvision
from healthvision.app.acts import ACTS, act
from healthvision.app.language import either, language

SOURCE = Path(healthvision.__file__).parent


class TestLanguage:
    @pytest.mark.parametrize(
        ("set_to", "wanted"),
        [
            ({}, "en"),
            ({"LANG": "zh_CN.UTF-8"}, "zh"),
            ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
            ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "zh_TW"}, "zh"),
        ],
    )
    def test_is_that_of_the_terminal(
        self, set_to: dict[str, str], wanted: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
            monkeypatch.delenv(name, raising=False)
        for name, value in set_to.items():
            monkeypatch.setenv(name, value)
        assert language() == wanted
        assert either("中文", "English") == ("中文" if wanted == "zh" else "English")


class TestActs:
    def test_every_act_with_words_is_recorded_somewhere(self) -> None:
        files = [p for room in ("domains", "interfaces") for p in (SOURCE / room).rglob("*.py")]
        text = "".join(p.read_text(encoding="utf-8") for p in files)
        assert [name for name in ACTS if f'"{name}"' not in text] == []

    def test_a_run_of_reads_is_the_same_act_and_an_unknown_one_keeps_its_code(self) -> None:
        assert act("archive.pixels_read_total") == ACTS["archive.pixels_read"]
        assert act("bookmarks.bookmark_added").en == "bookmarks.bookmark_added"
