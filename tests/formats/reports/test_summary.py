# SPDX-License-Identifier: Apache-2.0
"""The merged summary of a batch names every study, also the broken ones."""

import io

from pypdf import PdfReader
from tests.factories import results

from healthvision.clinical.result import Result
from healthvision.formats.reports import merged_summary_html, merged_summary_pdf

ITEMS: list[tuple[str, Result | str]] = [
    ("P-1 CT", results.lung_ct()),
    ("P-2 CT", results.abstained()),
    ("P-3 CT", results.with_warnings()),
    ("broken.zip", "not a DICOM file: <b>x</b>"),
]


class TestMergedSummaryHtml:
    def test_counts_states_and_names_the_error_escaped(self) -> None:
        html = merged_summary_html(ITEMS, "en")
        assert "Studies 4  ·  Complete 2  ·  Abstained 1  ·  Failed 1" in html
        assert "not a DICOM file: &lt;b&gt;x&lt;/b&gt;" in html
        assert "Lung-RADS v2022 4A × 1" in html


class TestMergedSummaryPdf:
    def test_a_hundred_studies_paginate_and_all_are_named(self) -> None:
        many = [(f"study-{i:03d}", outcome) for i, (_, outcome) in enumerate(ITEMS * 25)]
        reader = PdfReader(io.BytesIO(merged_summary_pdf(many, "both")))
        texts = [page.extract_text() for page in reader.pages]
        assert len(texts) > 3
        assert all("未经医生确认" in text for text in texts)
        whole = "\n".join(texts)
        assert [label for label, _ in many if label not in whole] == []

    def test_equal_input_gives_equal_bytes(self) -> None:
        assert merged_summary_pdf(ITEMS, "zh") == merged_summary_pdf(ITEMS, "zh")
