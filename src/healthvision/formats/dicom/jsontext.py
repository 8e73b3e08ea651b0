# SPDX-License-Identifier: Apache-2.0
"""DICOM JSON as text, one attribute at a time, and attributes that were read just before.

The objects of a study say most things alike. What became of the bytes of a short value is
remembered, so that the same bytes of the next object need neither be decoded nor written anew.
"""

import math
from json import JSONEncoder
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

Json = dict[str, Any]
Read = tuple[str, Json, str]  # 'GGGGEEEE', its entry, and '"GGGGEEEE":<entry>' as text
Memory = dict[tuple[int, str, bytes], Read]

MOST_BYTES = 128  # of a value that is remembered
MOST_READ = 2048  # values remembered for one character set; then all are forgotten
dumps = JSONEncoder(separators=(",", ":")).encode  # ASCII only
_read: dict[str, Memory] = {}


def memory_of(codec: str) -> Memory:
    """Return what is remembered of little endian values under the first of their codecs.

    From tag, VR and bytes of a value. Its entries are shared: nobody may change them.
    """
    return _read.setdefault(codec, {})


def entry_text(entry: Json) -> str:
    """Return the entry of one attribute as ``dumps`` writes it."""
    parts = []
    for value in entry.get("Value", ()):
        kind = type(value)
        if kind is str:
            parts.append(quoted(value))
        elif kind is int or (kind is float and math.isfinite(value)):
            parts.append(repr(value))
        else:
            return dumps(entry)
    if parts:
        return f'{{"vr":"{entry["vr"]}","Value":[{",".join(parts)}]}}'
    return dumps(entry) if len(entry) > 1 else f'{{"vr":"{entry["vr"]}"}}'
