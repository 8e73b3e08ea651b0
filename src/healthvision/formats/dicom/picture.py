# SPDX-License-Identifier: Apache-2.0
"""Pixels into PNG, JPEG and GIF bytes, and many pictures into one that moves."""

import io
from collections.abc import Iterable
from typing import Literal

import numpy as np
import simplejpeg
from PIL import Image

from healthvision.clinical.volume import Array
from healthvision.formats.dicom.mp4 import to_mp4

Media = Literal["image/jpeg", "image/png", "image/gif", "video/mp4"]


def encode(pixels: Array, media: str = "image/png", *, quality: int = 90) -> bytes:
    """Return uint8 (rows, columns) or (rows, columns, 3) as PNG, JPEG or GIF bytes.

    uint16 grey is allowed for PNG. Raises ValueError for another type, shape or media type.
    """
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise ValueError(f"no picture has shape {pixels.shape}")
    deep = pixels.dtype == np.uint16 and pixels.ndim == 2 and media == "image/png"
    if pixels.dtype != np.uint8 and not deep:
        raise ValueError(f"{pixels.dtype} pixels cannot be written as {media}")
    if media == "image/jpeg":
        return _jpeg(pixels, quality)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    out = io.BytesIO()
    if media == "image/png":
        image.save(out, "PNG", compress_level=3)
    elif media == "image/gif":
        image.save(out, "GIF")
    else:
        raise ValueError(f"unknown media type {media}")
    return out.getvalue()


def _jpeg(pixels: Array, quality: int) -> bytes:
    if max(pixels.shape[:2]) > 65_535:
        raise ValueError("a JPEG has at most 65535 rows and columns")
    held = np.ascontiguousarray(pixels if pixels.ndim == 3 else pixels[..., None])
    space = "RGB" if pixels.ndim == 3 else "GRAY"
    made: bytes = simplejpeg.encode_jpeg(
        held, quality=quality, colorspace=space, colorsubsampling="420", fastdct=False
    )
    return made


def encode_moving(
    pictures: Iterable[Array], media: str, *, frame_ms: float, quality: int = 90
) -> bytes:
    """Return pictures of one size as an endless GIF or as an MP4 of JPEG pictures.

    ``frame_ms``: how long each is shown. Raises ValueError for another media type or none.
    """
    if media == "video/mp4":
        frames = [(_jpeg(p, quality), p.shape[:2]) for p in pictures]
        rows, columns = frames[0][1] if frames else (0, 0)
        return to_mp4([f for f, _ in frames], columns, rows, frame_ms)
    images = [Image.fromarray(np.ascontiguousarray(p)) for p in pictures]
    if media != "image/gif" or not images:
        raise ValueError(f"{len(images)} pictures cannot be written as {media}")
    out = io.BytesIO()
    shown = max(20, round(frame_ms / 10) * 10)  # browsers slow down faster ones
    images[0].save(
        out, "GIF", save_all=True, append_images=images[1:], duration=shown, loop=0, disposal=1
    )
    return out.getvalue()
