# SPDX-License-Identifier: Apache-2.0
"""Query parameters of rendered resources (PS3.18 8.3.5) into a ``Rendering``."""

import math
from collections.abc import Mapping, Sequence
from typing import cast

from healthvision.formats.dicom.render import MAX_VIEWPORT, Media, Rendering, Window
from healthvision.interfaces.dicomweb.query import BadParameter

_FUNCTIONS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}
THUMBNAIL = 128
_NOTES = ("patient", "technique")
# Colours go out as sRGB without an embedded profile whatever is asked (PS3.18 8.3.5.1.5).
_PROFILES = ("no", "yes", "srgb", "adobergb", "rommrgb", "displayp3")


def rendering_of(parameters: Mapping[str, str], media: str) -> Rendering:
    """Read window, viewport, quality, annotation and iccprofile; raises BadParameter."""
    if parameters.get("iccprofile", "no") not in _PROFILES:
        raise BadParameter(
            f"iccprofile must be one of {_listed(_PROFILES)}", parameter="iccprofile"
        )
    viewport, crop = _viewport(parameters.get("viewport"))
    quality = parameters.get("quality", "90")
    if not quality.isascii() or not quality.isdigit() or not 1 <= int(quality[:4]) <= 100:
        raise BadParameter("quality must be a whole number from 1 to 100", parameter="quality")
    return Rendering(
        window=_window(parameters.get("window")),
        viewport=viewport,
        quality=int(quality),
        media=cast("Media", media),
        crop=crop,
        annotate=_annotations(parameters.get("annotation")),
    )


def thumbnail_of(parameters: Mapping[str, str], media: str) -> Rendering:
    """Return the rendering of a thumbnail: at most 128 x 128 unless a viewport is named."""
    viewport = _viewport(parameters.get("viewport"))[0] or (THUMBNAIL, THUMBNAIL)
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


def _annotations(text: str | None) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys(w.strip() for w in text.split(","))) if text else ()
    if not set(wanted) <= set(_NOTES):
        raise BadParameter(f"annotation must be of {_listed(_NOTES)}", parameter="annotation")
    return wanted


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)


def _viewport(
    text: str | None,
) -> tuple[tuple[int, int] | None, tuple[int, int, int, int] | None]:
    """Return the size and the region: ``vw,vh[,sx,sy,sw,sh]``; a negative side mirrors."""
    if not text:
        return None, None
    pieces = text.split(",")
    sides = [int(n) for n in _numbers(pieces) if abs(n) < 1e9]
    if len(sides) != len(pieces) or len(sides) not in (2, 6):
        raise _bad_viewport()
    if not all(1 <= side <= MAX_VIEWPORT for side in sides[:2]):
        raise _bad_viewport()
    size = sides[0], sides[1]
    if len(sides) == 2:
        return size, None
    left, top, width, height = sides[2:]
    if left < 0 or top < 0 or not width or not height:
        raise _bad_viewport()
    return size, (left, top, width, height)


def _bad_viewport() -> BadParameter:
    return BadParameter(
        f"viewport must be width,height, each from 1 to {MAX_VIEWPORT}, and may name a region "
        "of the picture: ,left,top,width,height (negative width or height mirrors)",
        parameter="viewport",
    )


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
