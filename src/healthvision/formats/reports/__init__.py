# SPDX-License-Identifier: Apache-2.0
"""Reports of a ``Result`` for people: HTML, PDF, batch summary and CSV. Pure: bytes and text out.

HTML and PDF show the same ``view.ReportView``. Every page says that the result is unverified.
"""

from healthvision.formats.reports.csv_export import render_csv
from healthvision.formats.reports.html import render_html
from healthvision.formats.reports.pdf import render_pdf
from healthvision.formats.reports.summary import merged_summary_html, merged_summary_pdf
from healthvision.formats.reports.words import Language, ReportInputError

__all__ = [
    "Language",
    "ReportInputError",
    "merged_summary_html",
    "merged_summary_pdf",
    "render_csv",
    "render_html",
    "render_pdf",
]
