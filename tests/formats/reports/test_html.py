# SPDX-License-Identifier: Apache-2.0
"""The HTML report is parsed: no scripts, no requests, everything escaped, all content there."""

from html.parser import HTMLParser

import pytest
from tests.factories import results

from healthvision.clinical.result import Result
from healthvision.formats.reports import Language, ReportInputError, render_html

IMAGES = {"key-1.png": results.key_png(1)}
VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that tags are nested properly."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)


def page(result: Result, language: Language = "en", **more: str) -> Page:
    return Page(render_html(result, key_images=IMAGES, language=language, **more))


class TestRenderHtml:
    @pytest.mark.parametrize("language", ["zh", "en", "both"])
    @pytest.mark.parametrize("make", ["lung_ct", "abstained", "with_warnings", "hostile"])
    def test_has_no_script_no_handler_and_asks_for_nothing(
        self, make: str, language: Language
    ) -> None:
        parsed = page(getattr(results, make)(), language)
        assert parsed.open == []
        assert not {"script", "iframe", "object", "link", "form", "b"} & set(parsed.tags)
        assert [name for name, _ in parsed.attributes if name.startswith("on")] == []
        targets = [value or "" for name, value in parsed.attributes if name in ("src", "href")]
        assert all(value.startswith(("data:image/png;base64,", "#")) for value in targets)

    def test_the_institution_heads_the_report_when_it_is_known(self) -> None:
        named = results.lung_ct().model_copy(update={"institution": "<b>City</b> Hospital"})
        said = "".join(page(named).words)
        assert said.index("<b>City</b> Hospital") < said.index("AI analysis report")

    def test_hostile_texts_stay_texts(self) -> None:
        assert "<script>alert('x')</script> & <b>bold</b> {{ 7*7 }}" in page(results.hostile()).text

    def test_the_whole_rule_trace_is_there(self) -> None:
        result = results.lung_ct()
        text = page(result).text
        steps = [s.rule for f in result.findings for c in f.categories for s in c.trace]
        assert len(steps) > 60
        assert [rule for rule in steps if rule not in text] == []

    def test_abstention_comes_before_everything_else(self) -> None:
        text = page(results.abstained()).text
        assert text.index("Slices of 7.5 mm") < text.index("Patient ID")
        assert "does not mean normal" in text

    def test_says_unverified_in_both_languages(self) -> None:
        assert "AI 结果，未经医生确认 AI result, unverified" in page(results.lung_ct(), "en").text

    def test_patient_name_only_when_given(self) -> None:
        assert "Patient name" not in page(results.lung_ct()).text
        assert "ZHANG^SAN" in page(results.lung_ct(), patient_name="ZHANG^SAN").text

    def test_contribution_bars_point_to_both_sides(self) -> None:
        parsed = page(results.lung_ct())
        sides = [value for name, value in parsed.attributes if name == "class"]
        assert sides.count("up") == 9
        assert sides.count("down") == 6

    def test_a_key_image_that_is_no_png_is_named(self) -> None:
        with pytest.raises(ReportInputError, match="key-7"):
            render_html(results.lung_ct(), key_images={"key-7": b"<svg/>"}, language="en")
