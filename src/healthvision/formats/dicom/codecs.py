# SPDX-License-Identifier: Apache-2.0
"""Which decoder may see which compressed frame.

gdcm ends the whole process on some damaged JPEG streams, so it is used only where no other
decoder exists (JPEG Lossless) or as the second try (JPEG-LS), and only for streams whose
markers agree with the header (ITU-T T.81 B, T.87 C).
"""

import struct
from dataclasses import dataclass

from healthvision.formats.dicom.header import InstanceHeader

_BASELINE = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
_JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
_JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
_RLE = "1.2.840.10008.1.2.5"
_SOF_LOSSLESS, _SOF_LS = 0xC3, 0xF7
_SOI, _EOI, _SOS, _DHT = 0xD8, 0xD9, 0xDA, 0xC4
_SOF = frozenset({*range(0xC0, 0xD0), _SOF_LS}) - {_DHT, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class JpegFrame:
    """What the frame header of a JPEG stream says; ``kind`` is its SOF marker."""

    kind: int
    precision: int
    rows: int
    columns: int
    components: int


def plugins_for(header: InstanceHeader, frame: bytes) -> tuple[str, ...]:
    """Return pydicom decoding plugins to try in order; '' lets pydicom choose.

    Empty when no decoder may see the frame.
    """
    syntax = header.transfer_syntax
    if syntax in _BASELINE:
        return ("pillow",)
    if syntax in _JPEG_2000:
        return ("pylibjpeg", "pillow")
    if syntax in _JPEG_LS:
        sound = _agrees(header, frame, _SOF_LS)
        return ("pyjpegls", "gdcm") if sound else ("pyjpegls",)
    if syntax in _LOSSLESS:
        return ("gdcm",) if _agrees(header, frame, _SOF_LOSSLESS) else ()
    if syntax == _RLE:  # the compiled decoder panics on damaged segments
        return ("pydicom",)
    return ("",)


def _agrees(header: InstanceHeader, frame: bytes, kind: int) -> bool:
    found = jpeg_frame(frame)
    if found is None or found.kind != kind:
        return False
    size = (found.rows, found.columns, found.components)
    allocated = header.bits_allocated or 0
    fits = allocated == (8 if found.precision <= 8 else 16)
    stored = header.bits_stored or allocated
    exact = found.precision in (stored, allocated)
    return size == (header.rows, header.columns, header.samples_per_pixel) and fits and exact


def jpeg_frame(data: bytes) -> JpegFrame | None:
    """Walk the markers from SOI to SOS; None when the stream is not one sound frame."""
    data = data.rstrip(b"\0\xff")  # padding to even length
    if data[:2] != bytes((0xFF, _SOI)) or data[-2:] != bytes((0xFF, _EOI)):
        return None
    found: JpegFrame | None = None
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        body = data[position + 4 : position + 2 + length]
        if length < 2 or len(body) != length - 2:
            return None
        if marker == _SOS:
            return found
        if marker in _SOF:
            if found is not None or len(body) < 6:
                return None
            found = JpegFrame(marker, *struct.unpack_from(">BHHB", body))
        if marker == _DHT and not _sound_tables(body):
            return None
        position += 2 + length
    return None


def _sound_tables(body: bytes) -> bool:
    """Check that Huffman tables are complete and no code is longer than its table allows."""
    while body:
        counts = body[1:17]
        values = sum(counts)
        if len(counts) != 16 or values > 256 or len(body) < 17 + values:
            return False
        code = 0
        for count in counts:
            code = (code << 1) + count
        if code > 1 << 16:
            return False
        body = body[17 + values :]
    return True
