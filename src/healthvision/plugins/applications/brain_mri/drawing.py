# SPDX-License-Identifier: Apache-2.0
"""Masks in the geometry of the series, and key images."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from healthvision.clinical.brain.scan import Scan
from healthvision.clinical.chest.grid import repeat_blocks
from healthvision.clinical.result import Text
from healthvision.clinical.study import KeyImage
from healthvision.clinical.volume import Array, BoolArray

COLOURS = ((90, 200, 255), (255, 140, 0), (255, 60, 60), (255, 215, 0), (220, 80, 220))
_LINE, _WHITE = (120, 255, 120), (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Line:
    """A drawn line between two points (y, x) of ``Scan.work``."""

    start: tuple[float, float]
    end: tuple[float, float]


def full_size(scan: Scan, mask: BoolArray) -> BoolArray:
    """Return a mask of the working grid on the voxels of ``scan.oriented``."""
    out: BoolArray = repeat_blocks(mask, scan.factors, scan.oriented.volume.shape)
    return out


def original_slice(scan: Scan, section: int) -> int:
    """Return the slice of the series (its axis z) nearest to a working section's middle."""
    fz = scan.factors[0]
    shape = scan.oriented.volume.shape
    centre = (section * fz + (fz - 1) / 2, shape[1] / 2, shape[2] / 2)
    return round(scan.oriented.original_index(centre)[0])


def key_image(
    scan: Scan,
    section: int,
    masks: tuple[BoolArray, ...],
    name: str,
    caption: Text,
    *,
    tracking: str | None = None,
    lines: tuple[Line, ...] = (),
) -> KeyImage:
    """Draw one working section with the outlines of masks and lines; patient right is on the left.

    ``masks``: bool of ``Scan.work``, drawn in the order of COLOURS.
    """
    pixels, scale = _grey(scan, section)
    for mask, colour in zip(masks, COLOURS, strict=False):
        shape = Image.fromarray(mask[section].astype(np.uint8) * 255)
        large = np.asarray(shape.resize(pixels.shape[1::-1])) > 127
        pixels[ndimage.binary_dilation(large) & ~large] = colour
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    for line in lines:
        (ya, xa), (yb, xb) = line.start, line.end
        ends = [((xa + 0.5) * scale[1], (ya + 0.5) * scale[0]),
                ((xb + 0.5) * scale[1], (yb + 0.5) * scale[0])]  # fmt: skip
        draw.line(ends, fill=_LINE, width=2)
    draw.text((8, 8), caption.en, fill=_WHITE)
    draw.text((6, pixels.shape[0] // 2), "R", fill=_WHITE)
    draw.text((pixels.shape[1] - 14, pixels.shape[0] // 2), "L", fill=_WHITE)
    return KeyImage(
        name=name,
        pixels=np.asarray(image, np.uint8),
        slice_index=original_slice(scan, section),
        caption=caption,
        tracking_id=tracking,
    )


def _grey(scan: Scan, section: int) -> tuple[Array, tuple[float, float]]:
    """Return the section as RGB with square pixels, 512 columns, and pixels per voxel (y, x)."""
    level = scan.work.voxels[section]
    top = float(np.percentile(scan.work.voxels[scan.head], 98))
    grey = np.clip(level / max(top, 1e-6) * 235, 0, 255).astype(np.uint8)
    _, sy, sx = scan.work.spacing
    columns = 512
    rows = max(1, round(grey.shape[0] * columns / grey.shape[1] * sy / sx))
    large = np.asarray(Image.fromarray(grey).resize((columns, rows)))
    scale = (rows / grey.shape[0], columns / grey.shape[1])
    return np.stack([large] * 3, axis=-1).copy(), scale
