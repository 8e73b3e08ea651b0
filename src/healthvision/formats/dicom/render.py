# SPDX-License-Identifier: Apache-2.0
"""A frame as a picture for people: window, VOI LUT, palette, colour, size (PS3.18 8.3.5)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from healthvision.clinical.volume import Array
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.geometry import frame_places
from healthvision.formats.dicom.header import InstanceHeader
from healthvision.formats.dicom.jsonmodel import Json
from healthvision.formats.dicom.painting import MAX_VIEWPORT, Look, paint
from healthvision.formats.dicom.part10 import Buffer
from healthvision.formats.dicom.picture import Media, encode
from healthvision.formats.dicom.pixels import decode_frame, open_dataset

__all__ = ["MAX_VIEWPORT", "Media", "Rendering", "Window", "render_frame", "thumbnail"]


@dataclass(frozen=True, slots=True)
class Window:
    """A VOI window in modality values (PS3.3 C.11.2.1.2)."""

    center: float
    width: float
    function: str = "LINEAR"  # or LINEAR_EXACT, SIGMOID


@dataclass(frozen=True, slots=True)
class Rendering:
    """How a frame is to be shown.

    ``viewport``: the largest (width, height), None = as is. ``crop``: (left, top, width, height)
    in pixels of the stored picture; a negative width or height mirrors. ``annotate``: 'patient'
    and 'technique' are burnt into the copy that goes out.
    """

    window: Window | None = None
    viewport: tuple[int, int] | None = None
    quality: int = 90
    media: Media = "image/jpeg"
    crop: tuple[int, int, int, int] | None = None
    annotate: tuple[str, ...] = ()

    @property
    def look(self) -> Look:
        """Return what happens to a picture that is already in screen values."""
        return Look(self.viewport, self.crop, self.annotate)


def render_frame(
    data: Buffer, header: InstanceHeader, *, frame: int = 0, how: Rendering | None = None
) -> bytes:
    """Return frame ``frame`` (from 0) of a Part 10 object as JPEG, PNG or GIF bytes.

    ``how.window`` wins over the object's window, that over its VOI LUT sequence, that over the
    range of the values. Raises DicomRefused ('no-pixels', 'decode', 'frame-number') and
    ValueError for a viewport or quality out of range.
    """
    how = how or Rendering()
    return encode(picture_of(data, header, frame, how), how.media, quality=how.quality)


def picture_of(data: Buffer, header: InstanceHeader, frame: int, how: Rendering) -> Array:
    """Return one frame as it is shown: uint8 (rows, columns) or (rows, columns, 3).

    Raises as ``render_frame``.
    """
    _check(how)
    pixels = decode_frame(data, header, frame)
    return paint(to_display(pixels, data, header, frame, how.window), header, how.look)


def thumbnail(data: Buffer, header: InstanceHeader, *, size: int = 128) -> bytes:
    """Return a JPEG of the middle frame of at most ``size`` x ``size``."""
    how = Rendering(viewport=(size, size), quality=80)
    return render_frame(data, header, frame=header.number_of_frames // 2, how=how)


def to_display(
    pixels: Array, data: Buffer, header: InstanceHeader, frame: int, window: Window | None = None
) -> Array:
    """Return stored values as uint8 (rows, columns) or (rows, columns, 3) ready for a screen."""
    if header.photometric_interpretation == "PALETTE COLOR":
        return _palette(pixels, data)
    if pixels.ndim == 3:
        return _to_bytes(pixels, header)
    place = frame_places(header, 0)[frame] if header.number_of_frames > 1 else None
    values = _modality(
        pixels, header, place.slope if place else None, place.intercept if place else None
    )
    chosen = window or window_of(header, frame)
    if chosen is None:
        grey = _by_lut(pixels, data, header)
        grey = _by_range(values, header, pixels) if grey is None else grey
    else:
        grey = apply_window(values, chosen)
    return 255 - grey if header.photometric_interpretation == "MONOCHROME1" else grey


def window_of(header: InstanceHeader, frame: int = 0) -> Window | None:
    """Return the first window of the object for this frame, None when it has none."""
    holders: list[Json] = []
    for tag, index in (("52009230", frame), ("52009229", 0)):
        groups = header.json.get(tag, {}).get("Value", [])
        if index < len(groups):
            holders += groups[index].get("00289132", {}).get("Value", [])[:1]
    for holder in (*holders, header.json):
        center, width = _one(holder, "00281050"), _one(holder, "00281051")
        if center is not None and width is not None and width > 0:
            function = holder.get("00281056", {}).get("Value", ["LINEAR"])[0]
            return Window(center, width, str(function))
    return None


def apply_window(values: Array, window: Window) -> Array:
    """Map modality values to 0..255 (PS3.3 C.11.2.1.2, C.11.2.1.3)."""
    center, width = window.center, max(window.width, 1e-6)
    x = values.astype(np.float32)
    if window.function == "SIGMOID":
        return _rounded(255.0 / (1.0 + np.exp(np.clip(-4.0 * (x - center) / width, -80, 80))))
    if window.function != "LINEAR_EXACT" and width > 1:
        center, width = center - 0.5, width - 1.0
    return _rounded(((x - center) / width + 0.5) * 255.0)


def _rounded(grey: Array) -> Array:
    out: Array = np.rint(np.clip(grey, 0, 255)).astype(np.uint8)
    return out


def _check(how: Rendering) -> None:
    if how.viewport is not None and not all(1 <= side <= MAX_VIEWPORT for side in how.viewport):
        raise ValueError(f"viewport: each side is 1 to {MAX_VIEWPORT}")
    if not 1 <= how.quality <= 100:
        raise ValueError("quality is 1 to 100")


def _one(holder: Json, tag: str) -> float | None:
    values: list[Any] = holder.get(tag, {}).get("Value", [])
    first = values[0] if values else None
    return float(first) if isinstance(first, int | float) and np.isfinite(first) else None


def _modality(
    pixels: Array, header: InstanceHeader, slope: float | None, intercept: float | None
) -> Array:
    slope = slope if slope is not None else _one(header.json, "00281053")
    intercept = intercept if intercept is not None else _one(header.json, "00281052")
    if (slope in (None, 1.0)) and (intercept in (None, 0.0)):
        return pixels
    scale, offset = slope or 1.0, intercept or 0.0
    return pixels.astype(np.float32) * np.float32(scale) + np.float32(offset)


def _by_range(values: Array, header: InstanceHeader, stored: Array) -> Array:
    """Without a window: 8-bit pictures as they are, others from lowest to highest value."""
    if values.dtype == np.uint8 and (header.bits_stored or 8) == 8:
        return values
    padding = _one(header.json, "00280120")
    inside = values[stored != padding] if padding is not None else values
    inside = inside if inside.size else values
    finite = inside[np.isfinite(inside)] if inside.dtype.kind == "f" else inside
    if finite.size == 0:
        return np.zeros(values.shape, np.uint8)
    low, high = float(finite.min()), float(finite.max())
    span = max(high - low, 1.0) if values.dtype.kind != "f" else max(high - low, 1e-9)
    scaled = (np.nan_to_num(values.astype(np.float32), nan=low) - low) * (255.0 / span)
    return _rounded(scaled)


def _by_lut(pixels: Array, data: Buffer, header: InstanceHeader) -> Array | None:
    """Apply the first table of the VOI LUT Sequence; out of range values take its ends."""
    if "00283010" not in header.json or pixels.dtype.kind == "f":
        return None
    items = open_dataset(data).get("VOILUTSequence") or []
    descriptor = items[0].get("LUTDescriptor") if items else None
    if descriptor is None or len(descriptor) != 3:
        return None
    table = _table(items[0].get("LUTData"), descriptor[2])
    if table is None:
        return None
    bits = min(max(int(descriptor[2]), 8), 16)
    index = np.clip(pixels.astype(np.int64) - int(descriptor[1]), 0, len(table) - 1)
    return (table[index] >> (bits - 8)).clip(0, 255).astype(np.uint8)


def _table(value: Any, bits: int) -> Array | None:
    if isinstance(value, bytes):
        wide = np.frombuffer(value[: len(value) // 2 * 2], "<u2")
        return wide.astype(np.int64) if wide.size else None
    if value is None:
        return None
    out = np.asarray(value, np.int64).ravel()
    return out if out.size else None


def _palette(pixels: Array, data: Buffer) -> Array:
    """Look stored values up; an index outside the table takes its end (CVE-2026-5442 kin)."""
    if pixels.ndim == 3:
        return _bytes_of(pixels)
    dataset = open_dataset(data)
    channels = []
    for colour in ("Red", "Green", "Blue"):
        descriptor = dataset.get(f"{colour}PaletteColorLookupTableDescriptor")
        raw = dataset.get(f"{colour}PaletteColorLookupTableData")
        if descriptor is None or len(descriptor) != 3 or not isinstance(raw, bytes):
            raise DicomRefused("decode", "The palette is missing or damaged.")
        entries, first, bits = (int(v) for v in descriptor)
        table = _palette_table(raw, entries or 65536, bits)
        index = np.clip(pixels.astype(np.int64) - first, 0, len(table) - 1)
        channels.append(table[index])
    return np.stack(channels, axis=-1)


def _palette_table(raw: bytes, entries: int, bits: int) -> Array:
    if bits == 8 and len(raw) < 2 * entries:
        table = np.frombuffer(raw, np.uint8)
    else:
        wide = np.frombuffer(raw[: len(raw) // 2 * 2], "<u2")
        table = (
            (wide >> 8).astype(np.uint8)
            if bits > 8 and wide.size and wide.max() > 255
            else (wide.clip(0, 255).astype(np.uint8))
        )
    if table.size == 0:
        raise DicomRefused("decode", "The palette is empty.")
    return table


def _to_bytes(pixels: Array, header: InstanceHeader) -> Array:
    if pixels.dtype == np.uint8:
        return pixels[..., :3]
    shift = max((header.bits_stored or 16) - 8, 0)
    return _bytes_of(pixels >> shift)


def _bytes_of(pixels: Array) -> Array:
    return pixels[..., :3].clip(0, 255).astype(np.uint8)
