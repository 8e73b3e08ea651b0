# SPDX-License-Identifier: Apache-2.0
"""Pixels into PNG and JPEG bytes."""

import io

import numpy as np
from PIL import Image

from healthvision.clinical.volume import Array


def encode(pixels: Array, media: str = "image/png", *, quality: int = 90) -> bytes:
    """Return uint8 (rows, columns) or (rows, columns, 3) as 'image/png' or 'image/jpeg' bytes.

    uint16 grey is allowed for PNG. Raises ValueError for another type, shape or media type.
    """
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise ValueError(f"no picture has shape {pixels.shape}")
    deep = pixels.dtype == np.uint16 and pixels.ndim == 2 and media == "image/png"
    if pixels.dtype != np.uint8 and not deep:
        raise ValueError(f"{pixels.dtype} pixels cannot be written as {media}")
    image = Image.fromarray(np.ascontiguousarray(pixels))
    out = io.BytesIO()
    if media == "image/png":
        image.save(out, "PNG", compress_level=3)
    elif media == "image/jpeg":
        image.save(out, "JPEG", quality=quality)
    else:
        raise ValueError(f"unknown media type {media}")
    return out.getvalue()
