# SPDX-License-Identifier: Apache-2.0
"""Corrected attributes on the way out: new beginnings of objects, and DICOM JSON.

Stored bytes never change. A reference whose series was corrected names the ``changes``; with its
``head`` it speaks of the corrected object: size, frames and digest are those of what goes out.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from healthvision.domains.archive.errors import NotCorrectable
from healthvision.domains.archive.packing.packs import plain_document
from healthvision.domains.archive.schemas import InstanceRef, Json
from healthvision.formats.dicom.coercing import Coerced, coerce_head, coerced_json
from healthvision.formats.dicom.errors import DicomRefused

Changes = Mapping[str, Json | None]
_INLINE_BYTES = 256 << 10  # longer beginnings are made in a thread


def changes_of(coercion: Mapping[str, Any] | None, series_uid: str) -> Changes | None:
    """Return what is changed in the objects of a series of a study; None: nothing."""
    if not coercion:
        return None
    return {**coercion["study"], **coercion["series"].get(series_uid, {})} or None


def needed(ref: InstanceRef) -> int:
    """Return how many bytes of the stored object a new beginning is made of."""
    if ref.deflated or ref.pixel_offset is None:
        return ref.location.length
    return ref.pixel_offset


async def with_head(ref: InstanceRef, data: bytes) -> InstanceRef:
    """Return a reference that speaks of the corrected object.

    ``data``: the first ``needed`` bytes of the stored one. Raises NotCorrectable.
    """
    changes = ref.changes or {}
    try:
        if len(data) > _INLINE_BYTES:
            made = await asyncio.to_thread(coerce_head, data, changes)
        else:
            made = coerce_head(data, changes)
    except DicomRefused as refused:
        raise NotCorrectable("the object can be given out as stored only") from refused
    return _moved(ref, made)


def _moved(ref: InstanceRef, made: Coerced) -> InstanceRef:
    shift = made.shift
    behind = {p: (b[0], b[1] + shift, b[2]) for p, b in ref.bulk.items() if b[1] >= made.cut}
    return replace(
        ref,
        head=made,
        pixel_offset=None if ref.pixel_offset is None else ref.pixel_offset + shift,
        frames=tuple(tuple((o + shift, n) for o, n in frame) for frame in ref.frames),
        bulk=behind,
    )


def coerced_document(document: Json, changes: Changes | None) -> Json:
    """Return the DICOM JSON of an instance as it goes out."""
    return coerced_json(document, changes) if changes else document


def coerced_text(text: bytes, changes: Changes | None) -> bytes:
    """Return a marked JSON text (see ``packs``) as it goes out."""
    if not changes:
        return text
    merged = coerced_json(json.loads(text), changes)
    return json.dumps(merged, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def plain_coerced(text: bytes, changes: Changes | None) -> Json:
    """Return a marked JSON text as a document without addresses, as it goes out."""
    return coerced_document(plain_document(text), changes)
