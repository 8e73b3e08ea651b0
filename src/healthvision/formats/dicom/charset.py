# SPDX-License-Identifier: Apache-2.0
"""Text of DICOM attributes, including GB18030 and ISO 2022 code extensions (PS3.5 6.1)."""

from pydicom.charset import CODES_TO_ENCODINGS, python_encoding

_ESC = b"\x1b"
_KEEP_ESCAPE = ("iso2022_jp", "iso2022_jp_2")  # these codecs read the escape themselves
_RESET = b"\\^=\r\n\f\t"  # PS3.5 6.1.2.5.3: after these the initial set is active again
_DEFAULT = "latin_1"

_SPELLINGS = {
    "ISOIR192": "ISO_IR 192",
    "UTF8": "ISO_IR 192",
    "ISOIR100": "ISO_IR 100",
    "ISOIR6": "ISO_IR 6",
    "GB2312": "GBK",
    "GBK": "GBK",
    "GB18030": "GB18030",
}


def encodings(names: list[str]) -> tuple[list[str], bool]:
    """Return the Python codecs for values of Specific Character Set (0008,0005).

    The second value is False when a name was unknown; it is then read as ISO 8859-1, in which
    every byte is a character, so that nothing is lost.
    """
    out: list[str] = []
    known = True
    for name in names or [""]:
        codec = python_encoding.get(name)
        if codec is None:
            plain = name.upper().replace(" ", "").replace("_", "").replace("-", "")
            codec = python_encoding.get(_SPELLINGS.get(plain, "\0"))
        if codec is None:
            known, codec = False, _DEFAULT
        out.append("gb2312" if codec == "iso_ir_58" else codec)
    return out, known


def decode(value: bytes, codecs: list[str]) -> str:
    """Return the text of ``value``; undecodable bytes become U+FFFD, never an error."""
    first = codecs[0]
    if _ESC not in value:
        return value.decode(first, "replace")
    parts = value.split(_ESC)
    return parts[0].decode(first, "replace") + "".join(_fragment(p, first) for p in parts[1:])


def _fragment(part: bytes, first: str) -> str:
    for size in (2, 3):
        codec = CODES_TO_ENCODINGS.get(_ESC + part[:size])
        if codec is not None:
            break
    else:
        return part.decode(first, "replace")
    if codec in _KEEP_ESCAPE:
        return (_ESC + part).decode(codec, "replace")
    body = part[size:]
    codec = "gb2312" if codec == "iso_ir_58" else codec
    cut = next((i for i, byte in enumerate(body) if byte in _RESET), len(body))
    if codec == "iso8859":  # back to ASCII in G0; G1 stays what the first set says
        codec = first
    return body[:cut].decode(codec, "replace") + body[cut:].decode(first, "replace")
