# SPDX-License-Identifier: Apache-2.0
"""Objects made to hurt a reader of DICOM: bombs, lies, deep nests and impossible pictures."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

from pydicom.uid import generate_uid
from tests.factories.dicom import ct_bytes

EXPLICIT, DEFLATED, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"
_MIB = 1 << 20


def element(tag: int, vr: str, value: bytes, length: int | None = None) -> bytes:
    """Return one element in explicit little endian; ``length`` may lie."""
    value += b"\0" * (len(value) % 2)
    said = len(value) if length is None else length
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    if vr in ("OB", "OW", "SQ", "UN", "UT", "OF", "OD"):
        return head + b"\0\0" + struct.pack("<I", said) + value
    return head + struct.pack("<H", said & 0xFFFF) + value


def part10(body: bytes, syntax: str = EXPLICIT, sop: str = "", preamble: bytes = b"") -> bytes:
    """Return a Part 10 file around a data set."""
    sop = sop or generate_uid()
    meta = b"".join(
        (
            element(0x00020001, "OB", b"\0\1"),
            element(0x00020002, "UI", b"1.2.840.10008.5.1.4.1.1.2"),
            element(0x00020003, "UI", sop.encode()),
            element(0x00020010, "UI", syntax.encode()),
        )
    )
    group = element(0x00020000, "UL", struct.pack("<I", len(meta)))
    return preamble.ljust(128, b"\0")[:128] + b"DICM" + group + meta + body


def head(values: Mapping[int, bytes] | None = None, sop: str = "") -> bytes:
    """Return the identifying elements and a picture description; ``values``: by tag."""
    rows = {
        0x00080005: ("CS", b"ISO_IR 192"),
        0x00080016: ("UI", b"1.2.840.10008.5.1.4.1.1.2"),
        0x00080018: ("UI", (sop or generate_uid()).encode()),
        0x00080060: ("CS", b"CT"),
        0x00100010: ("PN", b"Hostile^File"),
        0x00100020: ("LO", b"HOSTILE"),
        0x0020000D: ("UI", generate_uid().encode()),
        0x0020000E: ("UI", generate_uid().encode()),
        0x00280002: ("US", b"\1\0"),
        0x00280004: ("CS", b"MONOCHROME2"),
        0x00280008: ("IS", b"1"),
        0x00280010: ("US", b"\x10\0"),
        0x00280011: ("US", b"\x10\0"),
        0x00280100: ("US", b"\x10\0"),
        0x00280101: ("US", b"\x10\0"),
        0x00280102: ("US", b"\x0f\0"),
        0x00280103: ("US", b"\0\0"),
    }
    for tag, value in (values or {}).items():
        rows[tag] = (rows.get(tag, ("LO",))[0], value)
    return b"".join(element(tag, vr, value) for tag, (vr, value) in sorted(rows.items()))


def _nested(depth: int) -> bytes:
    value = b""
    for _ in range(depth):
        item = struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value
        value = element(0x00081115, "SQ", item)
    return value


def _nested_undefined(depth: int) -> bytes:
    opening = struct.pack("<HH2sHI", 0x0008, 0x1115, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    return opening * depth


def _deflated(body: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(body) + packer.flush()


def _bomb(mib: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    out = [packer.compress(head() + element(0x7FE00010, "OW", b"", mib * _MIB))]
    out += [packer.compress(bytes(_MIB)) for _ in range(mib)]
    return b"".join([*out, packer.flush()])


def _encapsulated(fragment: bytes) -> bytes:
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    items += struct.pack("<HHI", 0xFFFE, 0xE000, len(fragment)) + fragment
    items += struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + items


def _pixels(data: bytes = bytes(512)) -> bytes:
    return element(0x7FE00010, "OW", data)


def _rows_as_long() -> bytes:
    plain = head()
    short = element(0x00280010, "US", b"\x10\0")
    return plain.replace(short, element(0x00280010, "UL", struct.pack("<I", 0x7FFFFFFF)))


def _palette() -> bytes:
    body = head({0x00280004: b"PALETTE COLOR"})
    tables = b"".join(
        element(0x00281101 + n, "US", struct.pack("<HHH", 4, 0, 16)) for n in range(3)
    ) + b"".join(element(0x00281201 + n, "OW", bytes(8)) for n in range(3))
    return body + tables + _pixels(b"\xff\xff" * 256)


def generated() -> Mapping[str, bytes]:
    """Return the cases D1-D8 of the threat list by name; made when called, about 15 MB."""
    rle = struct.pack("<16I", 1, 64, *([0] * 14)) + b"\x81\0" * 40
    big = {0x00280010: b"\xff\xff", 0x00280011: b"\xff\xff"}
    tiny = b"".join(element(0x00090000 + 0x1000 + n % 0xEFFF, "LO", b"x") for n in range(800_000))
    sane = ct_bytes()
    cases = {
        "d1-deflate-bomb-1g": part10(_bomb(1024), DEFLATED),
        "d1-deflate-cut": part10(_deflated(head() + _pixels())[:-20], DEFLATED),
        "d2-pixel-length-4g": part10(head() + element(0x7FE00010, "OW", b"", 0xFFFFFFFE)),
        "d2-text-length-4g": part10(head() + element(0x0040A160, "UT", b"x", 0xFFFFFFF0)),
        "d4-800k-elements": part10(head() + tiny + _pixels()),
        "d5-65535-square": part10(head(big) + _pixels()),
        "d5-2e9-frames": part10(head({0x00280008: b"2000000000"}) + _pixels()),
        "d5-negative-frames": part10(head({0x00280008: b"-1"}) + _pixels()),
        "d5-rle-huge": part10(head(big) + _encapsulated(rle), RLE),
        "d5-rle-outside": part10(
            head() + _encapsulated(struct.pack("<16I", 15, *([0xFFFFFFF0] * 15))), RLE
        ),
        "d6-rows-as-long": part10(_rows_as_long() + _pixels()),
        "d6-palette-outside": part10(_palette()),
        "d6-bits-0": part10(head({0x00280100: b"\0\0"}) + _pixels()),
        "d6-bits-65535": part10(head({0x00280100: b"\xff\xff"}) + _pixels()),
        "d7-exe": b"MZ".ljust(128, b"\x90") + ct_bytes()[128:],
        "d7-elf": b"\x7fELF".ljust(128, b"\2") + ct_bytes()[128:],
        "d7-html": b"<html><script>alert(1)</script>".ljust(128) + ct_bytes()[128:],
        "d7-tiff": b"II*\0".ljust(128, b"\0") + ct_bytes()[128:],
        "d8-uid-path": part10(head(sop="../../etc/passwd") + _pixels(), sop="../../etc/passwd"),
        "d8-uid-100": part10(head(sop="1." + "2" * 98) + _pixels(), sop="1." + "2" * 98),
        "d8-uid-empty": part10(head().replace(b"1.2.840.10008.5.1.4.1.1.2", b"") + _pixels()),
        "empty": b"",
        "zeros": bytes(4096),
        "cut-in-meta": sane[:200],
    }
    for depth in (31, 33, 200, 2_000, 100_000):
        cases[f"d3-nested-{depth}-undefined"] = part10(head() + _nested_undefined(depth))
    for depth in (31, 200, 2_000):
        cases[f"d3-nested-{depth}"] = part10(head() + _nested(depth))
    return cases


def zip_corpus(data: bytes) -> Mapping[str, bytes]:
    """Return the DICOM files of a zip of cases by name."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        return {n: packed.read(n) for n in packed.namelist() if n.endswith(".dcm")}
