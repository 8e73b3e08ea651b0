# SPDX-License-Identifier: Apache-2.0
"""Key slices with contour, crosshair and measured axes drawn on them."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from healthvision.clinical.volume import Array, BoolArray, FloatArray, Volume

LUNG_WINDOW, SOFT_WINDOW = (-600.0, 1500.0), (40.0, 400.0)  # level and width in HU
_CONTOUR, _CROSS, _AXIS, _TEXT = (255, 165, 0), (90, 200, 255), (120, 255, 120), (255, 255, 255)
_FONT = ImageFont.load_default(15)


def window(section: Array, level: float, width: float) -> Array:
    """Return an axial section of HU as uint8 grey values in a window."""
    grey = (section.astype(np.float32) - (level - width / 2)) / width * 255
    out: Array = np.clip(grey, 0, 255).astype(np.uint8)
    return out


def draw_key_slice(
    volume: Volume,
    section: int,
    mask: BoolArray,
    *,
    label: str,
    axes: FloatArray | None = None,
    grey: tuple[float, float] = LUNG_WINDOW,
) -> Array:
    """Return uint8 RGB (rows, columns, 3) of one axial section, square pixels, 512 or more wide.

    ``volume`` is in axial order, so patient right is on the left of the picture. ``mask``: bool
    (y, x) of the section. ``axes``: four voxel points (y, x): ends of long and short axis.
    ``grey``: level and width of the window in HU, written into the picture.
    """
    _, sy, sx = volume.spacing
    columns = max(512, volume.shape[2])
    scale = columns / volume.shape[2]
    rows = max(1, round(volume.shape[1] * scale * sy / sx))
    plain = Image.fromarray(window(volume.voxels[section], *grey)).resize((columns, rows))
    shape = (
        Image.fromarray(mask.astype(np.uint8) * 255)
        .resize((columns, rows))
        .point(lambda v: 255 if v > 127 else 0)
    )
    inside = np.asarray(shape) > 0
    edge = ndimage.binary_dilation(inside) & ~inside
    pixels = np.stack([np.asarray(plain)] * 3, axis=-1)
    pixels[edge] = _CONTOUR
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    factor = np.array([rows / volume.shape[1], columns / volume.shape[2]])
    if axes is not None:
        for start, end in ((axes[0], axes[1]), (axes[2], axes[3])):
            a, b = (start + 0.5) * factor, (end + 0.5) * factor
            draw.line([(a[1], a[0]), (b[1], b[0])], fill=_AXIS)
    if inside.any():
        _crosshair(draw, np.argwhere(inside), (rows, columns))
    _write(draw, (8, 6), label)
    _write(draw, (8, rows - 24), f"W {grey[1]:g} L {grey[0]:g} HU")
    _write(draw, (6, rows // 2), "R")
    _write(draw, (columns - 18, rows // 2), "L")
    return np.asarray(image, np.uint8)


def _write(draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str) -> None:
    """Write white text with a black edge, so that it can be read on any tissue."""
    draw.text(at, text, fill=_TEXT, font=_FONT, stroke_width=1, stroke_fill=(0, 0, 0))


def _crosshair(draw: ImageDraw.ImageDraw, points: Array, size: tuple[int, int]) -> None:
    """Draw four arms that point at the lesion and leave it free."""
    rows, columns = size
    y, x = (float(v) for v in points.mean(axis=0))
    free = float(np.ptp(points, axis=0).max()) / 2 + 10
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        start = (x + dx * free, y + dy * free)
        end = (x + dx * (free + 22), y + dy * (free + 22))
        if 0 <= end[0] < columns and 0 <= end[1] < rows:
            draw.line([start, end], fill=_CROSS, width=2)
