# SPDX-License-Identifier: Apache-2.0
"""A Part 10 object as people see it: one picture, a moving one, a document.

These functions take whole objects and give bytes; they run in a child where a decoder in C is used.
"""

import base64

from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.header import InstanceHeader, read_header
from healthvision.formats.dicom.part10 import Buffer, tokenize
from healthvision.formats.dicom.picture import encode_moving
from healthvision.formats.dicom.render import Rendering, picture_of, render_frame
from healthvision.formats.dicom.srhtml import to_html

PDF_CLASS = "1.2.840.10008.5.1.4.1.1.104.1"
SR_CLASSES = "1.2.840.10008.5.1.4.1.1.88."
MAX_MOVING = 1000  # frames of one moving picture
MAX_MOVING_BYTES = 512 << 20
_USUAL_MS = 100.0
_DOCUMENT = "00420011"


def show_frame(data: Buffer, index: int, how: Rendering) -> bytes:
    """Return one frame (from 0) as a picture; raises DicomRefused, ValueError."""
    return render_frame(data, read_header(data), frame=index, how=how)


def show_moving(data: Buffer, how: Rendering) -> bytes:
    """Return all frames as a GIF or MP4; raises DicomRefused 'frame-count' when too many."""
    header = read_header(data)
    count = header.number_of_frames
    if count > MAX_MOVING or count * _area(header, how) > MAX_MOVING_BYTES:
        raise DicomRefused("frame-count", "Too many frames for one moving picture; name frames.")
    pictures = (picture_of(data, header, index, how) for index in range(count))
    return encode_moving(pictures, how.media, frame_ms=frame_ms(header), quality=how.quality)


def _area(header: InstanceHeader, how: Rendering) -> int:
    if how.viewport is not None:
        return how.viewport[0] * how.viewport[1] * header.samples_per_pixel
    return (header.rows or 0) * (header.columns or 0) * header.samples_per_pixel


def frame_ms(header: InstanceHeader) -> float:
    """Return how long a frame is to be shown: Frame Time, else the cine rates, else 100 ms."""
    for tag, rate in (("00181063", False), ("00082144", True), ("00180040", True)):
        found = header.json.get(tag, {}).get("Value", [None])[0]
        if isinstance(found, int | float) and 0 < found < 1e5:
            return min(max(1000.0 / found if rate else float(found), 10.0), 10_000.0)
    return _USUAL_MS


def show_report(data: Buffer) -> bytes:
    """Return a structured report as a UTF-8 HTML page; raises DicomRefused."""
    return to_html(read_header(data).json).encode()


def document_of(data: Buffer) -> bytes:
    """Return the encapsulated PDF without its padding; raises DicomRefused 'document'."""
    header = read_header(data)
    found = next((b for b in header.bulk if b.path == _DOCUMENT), None)
    if found is None:
        document = base64.b64decode(header.json.get(_DOCUMENT, {}).get("InlineBinary", ""))
    else:
        buffer = tokenize(data).buffer if header.deflated else data
        document = bytes(buffer[found.offset : found.offset + found.length])
    length = header.json.get("00420015", {}).get("Value", [None])[0]
    document = document[:length] if isinstance(length, int) and length > 0 else document
    if not document.startswith(b"%PDF-"):
        raise DicomRefused("document", "The document is no PDF.")
    return document
