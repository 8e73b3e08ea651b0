# SPDX-License-Identifier: Apache-2.0
"""From screen values to the picture that goes out: crop, mirror, fit, write on it."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from healthvision.clinical.volume import Array
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.header import InstanceHeader

MAX_VIEWPORT = 8192
_LINE = 14  # pixels from one written line to the next at the smallest size


@dataclass(frozen=True, slots=True)
class Look:
    """What is done to a picture, in this order: crop and mirror, fit, write."""

    viewport: tuple[int, int] | None
    crop: tuple[int, int, int, int] | None
    annotate: tuple[str, ...]


def paint(picture: Array, header: InstanceHeader, look: Look) -> Array:
    """Return uint8 (rows, columns[, 3]) as it goes out; raises DicomRefused 'region'."""
    if look.crop is not None:
        picture = _cropped(picture, look.crop)
    if look.viewport is not None:
        picture = _fitted(picture, look.viewport)
    return _written(picture, _lines(header, look.annotate)) if look.annotate else picture


def _cropped(picture: Array, crop: tuple[int, int, int, int]) -> Array:
    left, top, width, height = crop
    rows, columns = picture.shape[:2]
    if not (width and height and 0 <= left < columns and 0 <= top < rows):
        raise DicomRefused("region", f"The region lies outside of the picture {columns}x{rows}.")
    part = picture[top : top + abs(height), left : left + abs(width)]
    part = part[::-1] if height < 0 else part
    return np.ascontiguousarray(part[:, ::-1] if width < 0 else part)


def _fitted(picture: Array, viewport: tuple[int, int]) -> Array:
    """Shrink or grow to the viewport, keeping the aspect ratio."""
    rows, columns = picture.shape[:2]
    scale = min(viewport[0] / columns, viewport[1] / rows)
    size = max(1, round(columns * scale)), max(1, round(rows * scale))
    if size == (columns, rows):
        return picture
    resized = Image.fromarray(np.ascontiguousarray(picture)).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(resized)


def _lines(header: InstanceHeader, wanted: tuple[str, ...]) -> list[str]:
    lines = []
    if "patient" in wanted:
        name = header.patient_name.split("=")[0].replace("^", " ").strip()
        lines += [name, header.patient_id, f"{header.patient_birth_date} {header.patient_sex}"]
    if "technique" in wanted:
        lines += [f"{header.modality} {header.study_date}", header.series_description]
        for tag, text in (("00180060", "kV"), ("00181151", "mA"), ("00180050", "mm")):
            found = header.json.get(tag, {}).get("Value", [])
            if found and found[0] is not None:
                lines.append(f"{found[0]} {text}")
    return [line.strip() for line in lines if line.strip()]


def _written(picture: Array, lines: list[str]) -> Array:
    """Write lines into the upper left corner, white on a dark edge."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    size = max(_LINE - 2, image.height // 40)
    font = ImageFont.load_default(size)
    draw = ImageDraw.Draw(image)
    white, black = ((255,) * 3, (0,) * 3) if image.mode == "RGB" else (255, 0)
    for number, line in enumerate(lines):
        at = (4, 4 + number * (size + 2))
        draw.text(at, line[:64], fill=white, font=font, stroke_width=1, stroke_fill=black)
    return np.asarray(image)
