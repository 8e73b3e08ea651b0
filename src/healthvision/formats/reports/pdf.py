# SPDX-License-Identifier: Apache-2.0
"""The PDF report (A4) of a ``Result``: equal input gives equal bytes, the font is embedded."""

import io
from collections.abc import Mapping, Sequence
from datetime import datetime

from PIL import Image as Picture
from PIL import UnidentifiedImageError
from reportlab.lib.units import mm
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    Image,
    PageTemplate,
    Spacer,
    Table,
)

from healthvision.clinical.result import Result
from healthvision.formats.reports import pdf_style as look
from healthvision.formats.reports.pdf_findings import details, findings_table
from healthvision.formats.reports.pdf_parts import box, fact_table, grid, heading
from healthvision.formats.reports.pdf_style import cell, para
from healthvision.formats.reports.provenance import Fact
from healthvision.formats.reports.view import ImageView, ReportView, build_view
from healthvision.formats.reports.words import Language, ReportInputError, Speech

Story = list[Flowable]

MAX_IMAGE_PIXELS = 40_000_000
LEADING = 2  # key images on the first page


def render_pdf(
    result: Result,
    key_images: Mapping[str, bytes],
    language: Language,
    *,
    patient_name: str | None = None,
) -> bytes:
    """Return the report as PDF 1.4 bytes, A4 portrait; deterministic for equal input.

    ``key_images``: PNG bytes by output name ('key-1' or 'key-1.png'), shown in this order. The
    patient's name is only in the report when it is given. Raises ``ReportInputError`` for a key
    image that is no readable PNG.
    """
    speech = Speech(language)
    view = build_view(result, speech, image_names=tuple(key_images), patient_name=patient_name)
    look.characters()
    story = _head(view, speech)
    story += _pictures(view.images[:LEADING], key_images, speech, 62 * mm)
    story += findings_table(view, speech)
    story += _study_measures(view, speech)
    story += _negatives(view, speech)
    story += _images(view.images, key_images, speech)
    story += details(view, speech)
    story += _closing(view, speech)
    return build(
        story,
        title=f"{view.title} {result.id}",
        banner=view.banner,
        running=view.running,
        foot=Speech("both").label("not-a-device"),
        result_id=f"{result.application.id} {result.application.version} · {result.id}",
        verified=view.verified,
        made=result.timings.finished_at,
    )


def build(
    story: Story,
    *,
    title: str,
    banner: str,
    running: str,
    foot: str,
    result_id: str,
    verified: bool,
    made: datetime | None = None,
) -> bytes:
    """Lay the story out on A4 pages with head and foot, and return the PDF bytes."""
    target = io.BytesIO()
    document = BaseDocTemplate(
        target,
        pagesize=(look.WIDTH, look.HEIGHT),
        invariant=1,
        title=look.printable(title, limit=200),
        author="HealthVision",
        creator="HealthVision",
        lang="zh-CN",
    )
    frame = Frame(
        look.MARGIN,
        look.BOTTOM,
        look.TEXT_WIDTH,
        look.HEIGHT - look.BOTTOM - look.TOP + 8 * mm,
        leftPadding=0,
        rightPadding=0,
        topPadding=0,
        bottomPadding=0,
    )
    document.addPageTemplates(PageTemplate(frames=[frame]))
    maker = look.canvas_for(
        banner=banner, running=running, foot=foot, result_id=result_id, verified=verified, made=made
    )
    document.build(story, canvasmaker=maker)
    return target.getvalue()


def _head(view: ReportView, speech: Speech) -> Story:
    story: Story = []
    if view.institution:
        story.append(para(view.institution, 10.5, after=2, limit=200, bold=True))
    story += [
        para(speech.label("report"), 8.5, color=look.GREY),
        para(view.title, 15, color=look.BRAND, after=5, limit=200, bold=True),
    ]
    if view.superseded:
        story += box([para(speech.label("superseded"), 9, color=look.RED)], failed=True)
    if view.abstained:
        lines = [para(speech.label("abstained"), 12, color=look.RED, bold=True)]
        lines += [para(line, 9.5, limit=900) for line in view.abstained]
        lines += [para(line, 8, color=look.GREY) for line in speech.lines("abstained-note")]
        story += [*box(lines, failed=True), *_alerts(view), *fact_table(view.facts)]
    else:  # whose report it is comes first
        story += [*fact_table(view.facts), Spacer(1, 6), *_alerts(view)]
    story += heading(speech.label("summary"))
    story += [para(line, 9.5, after=2) for line in view.summary]
    for category in view.categories:
        text = f"{speech.label('exam-category')} · {category.name}: {category.value}"
        story.append(para(text, 10.5, color=look.BRAND, before=3, bold=True))
        story += [para(line, 8.4, limit=1000) for line in category.management]
        for assumed in category.assumptions:
            story += [para(line, 7.8, color=look.AMBER, limit=1000) for line in assumed]
    return [*story, Spacer(1, 4)]


def _alerts(view: ReportView) -> Story:
    story: Story = []
    for alert in view.alerts:
        colour = look.RED if alert.failed else look.AMBER
        lines = [para(alert.title, 8.5, color=colour, limit=200, bold=True)]
        lines += [para(line, 8.5, limit=600) for line in alert.reason]
        lines += [para(line, 8, color=look.GREY, limit=600) for line in alert.remedy]
        story += box(lines, failed=alert.failed)
    return story


def _study_measures(view: ReportView, speech: Speech) -> Story:
    if not view.measures:
        return []
    rows = [
        [cell([m.label]), cell([m.value], bold=True), cell([m.method], color=look.GREY)]
        for m in view.measures
    ]
    titles = [speech.lines(key) for key in ("measure", "value", "method")]
    note = [para(view.intervals, 7.5, color=look.GREY)] if view.intervals else []
    return [*heading(speech.label("study-measures")), grid(titles, rows, (70, 50, 60)), *note]


def _negatives(view: ReportView, speech: Speech) -> Story:
    if not view.negatives:
        return []
    rows = [[cell([n.label]), cell(n.limit), cell([n.evidence])] for n in view.negatives]
    titles = [speech.lines(key) for key in ("negatives", "limit", "evidence")]
    return [*heading(speech.label("negatives")), grid(titles, rows, (65, 91, 24))]


def _images(images: Sequence[ImageView], pixels: Mapping[str, bytes], speech: Speech) -> Story:
    """Return the key images that are not on the first page, under a heading."""
    rest = images[LEADING:]
    if not rest:
        return []
    side = 87 * mm
    head: Story = [CondPageBreak(side + 30 * mm), *heading(speech.label("key-images"))]
    return head + _pictures(rest, pixels, speech, side, first=LEADING + 1)


def _pictures(
    images: Sequence[ImageView],
    pixels: Mapping[str, bytes],
    speech: Speech,
    side: float,
    *,
    first: int = 1,
) -> Story:
    """Return key images two to a row, each in a square of ``side`` points, with captions."""
    cells = [
        [
            _picture(image.name, pixels[image.name], side, side),
            Spacer(1, 3),
            *cell([f"{speech.label('image')} {i}: {image.caption}"], 7.6),
        ]
        for i, image in enumerate(images, first)
    ]
    story: Story = []
    for start in range(0, len(cells), 2):
        row = cells[start : start + 2]
        row += [[]] * (2 - len(row))
        table = Table([row], colWidths=[look.TEXT_WIDTH / 2] * 2, hAlign="LEFT")
        table.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)])
        story.append(table)
    return story


def _picture(name: str, png: bytes, width: float, height: float) -> Image:
    """Return the PNG scaled into the box, aspect kept."""
    try:
        with Picture.open(io.BytesIO(png), formats=("PNG",)) as picture:
            columns, rows = picture.size
            if columns * rows > MAX_IMAGE_PIXELS:
                raise ReportInputError(f"key image {name!r}: {columns} x {rows} is too large")
            picture.load()
    except (UnidentifiedImageError, OSError, SyntaxError, Picture.DecompressionBombError) as error:
        raise ReportInputError(f"key image {name!r} is no readable PNG") from error
    scale = min(width / columns, height / rows)
    return Image(io.BytesIO(png), width=columns * scale, height=rows * scale, hAlign="LEFT")


def _closing(view: ReportView, speech: Speech) -> Story:
    story: Story = []
    if view.limitations:
        story += heading(speech.label("limitations"))
        for lines in view.limitations:
            story.append(para(f"• {lines[0]}", 8.2, before=1))
            story += [para(line, 8.2, color=look.GREY, left=7) for line in lines[1:]]
    if view.gates_passed:
        story += heading(speech.label("gates-passed"))
        story += [para(f"✓ {line}", 8, color=look.GREY) for line in view.gates_passed]
    facts = [Fact(fact.name, fact.value, wide=True) for fact in view.provenance]
    return [*story, *heading(speech.label("provenance")), *fact_table(facts)]
