# SPDX-License-Identifier: Apache-2.0
"""Media types and what a caller accepts (RFC 9110 12.5.1, PS3.18 8.7), as real viewers write it.

Viewers leave out the quotes around ``type=application/dicom`` although a slash needs them, quote
``"*"``, or write the parameters in any order; all of it is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

MAX_HEADER = 4096
MAX_RANGES = 64
_SHORT = 512  # characters of a header that is remembered


@dataclass(frozen=True, slots=True)
class MediaType:
    """One media type or range. ``name`` and parameter names in lower case; ``q`` 0 to 1."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    q: float = 1.0

    @property
    def part(self) -> str:
        """Return the media type of the parts of a multipart/related, '' when not named."""
        return self.parameters.get("type", "").lower()

    @property
    def transfer_syntax(self) -> str:
        """Return the asked transfer syntax UID, '*', or '' when none was named."""
        return self.parameters.get("transfer-syntax", "")


def parse_media_type(text: str) -> MediaType:
    """Read one media type with parameters; a text that is none gives the name ''."""
    pieces = _split(text[:MAX_HEADER], ";")
    name = pieces[0].strip().lower()
    parameters: dict[str, str] = {}
    for piece in pieces[1:]:
        key, equals, value = piece.partition("=")
        if equals:
            parameters.setdefault(key.strip().lower(), _unquote(value.strip()))
    return MediaType(name if "/" in name else "", parameters, _quality(parameters.pop("q", "1")))


def parse_accept(header: str) -> tuple[MediaType, ...]:
    """Read an Accept header, best first (by q, then as written); ranges with q=0 are left out.

    An empty header accepts everything. ``*`` alone (sent by Java clients) means ``*/*``.
    """
    return _accepted(header) if len(header) <= _SHORT else _accepted.__wrapped__(header)


@lru_cache(maxsize=256)
def _accepted(header: str) -> tuple[MediaType, ...]:
    ranges = []
    for text in _split(header[:MAX_HEADER], ",")[:MAX_RANGES]:
        if not text.strip():
            continue
        found = parse_media_type("*/*" if text.strip() == "*" else text)
        if found.name and found.q > 0:
            ranges.append(found)
    if not header.strip():
        return (MediaType("*/*"),)
    return tuple(sorted(ranges, key=lambda r: -r.q))


def matches(wanted: str, offered: str) -> bool:
    """Tell whether a range such as 'image/*' covers a media type."""
    if wanted in ("*/*", offered):
        return True
    return wanted.endswith("/*") and offered.startswith(wanted[:-1])


def first_match(accepted: Sequence[MediaType], offered: Sequence[str]) -> str | None:
    """Return the offered single-part media type the caller likes best, or None."""
    for wanted in accepted:
        for kind in offered:
            if matches(wanted.name, kind):
                return kind
    return None


def _split(text: str, mark: str) -> list[str]:
    """Split outside of double quotes."""
    out, start, quoted, position = [], 0, False, 0
    while position < len(text):
        char = text[position]
        if char == "\\" and quoted:
            position += 1
        elif char == '"':
            quoted = not quoted
        elif char == mark and not quoted:
            out.append(text[start:position])
            start = position + 1
        position += 1
    return [*out, text[start:]]


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return value.strip('"')


def _quality(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 1.0
    return min(1.0, max(0.0, value)) if value == value else 1.0
