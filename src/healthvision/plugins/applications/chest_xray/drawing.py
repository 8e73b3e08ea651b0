# SPDX-License-Identifier: Apache-2.0
"""Key images: the upright film with outlines, opacities and the lines of the heart."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from healthvision.clinical.radiograph.frame import SIDE
from healthvision.clinical.radiograph.heart import Heart
from healthvision.clinical.result import Text
from healthvision.clinical.study import KeyImage
from healthvision.clinical.volume import Array, BoolArray, FloatArray

SCALE = 3
OUTLINE, OPAQUE, LINE, WHITE = (90, 200, 255), (255, 140, 0), (120, 255, 120), (255, 255, 255)
HEAT = (255, 70, 40)


@dataclass(frozen=True, eq=False, slots=True)
class Canvas:
    """``pixels``: float (SIDE, SIDE) of the frame, dense is bright; ``film``: bool, its place."""

    pixels: Array
    film: BoolArray


def _large(mask: BoolArray) -> BoolArray:
    image = Image.fromarray(mask.astype(np.float32)).resize((SIDE * SCALE, SIDE * SCALE))
    out: BoolArray = np.asarray(image) > 0.5
    return out


def key_image(
    canvas: Canvas,
    name: str,
    caption: Text,
    *,
    lungs: BoolArray | None = None,
    opaque: BoolArray | None = None,
    heat: FloatArray | None = None,
    heart: Heart | None = None,
    tracking: str | None = None,
) -> KeyImage:
    """Draw the film with what is given; the patient's right is on the left.

    ``heat``: (SIDE, SIDE), 0 nothing to 1 most, laid over as a red glow; ``opaque``: a region
    that is tinted and outlined, with ``heat`` only outlined.
    """
    side = SIDE * SCALE
    grey = Image.fromarray(np.clip(canvas.pixels, 0, 1).astype(np.float32)).resize((side, side))
    rgb = np.stack([np.asarray(grey) * 235] * 3, axis=-1)
    if heat is not None:
        glow = Image.fromarray(np.clip(heat, 0, 1).astype(np.float32)).resize((side, side))
        weight = 0.45 * np.asarray(glow)[..., None]
        rgb = (1 - weight) * rgb + weight * np.array(HEAT)
    if opaque is not None and opaque.any():
        inside = _large(opaque)
        if heat is None:
            rgb[inside] = 0.72 * rgb[inside] + 0.28 * np.array(OPAQUE)
        rgb[_rim(inside)] = OPAQUE
    if lungs is not None:
        rgb[_rim(_large(lungs))] = OUTLINE
    image = Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    if heart is not None:
        _heart_lines(draw, heart)
    rows, columns = (np.flatnonzero(canvas.film.any(axis=axis)) for axis in (1, 0))
    first, top = int(columns[0]) * SCALE, int(rows[0]) * SCALE
    last, bottom = (int(columns[-1]) + 1) * SCALE, (int(rows[-1]) + 1) * SCALE
    box = (first, top, last, bottom)
    draw.text((box[0] + 6, box[1] + 6), caption.en, fill=WHITE, stroke_width=1, stroke_fill="black")
    middle = (box[1] + box[3]) // 2
    draw.text((box[0] + 6, middle), "R", fill=WHITE, stroke_width=1, stroke_fill="black")
    draw.text((box[2] - 14, middle), "L", fill=WHITE, stroke_width=1, stroke_fill="black")
    return KeyImage(
        name=name,
        pixels=np.asarray(image.crop(box), np.uint8),
        slice_index=0,
        caption=caption,
        tracking_id=tracking,
    )


def _rim(mask: BoolArray) -> BoolArray:
    rim: BoolArray = ndimage.binary_dilation(mask, iterations=2) & ~mask
    return rim


def _heart_lines(draw: ImageDraw.ImageDraw, heart: Heart) -> None:
    """Draw both borders, the widest heart from the midline, and the widest inner chest."""

    def at(column: float, row: float) -> tuple[float, float]:
        return (column + 0.5) * SCALE, (row + 0.5) * SCALE

    for edge in (heart.left_side, heart.right_side):
        points = [at(float(c), float(r)) for r, c in zip(edge.rows, edge.columns, strict=True)]
        draw.line(points, fill=(255, 210, 60), width=2)
    middle = (heart.thorax[0] + heart.thorax[1]) / 2
    for column, row in zip(heart.heart, heart.heart_rows, strict=True):
        draw.line([at(column, row), at(middle, row)], fill=LINE, width=2)
    draw.line(
        [at(heart.thorax[0], heart.thorax_row), at(heart.thorax[1], heart.thorax_row)],
        fill=(255, 90, 90),
        width=2,
    )
