# SPDX-License-Identifier: Apache-2.0
"""Rows of a search into its matches: DICOM JSON put together from texts, hardly ever parsed.

Rows of studies and series come again and again (a page that is asked every minute, one series
above a hundred instances), so their attributes are kept ready as texts.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from healthvision.domains.archive.records.rows import INSTANCE_TAGS, words_of
from healthvision.domains.archive.schemas import Entries, FoundItem

_INSTANCE_TAGS = frozenset(INSTANCE_TAGS)
_LONG = 16 << 10  # characters of a document that is not kept
_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def entry(tag: str, attribute: Any) -> str:
    """Return one attribute as it stands in a DICOM JSON object."""
    return f'"{tag}":{_ENCODE(attribute)}'


def _entries(text: str) -> Entries:
    return {tag: entry(tag, attribute) for tag, attribute in json.loads(text).items()}


@lru_cache(maxsize=2048)
def _kept_entries(text: str) -> Entries:
    return _entries(text)


def _of_document(text: str) -> Entries:
    return _entries(text) if len(text) > _LONG else _kept_entries(text)


@lru_cache(maxsize=256)
def _modalities(words: str) -> str:
    return entry("00080061", {"vr": "CS", "Value": words_of(words)})


def _number(tag: str, number: int) -> str:
    return f'"{tag}":{{"vr":"IS","Value":[{number}]}}'


def study_entries(row: Any) -> Entries:
    """Return the attributes of a study and the counted ones (PS3.18 10.6.3)."""
    return {
        **_of_document(row.dicom_json),
        "00080061": _modalities(row.modalities),
        "00201206": _number("00201206", row.series_count),
        "00201208": _number("00201208", row.instance_count),
    }


def series_entries(row: Any) -> Entries:
    """Return the attributes of a series and of its study."""
    counted = {"00201209": _number("00201209", row.series_instances)}
    return {**study_entries(row), **_of_document(row.series_json), **counted}


def study_items(rows: Sequence[Any]) -> tuple[FoundItem, ...]:
    """Return the matches of a search for studies."""
    return tuple(FoundItem(r.id, (r.study_uid,), study_entries(r)) for r in rows)


def series_items(rows: Sequence[Any]) -> tuple[FoundItem, ...]:
    """Return the matches of a search for series."""
    return tuple(
        FoundItem(r.series_id, (r.study_uid, r.series_uid), series_entries(r)) for r in rows
    )


def instance_items(
    rows: Sequence[Any], above: Sequence[Any], own: Sequence[Any]
) -> tuple[FoundItem, ...]:
    """Return the matches of a search for instances.

    ``above``: the rows of their series and studies, ``own``: ids and documents of instances.
    """
    upper = {r.series_id: ((r.study_uid, r.series_uid), series_entries(r)) for r in above}
    documents = {r.id: r.dicom_json for r in own}
    items = []
    for row in rows:
        uids, entries = upper[row.series_id]
        found = _entries_of_instance(documents[row.instance_id])
        items.append(FoundItem(row.instance_id, (*uids, row.sop_uid), {**entries, **found}))
    return tuple(items)


def _entries_of_instance(text: str) -> Entries:
    document = json.loads(text)
    return {t: entry(t, a) for t, a in document.items() if t in _INSTANCE_TAGS}
