# SPDX-License-Identifier: Apache-2.0
"""JPEG pictures as an MP4 film (ISO/IEC 14496-12, 14496-14), written without a video encoder.

Each sample is one baseline JPEG (object type 6C of 14496-1). Film players show it (ffmpeg, VLC,
QuickTime); web browsers mostly do not: they are given GIF.
"""

import struct
from collections.abc import Sequence

_SCALE = 90_000  # ticks of a second
_UNITY = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_JPEG_OBJECT = 0x6C


def to_mp4(frames: Sequence[bytes], columns: int, rows: int, frame_ms: float) -> bytes:
    """Return baseline JPEGs of one size as an MP4; raises ValueError when there is none."""
    if not frames or not (0 < columns < 65_536 and 0 < rows < 65_536):
        raise ValueError("a film needs pictures of one size")
    ticks = max(1, round(frame_ms * _SCALE / 1000))
    head = _box(b"ftyp", b"isom" + struct.pack(">I", 512) + b"isomiso2mp41")
    size = sum(map(len, frames))
    wide = size + 16 > 0xFFFFFFFF
    mdat = (
        struct.pack(">I4sQ", 1, b"mdat", size + 16)
        if wide
        else (struct.pack(">I4s", size + 8, b"mdat"))
    )
    moov = _moov([len(f) for f in frames], len(head) + len(mdat), columns, rows, ticks)
    return b"".join([head, mdat, *frames, moov])


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def _full(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", flags), *parts)


def _moov(sizes: Sequence[int], start: int, columns: int, rows: int, ticks: int) -> bytes:
    length = ticks * len(sizes)
    mvhd = _full(
        b"mvhd",
        struct.pack(">IIIIIHH8x", 0, 0, _SCALE, length, 0x10000, 0x100, 0),
        _UNITY,
        struct.pack(">24xI", 2),
    )
    tkhd = _full(
        b"tkhd",
        struct.pack(">IIIII8xHHHH", 0, 0, 1, 0, length, 0, 0, 0, 0),
        _UNITY,
        struct.pack(">II", columns << 16, rows << 16),
        flags=3,
    )
    mdhd = _full(b"mdhd", struct.pack(">IIIIHH", 0, 0, _SCALE, length, 0x55C4, 0))
    hdlr = _full(b"hdlr", struct.pack(">I4s12x", 0, b"vide"), b"video\0")
    url = _full(b"url ", flags=1)
    dinf = _box(b"dinf", _full(b"dref", struct.pack(">I", 1), url))
    vmhd = _full(b"vmhd", struct.pack(">HHHH", 0, 0, 0, 0), flags=1)
    minf = _box(b"minf", vmhd, dinf, _samples(sizes, start, columns, rows, ticks))
    return _box(b"moov", mvhd, _box(b"trak", tkhd, _box(b"mdia", mdhd, hdlr, minf)))


def _samples(sizes: Sequence[int], start: int, columns: int, rows: int, ticks: int) -> bytes:
    visual = struct.pack(
        ">6xH16xHHIIIH32sHh", 1, columns, rows, 0x480000, 0x480000, 0, 1, b"\4JPEG", 24, -1
    )
    stsd = _full(b"stsd", struct.pack(">I", 1), _box(b"mp4v", visual, _description()))
    stts = _full(b"stts", struct.pack(">III", 1, len(sizes), ticks))
    stsc = _full(b"stsc", struct.pack(">IIII", 1, 1, len(sizes), 1))
    stsz = _full(b"stsz", struct.pack(f">II{len(sizes)}I", 0, len(sizes), *sizes))
    stco = _full(b"stco", struct.pack(">II", 1, start))
    return _box(b"stbl", stsd, stts, stsc, stsz, stco)


def _description() -> bytes:
    """Elementary stream descriptor (14496-1 7.2.6.5): one stream of JPEG pictures."""
    config = struct.pack(">BB3sII", _JPEG_OBJECT, 0x11, b"\0\0\0", 0, 0)
    decoder = bytes((4, len(config))) + config
    layer = bytes((6, 1, 2))
    body = struct.pack(">HB", 1, 0) + decoder + layer
    return _full(b"esds", bytes((3, len(body))) + body)
