# SPDX-License-Identifier: Apache-2.0
"""Data sets of queries: identifiers read into keys, and DICOM JSON written as a data set."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydicom.datadict import keyword_for_tag

from healthvision.formats.dicom.charset import decode, encodings
from healthvision.formats.dicom.file_head import file_head
from healthvision.formats.dicom.jsonmodel import JsonBuilder
from healthvision.formats.dicom.part10 import EXPLICIT_LE, Element, Limits, Tokens, tokenize
from healthvision.formats.dicom.writer import ds_text

Json = dict[str, Any]
_LIMITS = Limits(depth=4, elements=2000, fragments=1, inflated_bytes=1 << 20)
_LARGE = Limits(depth=8, elements=500_000, fragments=1, inflated_bytes=1 << 20)
_LONG = ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")
_BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
_LEVEL, _CHARSET = 0x00080052, 0x00080005
UTF_8 = "ISO_IR 192"
WRITABLE = {"ISO_IR 100": "latin-1", "GB18030": "gb18030", "GBK": "gbk", UTF_8: "utf-8"}
_ENCODED = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})


@dataclass(frozen=True, slots=True)
class Identifier:
    """What a query asks. ``level``: Query/Retrieve Level as written.

    ``values``: keyword, or 'SequenceKeyword.Keyword', -> value that is not empty; ``asked``: tag
    as eight hex digits -> VR of everything the answer shall have; ``inside``: tag of a sequence ->
    what is asked of its item in the same form, not there when all of it; ``charset``: the query's.
    """

    level: str
    values: Mapping[str, str]
    asked: Mapping[str, str]
    inside: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    charset: str = ""


def read_identifier(data: bytes, syntax: str) -> Identifier:
    """Read the data set of a query; raises DicomRefused."""
    head = file_head("1.2", "1.2", syntax)
    tokens = tokenize(head + data, _LIMITS)
    raw = {e.tag: _raw(tokens, e) for e in tokens.dataset if e.items is None}
    names = raw.get(_CHARSET, b"").decode("latin-1").strip(" \0")
    codecs, _ = encodings([n.strip() for n in names.split("\\")] if names else [])
    values: dict[str, str] = {}
    asked: dict[str, str] = {}
    inside: dict[str, dict[str, str]] = {}
    for element in tokens.dataset:
        if element.tag in (_LEVEL, _CHARSET) or element.tag & 0xFFFF == 0:
            continue
        asked[f"{element.tag:08X}"] = element.vr
        if element.items is None:
            _keep(values, tokens, element, codecs, "")
            continue
        for inner in element.items[0] if element.items else ():
            inside.setdefault(f"{element.tag:08X}", {})[f"{inner.tag:08X}"] = inner.vr
            if inner.items is None:
                _keep(values, tokens, inner, codecs, f"{keyword_for_tag(element.tag)}.")
    level = raw.get(_LEVEL, b"").decode("latin-1").strip(" \0")
    return Identifier(level.upper(), values, asked, inside, names)


def read_data_set(data: bytes, syntax: str) -> Json:
    """Read the data set of an N-service as DICOM JSON, character sets applied.

    Raises DicomRefused.
    """
    tokens = tokenize(file_head("1.2", "1.2", syntax) + data, _LARGE)
    return JsonBuilder(tokens).build()


def _raw(tokens: Tokens, element: Element) -> bytes:
    return bytes(tokens.buffer[element.offset : element.offset + element.length])


def _keep(
    values: dict[str, str], tokens: Tokens, element: Element, codecs: list[str], path: str
) -> None:
    keyword, raw = keyword_for_tag(element.tag), _raw(tokens, element)
    if not keyword:
        return
    if element.vr in _BINARY:
        code = ("<" if tokens.little_endian else ">") + _BINARY[element.vr]
        whole = len(raw) // struct.calcsize(code) * struct.calcsize(code)
        text = "\\".join(str(v) for (v,) in struct.iter_unpack(code, raw[:whole]))
    elif element.vr in _ENCODED:
        text = decode(raw, codecs)
    else:
        text = raw.decode("latin-1")
    text = text.strip(" \0")
    if text:
        values[path + keyword] = text


def write_data_set(document: Mapping[str, Json], syntax: str, charset: str = UTF_8) -> bytes:
    """Return DICOM JSON as a data set in explicit or implicit little endian.

    Texts are in ``charset`` when it is one of ``WRITABLE`` that has all their characters, else in
    UTF-8; Specific Character Set says which. Inline binary values are left empty.
    """
    explicit = syntax == EXPLICIT_LE
    if charset != UTF_8 and charset in WRITABLE:
        try:
            named = {**document, "00080005": {"vr": "CS", "Value": [charset]}}
            return _written(named, WRITABLE[charset], explicit=explicit)
        except UnicodeEncodeError:
            pass
    whole = {**document, "00080005": {"vr": "CS", "Value": [UTF_8]}}
    return _written(whole, "utf-8", explicit=explicit)


def _written(document: Mapping[str, Json], codec: str, *, explicit: bool) -> bytes:
    return b"".join(
        _element(tag, document[tag], codec, explicit=explicit) for tag in sorted(document)
    )


def _element(tag: str, element: Json, codec: str, *, explicit: bool) -> bytes:
    vr, values = str(element.get("vr", "UN")), element.get("Value") or []
    raw = _value(vr, values, codec, explicit=explicit)
    if len(raw) % 2:
        raw += b"\0" if vr in ("UI", "OB", "UN") else b" "
    place = struct.pack("<HH", int(tag[:4], 16), int(tag[4:], 16))
    if not explicit:
        return place + struct.pack("<I", len(raw)) + raw
    if vr in _LONG:
        return place + vr.encode() + struct.pack("<HI", 0, len(raw)) + raw
    if len(raw) > 0xFFFF:  # too long for its VR: an answer without it is better than none
        raw = b""
    return place + vr.encode() + struct.pack("<H", len(raw)) + raw


def _value(vr: str, values: Sequence[Any], codec: str, *, explicit: bool) -> bytes:
    if vr == "SQ":
        items = (
            _written(item, codec, explicit=explicit) for item in values if isinstance(item, dict)
        )
        return b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(i)) + i for i in items)
    if vr in _BINARY:
        numbers = [v for v in values if isinstance(v, int | float)]
        return struct.pack(f"<{len(numbers)}{_BINARY[vr]}", *numbers)
    if vr == "AT":
        tags = (int(str(v), 16) for v in values if v)
        return b"".join(struct.pack("<HH", t >> 16, t & 0xFFFF) for t in tags)
    text = "\\".join(_text(v) for v in values)
    return text.encode(codec, "replace" if codec == "utf-8" else "strict")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):  # a person name
        groups = (str(value.get(g) or "") for g in ("Alphabetic", "Ideographic", "Phonetic"))
        return "=".join(groups).rstrip("=")
    return ds_text(value) if isinstance(value, float) else str(value)
