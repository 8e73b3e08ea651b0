# SPDX-License-Identifier: Apache-2.0
"""The PDF report is read back with pypdf: words, order, pages, fonts, and equal bytes."""

import io
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from pypdf import PdfReader
from tests.factories import results

from healthvision.clinical.guidelines import bts, c_lung_rads, fleischner, lung_rads
from healthvision.clinical.result import (
    GateOutcome,
    Interval,
    Result,
    Risk,
    Text,
    VerificationState,
)
from healthvision.formats.reports import ReportInputError, render_pdf
from healthvision.formats.reports.pdf_style import characters, printable
from healthvision.formats.reports.words import LABELS

IMAGES = {f"key-{i}.png": results.key_png(i) for i in (1, 2, 3)}


def pages(pdf: bytes) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages]


def words(pdf: bytes) -> str:
    return " ".join(" ".join(pages(pdf)).split())


class TestRenderPdf:
    @pytest.mark.parametrize("language", ["zh", "en", "both"])
    def test_every_page_says_unverified_in_both_languages_and_its_number(
        self, language: str
    ) -> None:
        texts = pages(render_pdf(results.lung_ct(), IMAGES, language))  # type: ignore[arg-type]
        assert len(texts) >= 2
        for number, text in enumerate(texts, 1):
            assert "AI 结果，未经医生确认 AI result, unverified" in text
            assert f"{number} / {len(texts)}" in text

    def test_an_accepted_result_no_longer_says_unverified(self) -> None:
        accepted = results.lung_ct().model_copy(update={"verification": VerificationState.ACCEPTED})
        text = words(render_pdf(accepted, {}, "en"))
        assert "unverified" not in text
        assert "accepted by a doctor" in text

    def test_equal_input_gives_equal_bytes_also_in_another_process(self) -> None:
        code = (
            "import hashlib\n"
            "from healthvision.formats.reports import render_pdf\n"
            "from tests.factories import results as r\n"
            "pdf = render_pdf(r.lung_ct(), {'key-1': r.key_png(1)}, 'both')\n"
            "print(hashlib.sha256(pdf).hexdigest())\n"
        )
        seen = {
            subprocess.run(
                [sys.executable, "-c", code],
                check=True,
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": ".", "TZ": zone},
            ).stdout
            for seed, zone in (("1", "UTC"), ("2", "Asia/Shanghai"))
        }
        assert len(seen) == 1

    def test_a_changed_result_changes_the_bytes(self) -> None:
        other = results.lung_ct().model_copy(update={"accession_number": "CT-2"})
        assert render_pdf(results.lung_ct(), {}, "en") != render_pdf(other, {}, "en")

    def test_abstention_and_failed_gate_come_before_the_study_facts(self) -> None:
        text = words(render_pdf(results.abstained(), {}, "en"))
        order = [
            text.index(part)
            for part in ("Slices of 7.5 mm", "Quality gate failed", "Send a thin", "Patient ID")
        ]
        assert order == sorted(order)
        assert "does not mean normal" in text

    def test_whose_report_it_is_comes_before_warnings_of_a_part(self) -> None:
        warned = results.with_warnings()
        text = words(render_pdf(warned, {}, "en"))
        assert text.index("Patient ID") < text.index("Quality warning")
        gate = warned.gates[0].model_copy(update={"outcome": GateOutcome.FAILED})
        parted = warned.model_copy(update={"gates": (gate, *warned.gates[1:])})
        assert "this part is not answered" in words(render_pdf(parted, {}, "en"))
        assert "this part" not in words(render_pdf(results.abstained(), {}, "en"))

    def test_dates_pictures_and_intervals_are_said_as_people_say_them(self) -> None:
        base = results.lung_ct().model_copy(update={"study_date": "20261122"})
        text = words(render_pdf(base, {"key-lungs": IMAGES["key-1.png"]}, "en"))
        assert "20261122" not in text
        assert "Image 1: overview" in text and "key-lungs" not in text
        assert "Intervals of measurements: 95 %" in text

    def test_a_finding_without_a_size_shows_what_was_measured(self) -> None:
        base = results.lung_ct()
        share = base.measurements[0].model_copy(
            update={"unit": "%", "value": 9.4, "interval": Interval(low=7.0, high=11.8)}
        )
        finding = base.findings[0].model_copy(update={"measurements": (share,)})
        text = words(render_pdf(base.model_copy(update={"findings": (finding,)}), {}, "en"))
        assert text.count("9.4 % (7.0–11.8)") == 2  # in the table and in the details

    def test_warnings_name_the_value_and_the_remedy(self) -> None:
        text = words(render_pdf(results.with_warnings(), {}, "en"))
        assert "Quality warning · slice-thickness" in text
        assert "5 mm" in text
        assert "What to do: Send the thin series" in text

    def test_a_missing_confidence_gives_its_reason(self) -> None:
        text = words(render_pdf(results.with_warnings(), {}, "en"))
        assert "not calibrated" in text

    def test_findings_show_size_interval_category_confidence_and_rule(self) -> None:
        text = words(render_pdf(results.lung_ct(), IMAGES, "en"))
        for part in (
            "8.4 mm (8.0–8.8)",
            "Lung-RADS v2022: 4A",
            "93 %",
            "84–99 %",
            "lung-rads-2022/solid/baseline/4A",
            "8 ≤ mean diameter (mm) < 15",
            "mean_diameter_mm = 8.4",
            "Follow-up: LDCT in 3 months",
            "Distance to pleura",
            "-0.093",
            "Detection limit",
            "Weights SHA-256",
            "deadline kept",
            "300",
        ):
            assert part in text, part

    def test_chinese_report_has_chinese_labels_and_texts_only(self) -> None:
        text = words(render_pdf(results.lung_ct(), {}, "zh"))
        assert "随访建议" in text
        assert "Follow-up" not in text
        assert "实性" in text

    def test_forty_findings_are_all_there_and_the_table_head_repeats(self) -> None:
        texts = pages(render_pdf(results.with_forty(), {}, "en"))
        whole = "\n".join(texts)
        assert all(f"nodule-{i} " in whole for i in range(1, 41))
        assert sum("Size (interval)" in text for text in texts) >= 2

    @pytest.mark.parametrize("language", ["zh", "en", "both"])
    def test_hostile_texts_are_printed_as_they_are(self, language: str) -> None:
        pdf = render_pdf(results.hostile(), IMAGES, language)  # type: ignore[arg-type]
        assert "<script>alert('x')</script> & <b>bold</b> {{ 7*7 }}" in words(pdf)

    def test_the_patient_name_is_there_only_when_given(self) -> None:
        named = words(render_pdf(results.lung_ct(), {}, "both", patient_name="张三^测试"))
        assert "张三^测试" in named
        assert "姓名" not in words(render_pdf(results.lung_ct(), {}, "both"))

    def test_the_institution_heads_the_report_when_it_is_known(self) -> None:
        named = results.lung_ct().model_copy(update={"institution": "市第一人民医院 City Hospital"})
        first = words(render_pdf(named, {}, "en"))
        assert first.index("City Hospital") < first.index("AI analysis report")
        assert "None" not in words(render_pdf(results.lung_ct(), {}, "en"))[:400]

    def test_fonts_are_embedded(self) -> None:
        reader = PdfReader(io.BytesIO(render_pdf(results.lung_ct(), {}, "both")))
        fonts = reader.pages[0]["/Resources"]["/Font"]  # type: ignore[index]
        used = [font.get_object() for font in fonts.values()]
        embedded = [f for f in used if "HealthVisionReport" in f["/BaseFont"]]
        assert embedded
        assert all("/FontFile2" in f["/FontDescriptor"].get_object() for f in embedded)

    def test_key_images_are_in_the_file_and_captioned(self) -> None:
        pdf = render_pdf(results.lung_ct(), IMAGES, "en")
        assert sum(len(page.images) for page in PdfReader(io.BytesIO(pdf)).pages) == 3
        assert "Image 1: 1. Suspected lung nodule, left lower zone" in words(pdf)

    def test_the_first_two_key_images_are_on_the_first_page_before_the_findings(self) -> None:
        reader = PdfReader(io.BytesIO(render_pdf(results.lung_ct(), IMAGES, "en")))
        assert len(reader.pages[0].images) == 2
        first = reader.pages[0].extract_text()
        assert first.index("Image 2: ") < first.index("AI findings")
        assert "Image 3: " in " ".join(page.extract_text() for page in reader.pages[1:])

    @pytest.mark.parametrize("language", ["zh", "en", "both"])
    def test_the_category_of_the_exam_is_on_the_first_page(self, language: str) -> None:
        base = results.lung_ct()
        exam = base.findings[0].categories[:1]
        result = base.model_copy(update={"categories": exam})
        first = pages(render_pdf(result, {}, language))[0]  # type: ignore[arg-type]
        assert f"Lung-RADS v2022: {exam[0].value}" in first
        word = LABELS["exam-category"]
        assert (word.zh if language == "zh" else word.en) in first

    def test_a_risk_is_a_range_that_names_what_is_not_known(self) -> None:
        base = results.lung_ct()
        risk = Risk(
            model="brock-2b",
            title=Text(zh="Brock 完整模型", en="Brock full model"),
            low=0.004,
            high=0.12,
            known={"diameter_mm": 8.4},
            missing=(Text(zh="毛刺", en="spiculation"),),
            population=Text(zh="筛查人群", en="screening"),
            source="PMC6717521",
        )
        finding = base.findings[0].model_copy(update={"risks": (risk,)})
        result = base.model_copy(update={"findings": (finding, *base.findings[1:])})
        text = words(render_pdf(result, {}, "en"))
        assert "Brock full model: 0.4 %–12 %" in text
        assert "not known: spiculation" in text

    @pytest.mark.parametrize("bad", [b"", b"GIF89a", results.key_png(1)[:200]])
    def test_a_broken_key_image_is_named(self, bad: bytes) -> None:
        with pytest.raises(ReportInputError, match="key-9"):
            render_pdf(results.lung_ct(), {"key-9": bad}, "en")

    def test_a_superseded_result_says_so(self) -> None:
        old = results.lung_ct().model_copy(update={"superseded_by": "x"})
        assert "superseded by a newer one" in words(render_pdf(old, {}, "en"))

    def test_a_missed_deadline_is_said(self) -> None:
        base = results.lung_ct()
        late = base.timings.model_copy(update={"deadline_at": datetime(2026, 1, 1, tzinfo=UTC)})
        result: Result = base.model_copy(update={"timings": late})
        assert "deadline missed" in words(render_pdf(result, {}, "en"))


class TestPrintable:
    def test_the_font_has_every_fixed_word_of_reports_and_guidelines(self) -> None:
        texts = [*LABELS.values(), *lung_rads.MANAGEMENT.values()]
        texts += [*fleischner.MANAGEMENT.values(), *bts.MANAGEMENT.values()]
        texts += [rule.text for table in lung_rads.TABLES.values() for rule in table]
        used = {ord(char) for text in texts for char in text.zh + text.en}
        assert {chr(code) for code in used - characters()} == set()
        assert c_lung_rads.__doc__

    def test_unknown_glyphs_and_controls_are_replaced_and_never_tofu(self) -> None:
        assert printable("a\x07b\u202ec😀d") == "a bc〓d"

    def test_a_limit_cuts_with_an_ellipsis(self) -> None:
        assert printable("abcdef", limit=4) == "abc…"


def test_the_document_bears_the_time_of_the_result() -> None:
    """An archive sorts reports by their date; equal input still gives equal bytes."""
    result = results.lung_ct()
    assert result.timings.finished_at is not None
    first = render_pdf(result, {}, "both")
    assert first == render_pdf(result, {}, "both")
    wanted = result.timings.finished_at.astimezone(UTC).strftime("D:%Y%m%d%H%M%S+00'00'")
    assert wanted.encode() in first
