# SPDX-License-Identifier: Apache-2.0
"""Between a data set on the network and a Part 10 file: the head that only the file has."""

import struct
import zlib

from healthvision.formats.dicom.part10 import DEFLATED, EXPLICIT_BE, IMPLICIT_LE
from healthvision.formats.dicom.writer import IMPLEMENTATION_NAME, IMPLEMENTATION_UID

_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
_PREAMBLE = bytes(128) + b"DICM"
_LOOKED_AT = 64 << 10  # bytes of a data set in which its identity is looked for
_CLASS, _INSTANCE = (0x0008, 0x0016), (0x0008, 0x0018)


def file_head(sop_class: str, sop_instance: str, syntax: str, source_ae: str = "") -> bytes:
    """Return preamble and file meta information (PS3.10 7.1) for a data set."""
    meta = b"".join(
        (
            b"\x02\0\x01\0OB\0\0\x02\0\0\0\0\x01",
            _element(0x0002, b"UI", sop_class),
            _element(0x0003, b"UI", sop_instance),
            _element(0x0010, b"UI", syntax),
            _element(0x0012, b"UI", IMPLEMENTATION_UID),
            _element(0x0013, b"SH", IMPLEMENTATION_NAME),
            _element(0x0016, b"AE", source_ae) if source_ae else b"",
        )
    )
    return _PREAMBLE + b"\x02\0\0\0UL\x04\0" + struct.pack("<I", len(meta)) + meta


def _element(number: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii", "replace")
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return struct.pack("<HH2sH", 2, number, vr, len(value)) + value


def data_set_start(file: bytes) -> int | None:
    """Return where the data set begins in a Part 10 file, of which the first bytes are given.

    None: more bytes are needed, or this is no Part 10 file.
    """
    if file[128:132] != b"DICM":
        return None
    position = 132
    while position + 8 <= len(file):
        group, _, vr, length = struct.unpack_from("<HH2sH", file, position)
        if group != 2:
            return position
        position += 8
        if vr in _LONG:
            if position + 4 > len(file):
                return None
            (length,) = struct.unpack_from("<I", file, position)
            position += 4
        position += length
    return None


def identity_of(data_set: bytes, syntax: str) -> tuple[str, str] | None:
    """Return SOP Class and SOP Instance UID, read from the beginning of a data set.

    None when they are not among its first attributes.
    """
    data = data_set[:_LOOKED_AT]
    if syntax in DEFLATED:
        try:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, _LOOKED_AT)
        except zlib.error:
            return None
    order = ">" if syntax == EXPLICIT_BE else "<"
    found = _values(data, order, implicit=syntax == IMPLICIT_LE)
    if _CLASS not in found or _INSTANCE not in found:
        return None
    return found[_CLASS], found[_INSTANCE]


def _values(data: bytes, order: str, *, implicit: bool) -> dict[tuple[int, int], str]:
    found: dict[tuple[int, int], str] = {}
    position = 0
    while position + 12 <= len(data):
        tag = struct.unpack_from(order + "HH", data, position)
        if tag > _INSTANCE:
            break
        position += 8
        if implicit:
            (length,) = struct.unpack_from(order + "I", data, position - 4)
        elif data[position - 4 : position - 2] in _LONG:
            (length,) = struct.unpack_from(order + "I", data, position)
            position += 4
        else:
            (length,) = struct.unpack_from(order + "H", data, position - 2)
        if tag in (_CLASS, _INSTANCE):
            text = data[position : position + length]
            found[tag[0], tag[1]] = text.rstrip(b"\0 ").decode("latin-1")
        position += length
    return found
