# SPDX-License-Identifier: Apache-2.0
"""Corrected attributes put into an object on its way out (PS3.4 B.4.1.3: coercion).

Only the bytes before Pixel Data are made anew; pixels, and whatever lies behind them, stay as they
are. Attributes that are not changed are copied as they were written, unless a new text needs
characters that the object's character set lacks: then all its texts are written in UTF-8.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from healthvision.formats.dicom.charset import decode, encodings
from healthvision.formats.dicom.part10 import EXPLICIT_BE, PIXEL_TAGS, Element, Tokens, tokenize

Json = dict[str, Any]
Changes = Mapping[str, Json | None]  # tag as eight hex digits -> DICOM JSON; None: taken out
UTF_8 = "ISO_IR 192"
_CHARSET = 0x00080005
_LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_ENCODED = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_PIXELS = min(PIXEL_TAGS)
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


@dataclass(frozen=True, slots=True)
class Coerced:
    """The new beginning of an object.

    ``head`` stands for the first ``cut`` bytes of the file; ``shift``: what is to be added to
    offsets of Pixel Data and frames (in the inflated data set when the object is deflated).
    """

    head: bytes
    cut: int
    shift: int

    @property
    def digest(self) -> str:
        """SHA-256 of the new beginning."""
        return hashlib.sha256(self.head).hexdigest()


def coerced_json(document: Mapping[str, Json], changes: Changes) -> Json:
    """Return DICOM JSON with changed attributes, in order of tags."""
    merged: dict[str, Json | None] = {**document, **changes}
    return {tag: merged[tag] for tag in sorted(merged) if merged[tag] is not None}


def coerce_head(data: bytes, changes: Changes) -> Coerced:
    """Return the new beginning of an object.

    ``data``: the file up to the value of Pixel Data (the top-level one), or the whole file when
    it has none or is deflated. Raises DicomRefused when it cannot be read.
    """
    data = data[: _before_pixels(data)]
    tokens = tokenize(data)
    body = _Writer(tokens, changes).body()
    if not tokens.deflated:
        head = data[: tokens.dataset_offset] + body
        return Coerced(head, len(data), len(head) - len(data))
    end = max(element.offset + element.length for element in tokens.meta)
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    squeezed = engine.compress(body) + engine.flush()
    head = data[:end] + squeezed + b"\0" * (len(squeezed) % 2)
    return Coerced(head, len(data), len(body) - len(tokens.buffer))


def _before_pixels(data: bytes) -> int:
    """Return where the element of Pixel Data begins when only its value is missing."""
    for size in (8, 12):
        tag = data[-size : len(data) - size + 4]
        for order in "<>":
            if len(tag) == 4 and len(data) > size and _tag(tag, order) in PIXEL_TAGS:
                return len(data) - size
    return len(data)


def _tag(raw: bytes, order: str) -> int:
    group, number = struct.unpack(f"{order}HH", raw)
    return int(group) << 16 | int(number)


class _Writer:
    """Writes the data set of one object again."""

    def __init__(self, tokens: Tokens, changes: Changes) -> None:
        self._tokens = tokens
        self._changes = changes
        self._implicit = tokens.implicit
        self._order = ">" if tokens.transfer_syntax == EXPLICIT_BE else "<"
        names = self._charset(tokens.dataset)
        self._convert = names != [UTF_8] and not _ascii(changes.values())
        self._codecs, _ = encodings(names or [])

    def body(self) -> bytes:
        """Return the elements in order of tags; group lengths are left out."""
        parts: dict[int, bytes] = {}
        elements = self._tokens.dataset
        starts = [*(self._start(e) for e in elements), len(self._tokens.buffer)]
        for number, element in enumerate(elements):
            if element.tag & 0xFFFF == 0 and element.tag < _PIXELS:
                continue
            if self._convert and element.tag < _PIXELS:
                parts[element.tag] = self._again(element, self._codecs)
            else:
                raw = self._tokens.buffer[starts[number] : starts[number + 1]]
                parts[element.tag] = bytes(raw)
        if self._convert:
            parts[_CHARSET] = self._element(_CHARSET, "CS", UTF_8.encode())
        for name, change in self._changes.items():
            parts.pop(int(name, 16), None)
            if change is not None:
                parts[int(name, 16)] = self._changed(int(name, 16), change)
        return b"".join(parts[tag] for tag in sorted(parts))

    def _charset(self, elements: Iterable[Element]) -> list[str] | None:
        """Return the names of the character sets of a data set or item; None: it says nothing."""
        for element in elements:
            if element.tag == _CHARSET:
                text = self._value(element).decode("latin_1").strip(" \0")
                return [name.strip(" \0") for name in text.split("\\")]
        return None

    def _value(self, element: Element) -> bytes:
        return bytes(self._tokens.buffer[element.offset : element.offset + element.length])

    def _start(self, element: Element) -> int:
        """Return where the element's header begins: 8 or 12 bytes before its value."""
        buffer, at = self._tokens.buffer, element.offset
        if self._implicit or _tag(bytes(buffer[at - 8 : at - 4]), self._order) == element.tag:
            return at - 8
        return at - 12

    def _again(self, element: Element, codecs: list[str]) -> bytes:
        """Return an element with its texts in UTF-8, sequences with all they hold."""
        if element.items is None:
            raw = self._value(element)
            if element.vr in _ENCODED:
                raw = decode(raw, codecs).rstrip("\0").encode()
            return self._element(element.tag, element.vr, raw)
        items = []
        for item in element.items:
            names = self._charset(item)
            inner = codecs if names is None else encodings(names)[0]
            kept = (e for e in item if e.tag != _CHARSET and e.tag & 0xFFFF)
            items.append(b"".join(self._again(e, inner) for e in kept))
        return self._element(element.tag, "SQ", b"".join(self._item(i) for i in items))

    def _item(self, content: bytes) -> bytes:
        return struct.pack(f"{self._order}HHI", 0xFFFE, 0xE000, len(content)) + content

    def _changed(self, tag: int, change: Json) -> bytes:
        vr, values = str(change["vr"]), change.get("Value") or []
        if vr != "SQ":
            text = "\\".join(_text(value) for value in values)
            return self._element(tag, vr, text.encode())
        items = []
        for item in values:
            inner = [self._changed(int(name, 16), item[name]) for name in sorted(item)]
            items.append(self._item(b"".join(inner)))
        return self._element(tag, "SQ", b"".join(items))

    def _element(self, tag: int, vr: str, raw: bytes) -> bytes:
        if len(raw) % 2:
            raw += b"\0" if vr in ("UI", "OB", "UN") else b" "
        place = struct.pack(f"{self._order}HH", tag >> 16, tag & 0xFFFF)
        if self._implicit:
            return place + struct.pack(f"{self._order}I", len(raw)) + raw
        if vr not in _LONG and len(raw) > 0xFFFF:
            vr = "UN"  # PS3.5 6.2.2, note 3
        if vr in _LONG:
            return place + vr.encode() + struct.pack(f"{self._order}HI", 0, len(raw)) + raw
        return place + vr.encode() + struct.pack(f"{self._order}H", len(raw)) + raw


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return "=".join(str(value.get(group) or "") for group in _GROUPS).rstrip("=")
    return str(value)


def _ascii(values: Iterable[Any]) -> bool:
    """Tell whether there are only ASCII characters in JSON values."""
    for value in values:
        if isinstance(value, str) and not value.isascii():
            return False
        inner = value.values() if isinstance(value, dict) else value
        if isinstance(value, dict | list) and not _ascii(inner):
            return False
    return True
