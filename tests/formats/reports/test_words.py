# SPDX-License-Identifier: Apache-2.0
"""Category values in words, and the choice of language."""

import json
from pathlib import Path

import pytest

from healthvision.clinical.guidelines.fleischner import MANAGEMENT
from healthvision.clinical.result import Text
from healthvision.formats.reports.words import Speech, category_words

I18N = Path(__file__).parents[3] / "web" / "src" / "i18n"


class TestCategoryWords:
    @pytest.mark.parametrize("value", sorted(MANAGEMENT))
    def test_every_fleischner_value_is_in_words(self, value: str) -> None:
        text = category_words(value)
        assert text.en != value or value == "benign"
        assert text.zh != value
        assert "under" not in text.en and "plus" not in text.en

    @pytest.mark.parametrize("value", ["4A", "1", "solid-unheard-of", ""])
    def test_other_values_stay_as_they_are(self, value: str) -> None:
        assert category_words(value).en == value

    @pytest.mark.parametrize(("folder", "language"), [("zh-CN", "zh"), ("en", "en")])
    def test_the_web_interface_says_the_same(self, folder: str, language: str) -> None:
        words = json.loads((I18N / folder / "common.json").read_text("utf-8"))["category"]
        assert {part: category_words(part).model_dump()[language] for part in words} == words
        for value in MANAGEMENT:
            rest = value
            while rest:
                part = max((p for p in words if f"{rest}-".startswith(f"{p}-")), key=len)
                rest = rest[len(part) + 1 :]


class TestSpeech:
    def test_both_languages_join_short_texts_and_split_long_ones(self) -> None:
        text = Text(zh="左", en="left")
        assert Speech("both").short(text) == "左 / left"
        assert Speech("both").long(text) == ("左", "left")
        assert Speech("zh").short(text) == "左"

    def test_titles_follow_the_language_of_each_line(self) -> None:
        assert Speech("both").titled("remedy", ("甲", "a")) == ("处理办法: 甲", "What to do: a")
        assert Speech("both").titled("remedy", ("a",)) == ("处理办法 What to do: a",)
