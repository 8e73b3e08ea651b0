# SPDX-License-Identifier: Apache-2.0
"""Stored DICOM JSON as it goes out: with the addresses of the values left out of it."""

import json
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]


def instance_url(root: str, study_uid: str, series_uid: str, sop_uid: str) -> str:
    """Return the URL of one instance below a DICOMweb root."""
    return f"{root}/studies/{study_uid}/series/{series_uid}/instances/{sop_uid}"


def with_bulk_uris(document: Json, paths: Iterable[str], base: str) -> Json:
    """Put a BulkDataURI at each path 'GGGGEEEE[/item/GGGGEEEE...]' of a stored document.

    The document is changed in place and returned; ``base``: URL of the instance.
    """
    for path in paths:
        entry = _entry(document, path)
        if entry is not None:
            entry["BulkDataURI"] = f"{base}/bulkdata/{path}"
    return document


def _entry(document: Json, path: str) -> Json | None:
    here: Any = document
    pieces = path.split("/")
    for position, piece in enumerate(pieces):
        if position % 2 == 0:
            here = here.get(piece)
        else:
            items = here.get("Value", [])
            here = items[int(piece)] if int(piece) < len(items) else None
        if not isinstance(here, dict):
            return None
    found: Json = here
    return found


def to_json(value: Any) -> bytes:
    """Return compact JSON; NaN never occurs, since stored documents spell it out as text."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
