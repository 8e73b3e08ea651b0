# SPDX-License-Identifier: Apache-2.0
"""CSV of results: rows, columns, and no cell that a spreadsheet would run."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.factories import results

from healthvision.formats.reports import render_csv
from healthvision.formats.reports.csv_export import COLUMNS, safe_cell


class TestRenderCsv:
    def test_one_row_per_finding_and_one_for_an_abstention(self) -> None:
        text = render_csv([results.lung_ct(), results.abstained()])
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [row["finding"] for row in rows] == ["nodule-1", "nodule-2", "nodule-3", ""]
        assert rows[0]["confidence"] == "0.93"
        assert "lung-rads-v2022: 4A" in rows[0]["categories"]
        assert rows[3]["abstained_reason_en"].startswith("Slices of 7.5 mm")
        assert rows[3]["evidence_level"] == "E1"

    def test_negative_coordinates_stay_numbers(self) -> None:
        rows = list(csv.DictReader(io.StringIO(render_csv([results.lung_ct()]))))
        assert float(rows[0]["x_lps_mm"]) == -51.4

    def test_formulas_are_defused(self) -> None:
        rows = list(csv.reader(io.StringIO(render_csv([results.hostile()]))))
        cells = dict(zip(COLUMNS, rows[1], strict=True))
        assert cells["accession_number"] == "'" + results.FORMULA
        assert cells["label_en"] == "'" + results.FORMULA


class TestSafeCell:
    @pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
    def test_dangerous_starts_get_an_apostrophe(self, start: str) -> None:
        assert safe_cell(start + "1") == "'" + start + "1"

    @given(st.text())
    def test_no_text_starts_a_formula(self, text: str) -> None:
        cell = safe_cell(text)
        assert isinstance(cell, str)
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert cell.removeprefix("'") == text or cell == text
