# SPDX-License-Identifier: Apache-2.0
"""The language of the command line."""

import pytest

from healthvision.app.language import either, language


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
