# SPDX-License-Identifier: Apache-2.0
"""Query parameters of rendered resources (PS3.18 8.3.5) into a ``Rendering``."""

import math
from collections.abc import Mapping, Sequence
from typing import cast

from healthvision.formats.dicom.render import MAX_VIEWPORT, Media, Rendering, Window
from healthvision.interfaces.dicomweb.query import BadParameter

_FUNCTIONS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}
THUMBNAIL = 128


def rendering_of(parameters: Mapping[str, str], media: str) -> Rendering:
    """Read ``window``, ``viewport`` and ``quality``; raises BadParameter."""
    quality = parameters.get("quality", "90")
    if not quality.isascii() or not quality.isdigit() or not 1 <= int(quality[:4]) <= 100:
        raise BadParameter("quality must be a whole number from 1 to 100", parameter="quality")
    return Rendering(
        window=_window(parameters.get("window")),
        viewport=_viewport(parameters.get("viewport")),
        quality=int(quality),
        media=cast("Media", media),
    )


def thumbnail_of(parameters: Mapping[str, str], media: str) -> Rendering:
    """Return the rendering of a thumbnail: at most 128 x 128 unless a viewport is named."""
    viewport = _viewport(parameters.get("viewport")) or (THUMBNAIL, THUMBNAIL)
    return Rendering(viewport=viewport, quality=80, media=cast("Media", media))


def _window(text: str | None) -> Window | None:
    if not text:
        return None
    pieces = [p.strip() for p in text.split(",")]
    function = _FUNCTIONS.get(pieces[2].lower() if len(pieces) == 3 else "linear")
    numbers = _numbers(pieces[:2])
    if len(pieces) not in (2, 3) or function is None or len(numbers) != 2 or numbers[1] <= 0:
        raise BadParameter(
            "window must be center,width[,linear|linear-exact|sigmoid] with width above 0",
            parameter="window",
        )
    return Window(numbers[0], numbers[1], function)


def _viewport(text: str | None) -> tuple[int, int] | None:
    if not text:
        return None
    pieces = text.split(",")
    sides = _numbers(pieces)
    if len(pieces) != 2 or len(sides) != 2 or not all(1 <= s <= MAX_VIEWPORT for s in sides):
        raise BadParameter(
            f"viewport must be width,height, each from 1 to {MAX_VIEWPORT}", parameter="viewport"
        )
    return int(sides[0]), int(sides[1])


def _numbers(texts: Sequence[str]) -> list[float]:
    """Return the finite numbers; fewer than texts when one is none."""
    out = []
    for text in texts:
        try:
            value = float(text)
        except ValueError:
            return []
        if math.isfinite(value):
            out.append(value)
    return out
