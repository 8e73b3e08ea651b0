# SPDX-License-Identifier: Apache-2.0
"""Rejection notes: key object documents that say which objects must not be used (IHE IOCM).

A note is a Key Object Selection (PS3.3 A.35.4) with one of four titles of CID 7011 (PS3.16). It
names objects in its Current Requested Procedure Evidence Sequence (PS3.3 C.17.2). It speaks of
its own study alone: what it names of other ones is counted and left as it is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from healthvision.domains.archive.correcting.corrections_schemas import RejectCode
from healthvision.domains.archive.packing import documents
from healthvision.domains.archive.packing.packs import plain_document
from healthvision.domains.archive.records import corrections_rows
from healthvision.domains.archive.records.rows import KEY_OBJECTS
from healthvision.domains.archive.tables import CorrectionRow, Instance
from healthvision.kernel.db import Session

TITLES: dict[RejectCode, str] = {
    "quality": "113001",
    "patient_safety": "113037",
    "incorrect_worklist": "113038",
    "retention_expired": "113039",
}
_CODES = {title: code for code, title in TITLES.items()}
_BATCH = 500  # names in one query


@dataclass(frozen=True, slots=True)
class Note:
    """A stored rejection note.

    ``named``: SOP Instance UIDs of its own study, itself not among them; ``elsewhere``: how many
    objects of other studies it names.
    """

    instance_id: UUID
    sop_uid: str
    code: RejectCode
    named: frozenset[str]
    elsewhere: int


def parse(instance_id: UUID, json: Mapping[str, Any]) -> Note | None:
    """Return what a key object document (DICOM JSON) rejects; None when it rejects nothing."""
    code = _code(json)
    if code is None:
        return None
    own, study_uid = _text(json, "00080018"), _text(json, "0020000D")
    named: set[str] = set()
    elsewhere: set[str] = set()
    for study in _items(json, "0040A375"):
        found = named if _text(study, "0020000D") == study_uid else elsewhere
        found |= _objects(study)
    for study in _items(json, "0040A385"):  # Pertinent Other Evidence
        elsewhere |= _objects(study)
    return Note(instance_id, own, code, frozenset(named - {own, ""}), len(elsewhere - named - {""}))


def _objects(study: Mapping[str, Any]) -> set[str]:
    """Return the SOP Instance UIDs of one item of evidence."""
    series = _items(study, "00081115")
    return {_text(item, "00081155") for one in series for item in _items(one, "00081199")}


def _code(json: Mapping[str, Any]) -> RejectCode | None:
    for title in _items(json, "0040A043"):
        if _text(title, "00080102") == "DCM":
            return _CODES.get(_text(title, "00080100"))
    return None


def _items(json: Mapping[str, Any], tag: str) -> Iterator[Mapping[str, Any]]:
    for item in json.get(tag, {}).get("Value") or ():
        if isinstance(item, Mapping):
            yield item


def _text(json: Mapping[str, Any], tag: str) -> str:
    values = json.get(tag, {}).get("Value") or [""]
    return str(values[0] or "").strip()


async def notes_of(session: Session, org_id: UUID, study_id: UUID) -> list[Note]:
    """Return the rejection notes that are shown in a study, oldest first.

    Raises StorageDamaged when one cannot be read.
    """
    rows = await corrections_rows.shown_of_class(session, org_id, study_id, KEY_OBJECTS)
    texts = await documents.texts_of(session, org_id, documents.places_of(rows))
    notes = [parse(row.id, plain_document(texts[row.id])) for row in rows]
    return [note for note in notes if note is not None]


async def hide(
    session: Session, org_id: UUID, study_id: UUID, correction: CorrectionRow, note: Note
) -> int:
    """Take what a note names in its study out of sight, as part of a correction; return how many.

    The correction says afterwards how many objects it hid, how many that the note names are
    ``absent``, and how many are ``elsewhere``.
    """
    count = absent = 0
    names = sorted(note.named)
    for start in range(0, len(names), _BATCH):
        part = names[start : start + _BATCH]
        which = Instance.sop_uid.in_(part)
        count += await corrections_rows.hide(session, org_id, study_id, correction, which)
        here = await corrections_rows.count_uids(session, org_id, study_id, part)
        absent += len(part) - here
    correction.after = {
        **correction.after,
        **about(note),
        "objects": correction.after.get("objects", 0) + count,
        "absent": absent,
    }
    return count


def about(note: Note) -> dict[str, Any]:
    """Return what a correction keeps of the note it was made for."""
    return {
        "note": str(note.instance_id),
        "note_uid": note.sop_uid,
        "named": len(note.named),
        "elsewhere": note.elsewhere,
    }
