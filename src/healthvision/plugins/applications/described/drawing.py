# SPDX-License-Identifier: Apache-2.0
"""One section with the outline of what was found."""

import numpy as np
from PIL import Image
from scipy import ndimage

from healthvision.clinical.volume import Array, BoolArray, Volume

_WIDTH = 512


def outlined(
    volume: Volume, section: int, mask: BoolArray, colour: tuple[int, int, int],
    limits: tuple[float, float] | None,
) -> Array:  # fmt: skip
    """Return uint8 RGB (rows, columns, 3) of one section of an axially ordered volume.

    ``mask``: (y, x). ``limits``: values shown black and white; None: the 1st and 99th percentile.
    Pixels are square, 512 or more columns.
    """
    plane = volume.voxels[section].astype(np.float32)
    low, high = limits if limits is not None else (float(v) for v in np.percentile(plane, (1, 99)))
    grey = np.clip((plane - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)
    columns = max(_WIDTH, volume.shape[2])
    scale = columns / volume.shape[2] * volume.spacing[1] / volume.spacing[2]
    size = (columns, max(1, round(volume.shape[1] * scale)))
    plain = np.asarray(Image.fromarray(grey).resize(size))
    shape = np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).resize(size)) > 127
    edge = ndimage.binary_dilation(shape) & ~shape
    pixels = np.stack([plain] * 3, axis=-1)
    pixels[edge] = colour
    return pixels
