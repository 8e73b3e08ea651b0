# SPDX-License-Identifier: Apache-2.0
"""Fonts, colours and paragraph styles of the PDF report, and the page with its running head."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph

REGULAR, BOLD = "HealthVisionReport-Regular", "HealthVisionReport-Bold"
FOLDER = Path(__file__).parent / "fonts"
MISSING = "〓"  # stands for a character that the font does not have

WIDTH, HEIGHT = A4
MARGIN = 15 * mm
TOP, BOTTOM = 24 * mm, 17 * mm
TEXT_WIDTH = WIDTH - 2 * MARGIN

INK = HexColor("#1b2733")
GREY = HexColor("#5b6875")
LINE = HexColor("#c9d1d9")
SHADE = HexColor("#eef2f6")
BRAND = HexColor("#0b4f6c")
AMBER, AMBER_SHADE = HexColor("#a34700"), HexColor("#fff3e0")
RED, RED_SHADE = HexColor("#b3261e"), HexColor("#fdecea")
GREEN = HexColor("#1b6e3c")
BLUE = HexColor("#2563a8")


def _register(name: str) -> frozenset[int]:
    font = TTFont(name, str(FOLDER / f"{name}.ttf"))
    pdfmetrics.registerFont(font)
    return frozenset(font.face.charToGlyph)


@cache
def characters() -> frozenset[int]:
    """Register the fonts once and return the code points that the regular one has."""
    bold_characters()
    return _register(REGULAR)


@cache
def bold_characters() -> frozenset[int]:
    """Return the code points of the bold font (Latin only)."""
    return _register(BOLD)


def printable(text: str, *, limit: int | None = None) -> str:
    """Return the text with blanks for control characters and a mark for missing glyphs.

    ``limit``: longest allowed text, for cells that must not outgrow a page.
    """
    known = characters()
    cut = text if limit is None or len(text) <= limit else text[: limit - 1] + "…"
    return "".join(
        char if ord(char) in known and char.isprintable() else _substitute(char) for char in cut
    )


def _substitute(char: str) -> str:
    category = unicodedata.category(char)
    if category in ("Cc", "Zs", "Zl", "Zp"):
        return " "
    return "" if category in ("Cf", "Mn") else MISSING


def style(
    size: float,
    *,
    color: Color = INK,
    before: float = 0,
    after: float = 0,
    left: float = 0,
    chinese: bool = True,
) -> ParagraphStyle:
    """Return a paragraph style; ``chinese`` breaks lines between any two Chinese characters."""
    return ParagraphStyle(
        f"hv-{size}-{before}-{after}-{left}-{chinese}",
        fontName=REGULAR,
        fontSize=size,
        leading=size * 1.36,
        textColor=color,
        spaceBefore=before,
        spaceAfter=after,
        leftIndent=left,
        wordWrap="CJK" if chinese else None,
        splitLongWords=1,
    )


def para(
    text: str,
    size: float = 8.5,
    *,
    color: Color = INK,
    before: float = 0,
    after: float = 0,
    left: float = 0,
    limit: int | None = None,
    bold: bool = False,
) -> Paragraph:
    """Return a paragraph of plain text; nothing in it is read as markup."""
    clean = printable(text, limit=limit)
    chinese = any(ord(char) >= 0x2E80 for char in clean)
    chosen = style(size, color=color, before=before, after=after, left=left, chinese=chinese)
    if bold and all(ord(char) in bold_characters() for char in clean):
        chosen.fontName = BOLD
    return Paragraph(escape(clean), chosen)


def cell(
    lines: Sequence[str],
    size: float = 7.6,
    *,
    color: Color = INK,
    bold: bool = False,
    total: int = 420,
) -> list[Paragraph]:
    """Return the lines of a table cell, cut to ``total`` characters so that a row fits a page."""
    share = max(60, total // max(1, len(lines)))
    return [para(line, size, color=color, limit=share, bold=bold) for line in lines[:10]]


def fit(text: str, width: float, size: float, font: str = REGULAR) -> str:
    """Return the text cut with an ellipsis to ``width`` points."""
    clean = printable(text, limit=300)
    if stringWidth(clean, font, size) <= width:
        return clean
    while clean and stringWidth(clean + "…", font, size) > width:
        clean = clean[:-1]
    return clean + "…"


class ReportCanvas(Canvas):
    """A canvas that draws head and foot on every page once the number of pages is known."""

    banner, running, foot, result_id = "", "", "", ""
    verified = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:
        """Keep the page; it is written by ``save``."""
        self._pages.append(dict(self.__dict__))
        self._startPage()  # type: ignore[attr-defined]  # not in the stubs

    def save(self) -> None:
        """Write all pages, each with head, foot and 'page n / m'."""
        total = len(self._pages)
        for number, page in enumerate(self._pages, 1):
            self.__dict__.update(page)
            self._head()
            self._foot(number, total)
            super().showPage()
        super().save()

    def _head(self) -> None:
        band = 9 * mm
        self.setFillColor(GREEN if self.verified else AMBER)
        self.rect(0, HEIGHT - band, WIDTH, band, stroke=0, fill=1)
        self.setFillColor(HexColor("#ffffff"))
        self.setFont(REGULAR, 10.5)
        self.drawString(MARGIN, HEIGHT - band + 2.9 * mm, fit(self.banner, 100 * mm, 10.5))
        self.setFont(REGULAR, 7.6)
        running = fit(self.running, 78 * mm, 7.6)
        self.drawRightString(WIDTH - MARGIN, HEIGHT - band + 3.2 * mm, running)

    def _foot(self, number: int, total: int) -> None:
        self.setStrokeColor(LINE)
        self.line(MARGIN, 12.5 * mm, WIDTH - MARGIN, 12.5 * mm)
        self.setFillColor(GREY)
        self.setFont(REGULAR, 6.8)
        self.drawString(MARGIN, 9 * mm, fit(self.foot, 100 * mm, 6.8))
        self.drawString(MARGIN, 6 * mm, fit(self.result_id, 130 * mm, 6.8))
        self.setFont(REGULAR, 7.6)
        self.drawRightString(WIDTH - MARGIN, 8 * mm, f"{number} / {total}")


def canvas_for(
    *, banner: str, running: str, foot: str, result_id: str, verified: bool, made: datetime | None
) -> type[ReportCanvas]:
    """Return a canvas class with the given head and foot; ``made``: the document's date."""

    class Bound(ReportCanvas):
        """The canvas of one document."""

        def save(self) -> None:
            """Write the document."""
            if made is not None:
                stamp = made.astimezone(UTC).strftime("D:%Y%m%d%H%M%S+00'00'")
                self.setDateFormatter(lambda *_: stamp)
            super().save()

    Bound.banner, Bound.running, Bound.foot = banner, running, foot
    Bound.result_id, Bound.verified = result_id, verified
    return Bound
