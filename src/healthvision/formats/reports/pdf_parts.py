# SPDX-License-Identifier: Apache-2.0
"""Building blocks of the PDF report: headings, boxes, tables and contribution bars."""

from collections.abc import Sequence

from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import CondPageBreak, Flowable, Paragraph, Spacer, Table, TableStyle

from healthvision.formats.reports import pdf_style as look
from healthvision.formats.reports.details import Bar
from healthvision.formats.reports.pdf_style import cell, fit, para
from healthvision.formats.reports.provenance import Fact


def heading(text: str, *, room: float = 32) -> list[Flowable]:
    """Return a section heading that stays with at least ``room`` mm of what follows."""
    return [CondPageBreak(room * mm), para(text, 11.5, color=look.BRAND, before=9, after=3,
                                           limit=300, bold=True)]  # fmt: skip


def box(lines: Sequence[Paragraph], *, failed: bool) -> list[Flowable]:
    """Return a red (failed) or amber (warning) box with a thick left edge."""
    table = Table([[list(lines)]], colWidths=[look.TEXT_WIDTH])
    edge, shade = (look.RED, look.RED_SHADE) if failed else (look.AMBER, look.AMBER_SHADE)
    table.setStyle(
        TableStyle(
            [
                ("BACKGROUND", (0, 0), (-1, -1), shade),
                ("LINEBEFORE", (0, 0), (0, -1), 3, edge),
                ("LEFTPADDING", (0, 0), (-1, -1), 8),
                ("TOPPADDING", (0, 0), (-1, -1), 4),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 5),
            ]
        )
    )
    return [table, Spacer(1, 4)]


def grid(
    titles: Sequence[Sequence[str]],
    rows: Sequence[list[list[Paragraph]]],
    widths_mm: Sequence[float],
) -> Table:
    """Return a table with a shaded head that is repeated on every page."""
    head = [cell(title, 7.4, color=look.BRAND, bold=True) for title in titles]
    table = Table([head, *rows], colWidths=[w * mm for w in widths_mm], repeatRows=1, hAlign="LEFT")
    table.setStyle(
        TableStyle(
            [
                ("BACKGROUND", (0, 0), (-1, 0), look.SHADE),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LINEBELOW", (0, 0), (-1, -1), 0.4, look.LINE),
                ("LEFTPADDING", (0, 0), (-1, -1), 3),
                ("RIGHTPADDING", (0, 0), (-1, -1), 3),
                ("TOPPADDING", (0, 0), (-1, -1), 2.2),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
            ]
        )
    )
    return table


def fact_table(facts: Sequence[Fact]) -> list[Flowable]:
    """Return names and values: short ones two to a row, wide ones on a row of their own."""
    short = [fact for fact in facts if not fact.wide]
    rows = [
        [part for fact in short[i : i + 2] for part in _pair(fact)] for i in range(0, len(short), 2)
    ]
    found: list[Flowable] = []
    plain = TableStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 1),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
            ("LINEBELOW", (0, 0), (-1, -1), 0.25, look.LINE),
        ]
    )
    if rows:
        rows[-1] += [""] * (4 - len(rows[-1]))
        found.append(Table(rows, colWidths=[w * mm for w in (34, 56, 34, 56)], style=plain))
    wide = [_pair(fact) for fact in facts if fact.wide]
    if wide:
        found.append(Table(wide, colWidths=[34 * mm, 146 * mm], style=plain))
    return found


def _pair(fact: Fact) -> list[object]:
    return [cell([fact.name], color=look.GREY), cell([fact.value], 7.9)]


class ContributionBars(Flowable):
    """Horizontal bars from a middle line: right (amber) raises, left (blue) lowers."""

    ROW = 10.5
    LABEL = 62 * mm
    VALUE = 22 * mm
    SPAN = 62 * mm

    def __init__(self, bars: Sequence[Bar]) -> None:
        super().__init__()
        self.bars = bars
        self.width, self.height = look.TEXT_WIDTH, self.ROW * len(bars) + 3

    def wrap(self, _width: float, _height: float) -> tuple[float, float]:
        """Return the size in points."""
        return self.width, self.height

    def draw(self) -> None:
        """Draw one row per bar, the first on top."""
        canvas: Canvas = self.canv
        middle = self.LABEL + self.VALUE + self.SPAN / 2
        for i, bar in enumerate(self.bars):
            base = self.height - (i + 1) * self.ROW
            canvas.setFillColor(look.INK)
            canvas.setFont(look.REGULAR, 7.4)
            canvas.drawString(0, base + 2.5, fit(bar.label, self.LABEL - 6, 7.4))
            canvas.setFillColor(look.GREY)
            value = fit(bar.value, self.VALUE - 6, 7.4)
            canvas.drawRightString(self.LABEL + self.VALUE - 6, base + 2.5, value)
            length = bar.share * self.SPAN / 2
            canvas.setFillColor(look.AMBER if length > 0 else look.BLUE)
            canvas.rect(middle, base + 2, length, self.ROW - 4.5, stroke=0, fill=1)
            canvas.setFillColor(look.GREY)
            end = self.LABEL + self.VALUE + self.SPAN + 4
            canvas.drawString(end, base + 2.5, f"{bar.contribution:+.3f}")
        canvas.setStrokeColor(look.GREY)
        canvas.setLineWidth(0.5)
        canvas.line(middle, 1, middle, self.height - 1)
