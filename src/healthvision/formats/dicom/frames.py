# SPDX-License-Identifier: Apache-2.0
"""Where each frame of the pixel data lies, and whether the sizes can be true (PS3.5 A.4)."""

import base64
import struct
from collections.abc import Callable
from dataclasses import dataclass

from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.part10 import NATIVE, Buffer, Element, Limits, Tokens, name_of

Span = tuple[int, int]

_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  ")
_ONE_FRAME_PER_OBJECT = ("1.2.840.10008.1.2.4.10",)  # MPEG-2, MPEG-4, HEVC: one stream


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """The size of a frame as the header states it; ``bits`` is Bits Allocated."""

    rows: int | None
    columns: int | None
    samples: int
    bits: int | None
    frames: int
    photometric: str

    @property
    def frame_bits(self) -> int:
        """Bits of one native frame, computed without overflow; 0 when the size is unknown."""
        if not self.rows or not self.columns or not self.bits:
            return 0
        samples = 2 if self.photometric == "YBR_FULL_422" and self.samples == 3 else self.samples
        return self.rows * self.columns * samples * self.bits


def locate_frames(
    tokens: Tokens,
    pixel: Element,
    layout: PixelLayout,
    limits: Limits,
    inline: Callable[[str], str],
) -> tuple[tuple[Span, ...], ...]:
    """Return the fragments of each frame as (offset, length).

    Empty when the header names no size or frames do not start on whole bytes. ``inline``
    returns the base64 text of a short binary attribute (for the Extended Offset Table).
    Raises DicomRefused 'pixel-size', 'pixel-encoding' or 'frame-count'.
    """
    _check_size(pixel, layout, limits)
    if tokens.fragments is None:
        return _native(tokens, pixel, layout)
    if tokens.transfer_syntax in NATIVE:
        raise DicomRefused(
            "pixel-encoding",
            "Fragments in an uncompressed transfer syntax.",
            field=name_of(pixel.tag),
        )
    return _encapsulated(tokens, layout, inline)


def frame_bytes(buffer: Buffer, spans: tuple[Span, ...]) -> bytes:
    """Return one frame's bytes, fragments joined, item headers left out."""
    return b"".join(bytes(buffer[offset : offset + length]) for offset, length in spans)


def _check_size(pixel: Element, layout: PixelLayout, limits: Limits) -> None:
    if (layout.frame_bits + 7) // 8 > limits.frame_bytes:
        raise DicomRefused(
            "pixel-size",
            f"One frame would need more than {limits.frame_bytes} bytes.",
            field=name_of(0x00280010),
        )
    if layout.frames > limits.frames:
        raise DicomRefused(
            "frame-count", f"More than {limits.frames} frames.", field=name_of(0x00280008)
        )


def _native(tokens: Tokens, pixel: Element, layout: PixelLayout) -> tuple[tuple[Span, ...], ...]:
    if tokens.transfer_syntax not in NATIVE and pixel.tag == 0x7FE00010:
        raise DicomRefused(
            "pixel-encoding",
            "Pixel Data is not in fragments although the transfer syntax is compressed.",
            field=name_of(pixel.tag),
        )
    if not layout.frame_bits:
        return ()
    needed = (layout.frame_bits * layout.frames + 7) // 8
    if needed > pixel.length:
        raise DicomRefused(
            "pixel-size",
            f"The header asks for {needed} bytes of pixels and {pixel.length} are there.",
            field=name_of(pixel.tag),
        )
    if layout.frame_bits % 8 and layout.frames > 1:
        return ()
    size = (layout.frame_bits + 7) // 8
    return tuple(((pixel.offset + i * size, size),) for i in range(layout.frames))


def _encapsulated(
    tokens: Tokens, layout: PixelLayout, inline: Callable[[str], str]
) -> tuple[tuple[Span, ...], ...]:
    assert tokens.fragments is not None
    table, *spans = tokens.fragments.spans
    if not spans:
        raise DicomRefused("frame-count", "Pixel Data has no fragment.", field=name_of(0x7FE00010))
    if layout.frames == 1 or tokens.transfer_syntax.startswith(_ONE_FRAME_PER_OBJECT):
        return (tuple(spans),)
    if len(spans) == layout.frames:
        return tuple((span,) for span in spans)
    if layout.frames > len(spans):
        raise DicomRefused(
            "frame-count",
            f"{layout.frames} frames are named and {len(spans)} fragments are there.",
            field=name_of(0x00280008),
        )
    starts = _table(tokens, table) or _extended(inline("7FE00001"), spans)
    grouped = _group(spans, starts) if starts else _by_signature(tokens.buffer, spans)
    if len(grouped) != layout.frames:
        raise DicomRefused(
            "frame-count",
            f"{layout.frames} frames are named and {len(grouped)} can be told apart.",
            field=name_of(0x00280008),
        )
    return grouped


def _table(tokens: Tokens, table: Span) -> list[int]:
    """Basic Offset Table: offsets from the first byte of the first fragment's item header."""
    offset, length = table
    count = length // 4
    order = "<" if tokens.little_endian else ">"
    values = struct.unpack_from(f"{order}{count}I", tokens.buffer, offset)
    return list(values)


def _extended(encoded: str, spans: list[Span]) -> list[int]:
    """Extended Offset Table (7FE0,0001) when it is short enough to be inline."""
    raw = base64.b64decode(encoded) if encoded else b""
    values = struct.unpack(f"<{len(raw) // 8}Q", raw[: len(raw) // 8 * 8])
    return list(values) if len(values) <= len(spans) else []


def _group(spans: list[Span], starts: list[int]) -> tuple[tuple[Span, ...], ...]:
    base = spans[0][0] - 8
    wanted = set(starts)
    grouped: list[list[Span]] = []
    for span in spans:
        if span[0] - 8 - base in wanted or not grouped:
            grouped.append([])
        grouped[-1].append(span)
    return tuple(tuple(group) for group in grouped)


def _by_signature(buffer: Buffer, spans: list[Span]) -> tuple[tuple[Span, ...], ...]:
    """A fragment that begins like a picture begins a frame."""
    grouped: list[list[Span]] = []
    for span in spans:
        head = bytes(buffer[span[0] : span[0] + 8])
        if head.startswith(_STARTS) or not grouped:
            grouped.append([])
        grouped[-1].append(span)
    return tuple(tuple(group) for group in grouped)
