# SPDX-License-Identifier: Apache-2.0
"""The HTML report: one self-contained page without scripts; every text is escaped."""

import base64
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from healthvision.clinical.result import Result
from healthvision.formats.reports.view import build_view
from healthvision.formats.reports.words import Language, ReportInputError, Speech

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render_template(name: str, **values: object) -> str:
    """Render one of the report templates with autoescape; unknown names are errors."""
    return _TEMPLATES.get_template(name).render(**values)


def render_html(
    result: Result,
    *,
    key_images: Mapping[str, bytes],
    language: Language,
    patient_name: str | None = None,
) -> str:
    """Return the report as one HTML page: inline style, images as data URIs, no scripts.

    ``key_images``: PNG bytes by output name ('key-1' or 'key-1.png'), shown in this order. A
    content security policy in the page forbids scripts and any request. Raises
    ``ReportInputError`` for a key image that is no PNG.
    """
    speech = Speech(language)
    view = build_view(result, speech, image_names=tuple(key_images), patient_name=patient_name)
    return render_template(
        "report.html.j2",
        view=view,
        speech=speech,
        pictures={name: data_uri(name, png) for name, png in key_images.items()},
        foot=Speech("both").label("not-a-device"),
        html_lang="en" if language == "en" else "zh-CN",
        result_id=result.id,
    )


def data_uri(name: str, png: bytes) -> str:
    """Return PNG bytes as a data URI; ``ReportInputError`` when they are no PNG."""
    if not png.startswith(PNG_SIGNATURE):
        raise ReportInputError(f"key image {name!r} is no PNG")
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
