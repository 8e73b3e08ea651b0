# SPDX-License-Identifier: Apache-2.0
"""Signed reports: names as people write them; the rest is tested through the reading room."""

from healthvision.formats.reports.signed import shown_name


class TestShownName:
    def test_takes_the_ideographic_name_without_blanks(self) -> None:
        assert shown_name("Wang^Li=王^丽") == "王丽"
        assert shown_name("李^梅") == "李梅"
        assert shown_name("Doe^Jane^^Dr") == "Doe Jane Dr"
        assert shown_name("") == ""
