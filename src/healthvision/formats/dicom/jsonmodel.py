# SPDX-License-Identifier: Apache-2.0
"""Tokens into the DICOM JSON model (PS3.18 Annex F), with large values left as references."""

import base64
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydicom._dicom_dict import DicomDictionary

from healthvision.formats.dicom.charset import decode, encodings
from healthvision.formats.dicom.jsontext import (
    MOST_BYTES,
    MOST_READ,
    Memory,
    Read,
    entry_text,
    memory_of,
)
from healthvision.formats.dicom.jsontext import Json as Json
from healthvision.formats.dicom.part10 import PIXEL_TAGS, Buffer, Element, Tokens

BULK_BINARY = 1024  # bytes: above this O* and UN values are left out of the JSON
BULK_NUMBERS = 64 << 10
BULK_TEXT = 1 << 20

_CHARSET_VR = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_ONE_VALUE = frozenset({"LT", "ST", "UT", "UR"})
_TEXT_VR = _CHARSET_VR | {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"}
_NUMBER = {
    "FL": ("f", 4),
    "FD": ("d", 8),
    "SL": ("i", 4),
    "SS": ("h", 2),
    "SV": ("q", 8),
    "UL": ("I", 4),
    "US": ("H", 2),
    "UV": ("Q", 8),
}
_ONE = {
    (code, order == "<"): struct.Struct(order + code).unpack
    for code, _ in _NUMBER.values()
    for order in "<>"
}
_PLAIN_VR = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"})
_SHORT = 1024  # bytes of values read without further looks
_NO_CODECS = ["latin_1"]
_SIGNED = {"US": "SS", "UL": "SL"}


@dataclass(frozen=True, slots=True)
class BulkRef:
    """A value left out of the JSON: ``path`` is 'GGGGEEEE[/item/GGGGEEEE...]', items from 0.

    ``offset`` and ``length`` are bytes in the file (in the inflated data set when deflated).
    """

    path: str
    vr: str
    offset: int
    length: int


@dataclass(slots=True)
class JsonBuilder:
    """Turns the tokens of one object into JSON; collects bulk references and notes."""

    tokens: Tokens
    signed: bool = False
    bulk: list[BulkRef] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def build(self) -> Json:
        """Return the JSON of the main data set, without group lengths and bulk values."""
        return self._elements(self.tokens.dataset, ["latin_1"], "")

    def _elements(self, elements: list[Element], codecs: list[str], path: str) -> Json:
        out: Json = {}
        buffer = self.tokens.buffer
        for element in elements:
            tag = element.tag
            if tag & 0xFFFF == 0:
                continue
            if tag == 0x00080005:
                codecs = self._codecs(buffer, element)
            if element.vr in _PLAIN_VR and 0 < element.length <= _SHORT and element.items is None:
                out[f"{tag:08X}"] = _plain(element.vr, buffer, element.offset, element.length)
            else:
                out[f"{tag:08X}"] = self._element(element, codecs, path)
        return out

    def build_with_text(self) -> tuple[Json, str]:
        """Return the same JSON, of which nothing may be changed, and its text (ASCII).

        Short values that were read before are taken as they were then (``jsontext``).
        """
        out: Json = {}
        texts: dict[str, str] = {}
        codecs, memory = ["latin_1"], memory_of("latin_1")
        buffer, little = self.tokens.buffer, self.tokens.little_endian
        for element in self.tokens.dataset:
            tag, length, start = element.tag, element.length, element.offset
            if tag & 0xFFFF == 0:
                continue
            if tag == 0x00080005:
                codecs = self._codecs(buffer, element)
                memory = memory_of(codecs[0])
            if length > MOST_BYTES or element.items is not None or not little:
                found = self._read(element, codecs)
            else:
                key = (tag, self._vr(element), bytes(buffer[start : start + length]))
                found = memory.get(key) or self._read_and_keep(element, codecs, memory, key)
            name = found[0]
            out[name], texts[name] = found[1], found[2]
        return out, f"{{{','.join(texts.values())}}}"

    def _read_and_keep(
        self, element: Element, codecs: list[str], memory: Memory, key: tuple[int, str, bytes]
    ) -> Read:
        noted = len(self.notes)
        found = self._read(element, codecs)
        if len(self.notes) == noted and element.tag not in PIXEL_TAGS:  # those are references
            if len(memory) >= MOST_READ:
                memory.clear()
            memory[key] = found
        return found

    def _read(self, element: Element, codecs: list[str]) -> Read:
        name = f"{element.tag:08X}"
        if element.vr in _PLAIN_VR and 0 < element.length <= _SHORT and element.items is None:
            entry = _plain(element.vr, self.tokens.buffer, element.offset, element.length)
        else:
            entry = self._element(element, codecs, "")
        return name, entry, f'"{name}":{entry_text(entry)}'

    def _codecs(self, buffer: Buffer, element: Element) -> list[str]:
        raw = bytes(buffer[element.offset : element.offset + min(element.length, 1024)])
        names = [part.strip(" \0") for part in raw.decode("latin_1").split("\\")]
        codecs, known = encodings(names)
        if not known:
            self.notes.append("unknown-charset")
        return codecs

    def _element(self, element: Element, codecs: list[str], path: str) -> Json:
        vr = self._vr(element)
        if element.items is not None:
            here = f"{path}{element.tag:08X}/"
            items = [
                self._elements(item, codecs, f"{here}{index}/")
                for index, item in enumerate(element.items)
            ]
            return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
        if element.length == 0:
            return {"vr": vr}
        if self._is_bulk(element, vr):
            self.bulk.append(
                BulkRef(f"{path}{element.tag:08X}", vr, element.offset, element.length)
            )
            return {"vr": vr}
        raw = bytes(self.tokens.buffer[element.offset : element.offset + element.length])
        return self._value(vr, raw, codecs)

    def _vr(self, element: Element) -> str:
        if self.signed and element.vr in _SIGNED and self.tokens.implicit:
            entry = DicomDictionary.get(element.tag)
            if entry is not None and " or SS" in entry[0]:
                return "SS"
        return element.vr

    def _is_bulk(self, element: Element, vr: str) -> bool:
        if element.tag in PIXEL_TAGS:
            return True
        if vr in _TEXT_VR:
            return element.length > BULK_TEXT
        return element.length > (BULK_NUMBERS if vr in _NUMBER else BULK_BINARY)

    def _value(self, vr: str, raw: bytes, codecs: list[str]) -> Json:
        if vr in _TEXT_VR:
            values = _texts(vr, raw, codecs)
            return {"vr": vr, "Value": values} if any(v is not None for v in values) else {"vr": vr}
        if vr in _NUMBER:
            return self._numbers(vr, raw)
        if vr == "AT":
            return self._tags(raw)
        return {"vr": vr, "InlineBinary": base64.b64encode(raw).decode()}

    def _numbers(self, vr: str, raw: bytes) -> Json:
        code, size = _NUMBER[vr]
        if len(raw) == size:
            value = _ONE[code, self.tokens.little_endian](raw)[0]
            if code in "fd" and not math.isfinite(value):
                value = _not_finite(value)
            return {"vr": vr, "Value": [value]}
        count, rest = divmod(len(raw), size)
        if rest:
            self.notes.append("value-length")
        order = "<" if self.tokens.little_endian else ">"
        values: list[Any] = list(struct.unpack(f"{order}{count}{code}", raw[: count * size]))
        if code in "fd":
            values = [v if math.isfinite(v) else _not_finite(v) for v in values]
        return {"vr": vr, "Value": values} if values else {"vr": vr}

    def _tags(self, raw: bytes) -> Json:
        if len(raw) % 4:
            self.notes.append("value-length")
        order = "<" if self.tokens.little_endian else ">"
        pairs = struct.iter_unpack(f"{order}HH", raw[: len(raw) // 4 * 4])
        values = [f"{group:04X}{number:04X}" for group, number in pairs]
        return {"vr": "AT", "Value": values} if values else {"vr": "AT"}


def _plain(vr: str, buffer: Buffer, offset: int, length: int) -> Json:
    """Return the JSON of a short value whose characters need no character set."""
    text = str(buffer[offset : offset + length], "latin_1")
    if "\\" in text:
        values = _texts(vr, text.encode("latin_1"), _NO_CODECS)
        return {"vr": vr, "Value": values} if any(v is not None for v in values) else {"vr": vr}
    part = text.strip(" \0")
    if not part:
        return {"vr": vr}
    convert = _CONVERT.get(vr)
    return {"vr": vr, "Value": [part if convert is None else convert(part)]}


def _not_finite(value: float) -> str:
    """Write a float that JSON has no number for (PS3.18 F.2.4)."""
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _texts(vr: str, raw: bytes, codecs: list[str]) -> list[Any]:
    text = decode(raw, codecs) if vr in _CHARSET_VR else raw.decode("latin_1")
    if vr in _ONE_VALUE:
        text = text.rstrip(" \0")
        return [text] if text else []
    convert = _CONVERT.get(vr)
    parts = [part.strip(" \0") for part in text.split("\\")]
    if convert is None:
        return [part or None for part in parts]
    return [convert(part) if part else None for part in parts]


def _decimal(part: str) -> float | int | str:
    try:
        value = float(part)
    except ValueError:
        return part
    return value if math.isfinite(value) else part


def _integer(part: str) -> int | str:
    try:
        return int(part) if len(part) <= 24 else part
    except ValueError:
        return part


def _person(part: str) -> Json | None:
    groups = [group.strip(" \0") for group in part.split("=")[:3]]
    names = ("Alphabetic", "Ideographic", "Phonetic")
    return {n: g for n, g in zip(names, groups, strict=False) if g} or None


_CONVERT: dict[str, Callable[[str], Any]] = {"DS": _decimal, "IS": _integer, "PN": _person}
