# SPDX-License-Identifier: Apache-2.0
"""Bounded reading of JPEG, PNG and TIFF pages into exact stored values."""

import io
import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from healthvision.clinical.volume import Array
from healthvision.formats.images.errors import ImageRefused

MAX_PIXELS = 170_000_000  # of all pages together
MAX_PAGES = 2_000
FORMATS = ("JPEG", "PNG", "TIFF")
_MIN_IS_WHITE = 0
_TIFF_BITS, _TIFF_PHOTOMETRIC = 258, 262
_ORIENTATION = 0x0112


@dataclass(frozen=True, eq=False, slots=True)
class Page:
    """One picture: uint8/uint16/int16 (rows, columns) or uint8 RGB (rows, columns, 3).

    ``min_is_white``: small values are white (TIFF MinIsWhite), values unchanged.
    ``lossy``: it was JPEG compressed. ``dpi``: (x, y) as the file states, or None.
    """

    pixels: Array
    min_is_white: bool
    lossy: bool
    dpi: tuple[float, float] | None


def read_pages(source: bytes | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> list[Page]:
    """Return the pages of a picture file, turned upright by their EXIF orientation.

    Palettes become RGB or grey, transparency is dropped, CMYK becomes RGB. 16-bit and signed
    grey values are exact. Raises ImageRefused: 'not-an-image', 'damaged', 'too-large',
    'pages', 'depth' (colour or float with more than 8 bits per sample).
    """
    with _opened(source) as image:
        count = getattr(image, "n_frames", 1)
        if count > MAX_PAGES:
            raise ImageRefused("pages", f"More than {MAX_PAGES} pages.")
        pages, total = [], 0
        for index in range(count):
            image.seek(index)
            total += image.width * image.height
            if total > max_pixels:
                raise ImageRefused("too-large", f"More than {max_pixels} pixels.")
            pages.append(_page(image))
        return pages


def _stream(source: bytes | os.PathLike[str]) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb")


@contextmanager
def _opened(source: bytes | os.PathLike[str]) -> Iterator[Image.Image]:
    with _stream(source) as raw, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(raw, formats=FORMATS) as image:
                yield image
        except UnidentifiedImageError:
            raise ImageRefused("not-an-image", "The file is no JPEG, PNG or TIFF.") from None
        except Image.DecompressionBombError:
            raise ImageRefused("too-large", "The picture has too many pixels.") from None
        except (
            OSError,
            ValueError,
            SyntaxError,
            EOFError,
            TypeError,
            KeyError,
            IndexError,
            MemoryError,
            OverflowError,
            struct.error,
        ) as error:
            raise ImageRefused(
                "damaged", f"The picture cannot be decoded: {type(error).__name__}."
            ) from None


def _page(image: Image.Image) -> Page:
    _check_depth(image)
    tags = getattr(image, "tag_v2", None)
    white = tags is not None and tags.get(_TIFF_PHOTOMETRIC) == _MIN_IS_WHITE

    upright = ImageOps.exif_transpose(image) if image.getexif().get(_ORIENTATION, 1) != 1 else image
    pixels = _values(upright)
    if white and pixels.dtype == np.uint8 and pixels.ndim == 2:
        pixels = 255 - pixels  # Pillow turned 8-bit MinIsWhite round; give the file's own values
    lossy = image.format == "JPEG" or image.info.get("compression") in ("jpeg", "tiff_jpeg")
    return Page(pixels, white and pixels.ndim == 2, lossy, _dpi(image))


def _check_depth(image: Image.Image) -> None:
    """Refuse what Pillow would silently cut to 8 bits."""
    tags = getattr(image, "tag_v2", None)
    if tags is not None:
        bits = tags.get(_TIFF_BITS, (1,))
        bits = bits if isinstance(bits, tuple) else (bits,)
        if len(bits) > 1 and max(bits) > 8:
            raise ImageRefused("depth", "Colour with more than 8 bits per sample.")
    if image.format == "PNG" and image.mode in ("RGB", "RGBA", "LA") and _png_bits(image) > 8:
        raise ImageRefused("depth", "Colour or transparency with more than 8 bits per sample.")
    if image.mode == "F":
        raise ImageRefused("depth", "Floating point pixels.")


def _png_bits(image: Image.Image) -> int:
    stream = getattr(image, "fp", None)
    if stream is None:
        return 8
    here = stream.tell()
    stream.seek(24)
    bits = stream.read(1)
    stream.seek(here)
    return bits[0] if bits else 8


def _values(image: Image.Image) -> Array:
    if image.mode == "1":
        image = image.convert("L")
    if image.mode in ("P", "PA"):
        image = _without_palette(image)
    if image.mode in ("LA", "La"):
        image = image.getchannel(0)
    if image.mode == "L":
        return np.asarray(image, np.uint8)
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if image.mode == "I":
        return _narrow(np.asarray(image))
    return np.asarray(image.convert("RGB"), np.uint8)


def _without_palette(image: Image.Image) -> Image.Image:
    rgb = image.convert("RGB")
    red, green, blue = (np.asarray(rgb.getchannel(i)) for i in range(3))
    grey = np.array_equal(red, green) and np.array_equal(red, blue)
    return rgb.getchannel(0) if grey else rgb


def _narrow(values: Array) -> Array:
    """32-bit modes hold signed 16-bit or wider files: keep the values, or refuse."""
    low, high = int(values.min()), int(values.max())
    if low >= 0 and high <= 0xFFFF:
        return values.astype(np.uint16)
    if low >= -0x8000 and high <= 0x7FFF:
        return values.astype(np.int16)
    raise ImageRefused("depth", "Values do not fit into 16 bits.")


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    dpi = image.info.get("dpi")
    if not isinstance(dpi, tuple) or len(dpi) != 2:
        return None
    x, y = float(dpi[0]), float(dpi[1])
    return (x, y) if 1 < x < 1e5 and 1 < y < 1e5 else None
