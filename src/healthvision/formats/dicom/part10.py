# SPDX-License-Identifier: Apache-2.0
"""Bounded tokenizer of DICOM Part 10 bytes (PS3.10 7.1, PS3.5 7 and A).

It only looks at tags, VRs and lengths, checks each against what is really there, and never
copies or decodes a value. Everything later reads through the tokens it returns, so depth,
number of elements and sizes are bounded before any other parser sees the bytes.
"""

import mmap
import re
import struct
import zlib
from dataclasses import dataclass, field, replace

from pydicom._dicom_dict import DicomDictionary

from healthvision.formats.dicom.dictionary import vr_in_dictionary
from healthvision.formats.dicom.errors import DicomRefused

Buffer = bytes | bytearray | memoryview | mmap.mmap

UNDEFINED = 0xFFFFFFFF
PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
DEFLATED = frozenset({"1.2.840.10008.1.2.1.99"})
IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
EXPLICIT_BE = "1.2.840.10008.1.2.2"
NATIVE = frozenset({IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE, *DEFLATED})

_LONG_VR = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN"}) | {
    b"UR",
    b"UT",
    b"UV",
}
_SHORT_VR = frozenset(
    b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split(),
)
_VR_NAME = {vr: vr.decode() for vr in _LONG_VR | _SHORT_VR}
_SHORT_NAME = {vr: vr.decode() for vr in _SHORT_VR}
_IMPLICIT_HEADER = struct.Struct("<HHI")
_SHORT_HEADER = struct.Struct("<HH2sH")
_ITEM, _ITEM_END, _SEQ_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_ITEMS, _BEHIND_META = 0xFFFE0000, 0x00030000  # tags that end a run of plain elements
_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*\Z")
_POLYGLOTS = (
    (b"MZ", "windows-program"),
    (b"\x7fELF", "linux-program"),
    (b"#!", "script"),
    (b"<", "markup"),
    (b"%PDF", "pdf"),
    (b"PK", "zip"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one object may ask for before it is refused."""

    depth: int = 32
    elements: int = 100_000
    fragments: int = 200_000
    inflated_bytes: int = 128 << 20
    frame_bytes: int = 1 << 30
    frames: int = 1_000_000


@dataclass(slots=True)
class Element:
    """One attribute: where its value lies in the buffer, or its items when it is a sequence.

    ``items`` holds one list of elements per item for SQ; None otherwise.
    """

    tag: int
    vr: str
    offset: int
    length: int
    items: "list[list[Element]] | None" = None


@dataclass(frozen=True, slots=True)
class Fragments:
    """Encapsulated pixel data: fragment positions as (offset, length); [0] is the offset table."""

    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Tokens:
    """A whole object as tokens over ``buffer`` (the inflated copy when it was deflated)."""

    buffer: Buffer
    meta: list[Element]
    dataset: list[Element]
    transfer_syntax: str
    little_endian: bool
    implicit: bool
    deflated: bool
    dataset_offset: int
    fragments: Fragments | None
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _State:
    buffer: Buffer
    end: int
    limits: Limits
    little: bool = True
    implicit: bool = False
    count: int = 0
    fragments: Fragments | None = None
    notes: list[str] = field(default_factory=list)
    unpack4: struct.Struct = field(default_factory=lambda: struct.Struct("<HHHH"))


def is_uid(text: str) -> bool:
    """Return whether ``text`` is written like a UID: digits and dots, at most 64 (PS3.5 9.1)."""
    return len(text) <= 64 and _UID.match(text) is not None


def name_of(tag: int) -> str:
    """Return '(gggg,eeee) Keyword' for messages."""
    entry = DicomDictionary.get(tag)
    return f"({tag >> 16:04x},{tag & 0xFFFF:04x}){' ' + entry[4] if entry else ''}"


def tokenize(buffer: Buffer, limits: Limits | None = None) -> Tokens:
    """Return the tokens of one Part 10 object.

    Raises DicomRefused with reason 'not-part-10', 'meta', 'transfer-syntax', 'element-length',
    'depth', 'elements', 'inflate', 'pixel-encoding' or 'structure'.
    """
    limits = limits or Limits()
    start, notes = _preamble(buffer)
    state = _State(buffer, len(buffer), limits, notes=notes)
    meta, position = _read_meta(state, start)
    syntax = text_of(buffer, next((e for e in meta if e.tag == 0x00020010), None))
    if not syntax:
        raise DicomRefused("meta", "No transfer syntax is named.", field=name_of(0x00020010))
    if not is_uid(syntax):
        raise DicomRefused(
            "uid-syntax", "The transfer syntax is no UID.", field=name_of(0x00020010)
        )
    deflated = syntax in DEFLATED
    if deflated:
        state.buffer = _inflate(buffer, position, limits.inflated_bytes)
        position, state.end = 0, len(state.buffer)
    state.little = syntax != EXPLICIT_BE
    state.unpack4 = struct.Struct("<HHHH" if state.little else ">HHHH")
    state.implicit = _looks_implicit(state, position, syntax)
    dataset: list[Element] = []
    _read_elements(state, position, state.end, dataset, 0)
    return Tokens(
        buffer=state.buffer,
        meta=meta,
        dataset=dataset,
        transfer_syntax=syntax,
        little_endian=state.little,
        implicit=state.implicit,
        deflated=deflated,
        dataset_offset=position,
        fragments=state.fragments,
        notes=tuple(dict.fromkeys(state.notes)),
    )


def text_of(buffer: Buffer, element: Element | None) -> str:
    """Return a plain ASCII value (UID, CS) without padding; '' when absent."""
    if element is None:
        return ""
    raw = bytes(buffer[element.offset : element.offset + element.length])
    return raw.decode("ascii", "replace").strip(" \0")


def _preamble(buffer: Buffer) -> tuple[int, list[str]]:
    if len(buffer) >= 132 and bytes(buffer[128:132]) == b"DICM":
        head = bytes(buffer[:128])
        if not any(head):
            return 132, []
        kind = next((name for magic, name in _POLYGLOTS if head.startswith(magic)), "other")
        return 132, [f"preamble-{kind}"]
    if len(buffer) >= 8 and bytes(buffer[:4]) == b"\x02\0\0\0" and bytes(buffer[4:6]) == b"UL":
        return 0, ["no-preamble"]
    raise DicomRefused("not-part-10", "The DICM prefix of a DICOM file is missing.")


def _read_meta(state: _State, position: int) -> tuple[list[Element], int]:
    """Read group 0002, which is always Explicit VR Little Endian (PS3.10 7.1)."""
    meta: list[Element] = []
    buffer, end = state.buffer, state.end
    while position + 8 <= end and bytes(buffer[position : position + 2]) == b"\x02\0":
        begun = position
        position, _ = _read_short_run(state, position, end, meta, -1, _BEHIND_META)
        if position == begun:
            position = _read_element(state, position, end, meta, 0)
        if len(meta) > 256:
            raise DicomRefused("meta", "The file meta information has too many elements.")
    if not meta:
        raise DicomRefused("meta", "The file meta information is missing.")
    return meta, position


def _inflate(buffer: Buffer, position: int, cap: int) -> bytes:
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    chunks: list[bytes] = []
    total = 0
    feed: bytes = bytes(buffer[position : position + (1 << 20)])
    position += len(feed)
    try:
        while feed and not engine.eof:
            piece = engine.decompress(feed, 1 << 22)
            total += len(piece)
            if total > cap:
                raise DicomRefused("inflate", f"The deflated data set is above {cap} bytes.")
            chunks.append(piece)
            feed = engine.unconsumed_tail
            if not feed:
                feed = bytes(buffer[position : position + (1 << 20)])
                position += len(feed)
    except zlib.error:
        raise DicomRefused("inflate", "The deflated data set is damaged.") from None
    if not engine.eof:
        raise DicomRefused("inflate", "The deflated data set ends too early.")
    return b"".join(chunks)


def _looks_implicit(state: _State, position: int, syntax: str) -> bool:
    """Believe the bytes, not the label: some writers name the wrong syntax."""
    said = syntax == IMPLICIT_LE
    first = bytes(state.buffer[position + 4 : position + 6])
    if len(first) < 2:
        return said
    seen = first not in _VR_NAME
    if seen != said:
        state.notes.append("transfer-syntax-mismatch")
    return seen


def _read_elements(
    state: _State, position: int, end: int, out: list[Element], depth: int, *, until: int = 0
) -> int:
    """Read elements into ``out`` up to ``end`` or the ``until`` delimiter; return where it ended.

    ``end`` is a hard wall: no element inside may reach behind it.
    """
    if depth > state.limits.depth:
        raise DicomRefused("depth", f"Sequences are nested deeper than {state.limits.depth}.")
    last = -1
    run = _read_implicit_run if state.implicit else _read_short_run
    plain = state.little
    while position < end:
        if plain:
            position, last = run(state, position, end, out, last)
            if position >= end:
                break
        if end - position < 8:
            return _short_end(state, position, end, depth)
        if until and _tag_at(state, position) == until:
            return position + 8
        if depth == 0 and out and not any(bytes(state.buffer[position : position + 4])):
            return _trailing(state, position, end)
        position = _read_element(state, position, end, out, depth)
        _check_order(state, out[-1].tag, last)
        last = out[-1].tag
    if until:
        raise DicomRefused("structure", "A sequence or item is not closed.")
    return position


def _check_order(state: _State, tag: int, last: int) -> None:
    if tag == last:
        raise DicomRefused("structure", "An attribute occurs twice.", field=name_of(last))
    if tag < last:
        state.notes.append("tag-order")


def _short_end(state: _State, position: int, end: int, depth: int) -> int:
    if depth == 0 and not any(bytes(state.buffer[position:end])):
        state.notes.append("trailing-zeros")
        return end
    raise DicomRefused("structure", "The data set ends inside an element header.")


def _read_short_run(
    state: _State, position: int, end: int, out: list[Element], last: int, below: int = _ITEMS
) -> tuple[int, int]:
    """Read elements as long as they are plain: Explicit VR Little Endian, 16-bit length, in order.

    Returns the position of the first one that is not, or whose tag is not ``below``, for the
    careful way, and the last tag.
    """
    unpack, buffer, names, add = _SHORT_HEADER.unpack_from, state.buffer, _SHORT_NAME, out.append
    count, most, stop = state.count, state.limits.elements, end - 8
    while position <= stop and count < most:
        group, number, raw, length = unpack(buffer, position)
        vr = names.get(raw)
        tag = (group << 16) | number
        behind = position + 8 + length
        if vr is None or tag <= last or tag >= below or behind > end:
            break
        add(Element(tag, vr, position + 8, length))
        count += 1
        position, last = behind, tag
    state.count = count
    return position, last


def _read_implicit_run(
    state: _State, position: int, end: int, out: list[Element], last: int
) -> tuple[int, int]:
    """Read plain elements of Implicit VR Little Endian as ``_read_short_run`` does."""
    unpack, buffer = _IMPLICIT_HEADER.unpack_from, state.buffer
    count, most, stop = state.count, state.limits.elements, end - 8
    while position <= stop and count < most:
        group, number, length = unpack(buffer, position)
        tag = (group << 16) | number
        behind = position + 8 + length
        if tag <= last or group in (2, 0xFFFE) or behind > end:
            break
        vr = vr_in_dictionary(tag)
        if vr == "SQ":
            break
        out.append(Element(tag, vr, position + 8, length))
        count += 1
        position, last = behind, tag
    state.count = count
    return position, last


def _trailing(state: _State, position: int, end: int) -> int:
    """Accept zero padding behind the data set; anything else there is damage."""
    step = 1 << 20
    while position < end:
        if any(bytes(state.buffer[position : min(end, position + step)])):
            raise DicomRefused("structure", "Tag (0000,0000) inside the data set.")
        position += step
    state.notes.append("trailing-zeros")
    return end


def _tag_at(state: _State, position: int) -> int:
    group, element, _, _ = state.unpack4.unpack_from(state.buffer, position)
    return (int(group) << 16) | int(element)


def _read_element(state: _State, position: int, end: int, out: list[Element], depth: int) -> int:
    """Read one element with all it contains, append it, and return the position behind it."""
    state.count += 1
    if state.count > state.limits.elements:
        raise DicomRefused("elements", f"More than {state.limits.elements} elements.")
    group, number, low, high = state.unpack4.unpack_from(state.buffer, position)
    tag = (group << 16) | number
    if group == 0xFFFE:
        raise DicomRefused("structure", "An item delimiter stands outside a sequence.")
    vr, length, value = _vr_and_length(state, position, tag, low, high, end)
    element = Element(tag, vr, value, length)
    out.append(element)
    if tag in PIXEL_TAGS and length == UNDEFINED:
        return _read_fragments(state, element, end, depth)
    if length == UNDEFINED:
        return _read_undefined(state, element, end, depth)
    if length > end - value:
        raise DicomRefused(
            "element-length",
            f"The value needs {length} bytes and {end - value} are left.",
            field=name_of(tag),
        )
    if vr == "SQ":
        element.items = _read_items(state, value, value + length, depth)
    return value + length


def _vr_and_length(
    state: _State, position: int, tag: int, low: int, high: int, end: int
) -> tuple[str, int, int]:
    """Return VR, value length and value offset of the element header at ``position``."""
    meta = tag >> 16 == 2
    if state.implicit and not meta:
        length = low | (high << 16) if state.little else (low << 16) | high
        return vr_in_dictionary(tag), length, position + 8
    raw = bytes(state.buffer[position + 4 : position + 6])
    if raw in _SHORT_VR:
        return _VR_NAME[raw], high, position + 8
    known = raw in _LONG_VR
    if not known and not (raw.isalpha() and raw.isupper()):
        raise DicomRefused("vr", "The value representation is no VR.", field=name_of(tag))
    if not known:
        state.notes.append("unknown-vr")
        if high != 0:  # written like a 16-bit VR
            return "UN", high, position + 8
    if end - position < 12:
        raise DicomRefused("structure", "The data set ends inside an element header.")
    order = "<I" if state.little or meta else ">I"
    (length,) = struct.unpack_from(order, state.buffer, position + 8)
    vr = _VR_NAME.get(raw, "UN")
    if vr == "UN" and length != UNDEFINED and state.little:  # converted blindly by someone
        vr = vr_in_dictionary(tag)
        vr = "UN" if vr == "SQ" else vr
    return vr, int(length), position + 12


def _read_items(state: _State, position: int, end: int, depth: int) -> list[list[Element]]:
    items: list[list[Element]] = []
    while position < end:
        position = _read_item(state, position, end, items, depth)
    return items


def _read_item(
    state: _State, position: int, end: int, items: list[list[Element]], depth: int
) -> int:
    if end - position < 8:
        raise DicomRefused("structure", "A sequence ends inside an item header.")
    if _tag_at(state, position) != _ITEM:
        raise DicomRefused("structure", "A sequence holds something that is no item.")
    state.count += 1
    if state.count > state.limits.elements:
        raise DicomRefused("elements", f"More than {state.limits.elements} elements.")
    length = _length_at(state, position + 4)
    content: list[Element] = []
    items.append(content)
    position += 8
    if length == UNDEFINED:
        return _read_elements(state, position, end, content, depth + 1, until=_ITEM_END)
    if length > end - position:
        raise DicomRefused("element-length", "An item is longer than what is left.")
    _read_elements(state, position, position + length, content, depth + 1)
    return position + length


def _length_at(state: _State, position: int) -> int:
    (length,) = struct.unpack_from("<I" if state.little else ">I", state.buffer, position)
    return int(length)


def _read_undefined(state: _State, element: Element, end: int, depth: int) -> int:
    """Read a sequence of undefined length; UN holds Implicit VR Little Endian (PS3.5 6.2.2)."""
    if element.vr not in ("SQ", "UN"):
        raise DicomRefused(
            "element-length",
            "Only sequences may have an undefined length.",
            field=name_of(element.tag),
        )
    outer = replace(state)
    if element.vr == "UN":
        state.implicit, state.little = True, True
        state.unpack4 = struct.Struct("<HHHH")
    items: list[list[Element]] = []
    position = element.offset
    while True:
        if end - position < 8:
            raise DicomRefused("structure", "A sequence is not closed.", field=name_of(element.tag))
        if _tag_at(state, position) == _SEQ_END:
            break
        position = _read_item(state, position, end, items, depth)
    state.implicit, state.little, state.unpack4 = outer.implicit, outer.little, outer.unpack4
    element.vr, element.items, element.length = "SQ", items, position - element.offset
    return position + 8


def _read_fragments(state: _State, element: Element, end: int, depth: int) -> int:
    """Read the fragments of encapsulated pixel data (PS3.5 A.4)."""
    if element.tag != 0x7FE00010:
        raise DicomRefused(
            "pixel-encoding", "Only Pixel Data may be fragments.", field=name_of(element.tag)
        )
    spans: list[tuple[int, int]] = []
    position = element.offset
    while True:
        if end - position < 8:
            raise DicomRefused(
                "element-length", "Pixel Data is not closed.", field=name_of(element.tag)
            )
        tag, length = _tag_at(state, position), _length_at(state, position + 4)
        position += 8
        if tag == _SEQ_END:
            break
        if tag != _ITEM or length > end - position:
            raise DicomRefused(
                "element-length", "A pixel fragment is damaged.", field=name_of(element.tag)
            )
        spans.append((position, length))
        position += length
        if len(spans) > state.limits.fragments:
            raise DicomRefused("elements", f"More than {state.limits.fragments} fragments.")
    if not spans:
        raise DicomRefused("pixel-encoding", "Pixel Data has no offset table.")
    element.length = position - element.offset
    if depth == 0:  # deeper ones are icons
        state.fragments = Fragments(tuple(spans))
    return position
