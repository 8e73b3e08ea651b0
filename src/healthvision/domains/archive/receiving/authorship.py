# SPDX-License-Identifier: Apache-2.0
"""Whose measurements an object says it holds: a person saves in the own name only.

The viewer saves measurements as SR (TID 1500) and shows them by the person and the account that
they name. Such an object that comes from a person must name that person. Modalities and programs
bring what others made and are not asked; what a person releases from quarantine was looked at.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from healthvision.domains.archive.receiving.durable import Sender
from healthvision.domains.identity import service as identity
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor

MAKER = "HealthVision"  # of web/src/viewer/measure; the description of a series may be corrected
_REPORT = "126000"  # DCM: imaging measurement report
_OBSERVER, _ACCOUNT = "121008", "128774"  # DCM: person observer's name, login name
_OBSERVER_TYPE, _DEVICE = "121005", "121007"  # DCM: what observed; a device
_NAME_TAG, _TEXT_TAG, _CODE_TAG = "0040A123", "0040A160", "0040A168"
_NOT_ASKED = frozenset({"healthvision", "quarantine"})  # origins
_SEPARATORS = str.maketrans(dict.fromkeys("\\^=", " "))

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Author:
    """A person as a saving names it. ``name``: a DICOM person name."""

    account: str
    name: str


async def author_of(db: Database, actor: Actor) -> Author:
    """Return how the savings of a person name it."""
    async with db.reading() as session:
        me = await identity.me(session, actor)
    return Author(actor.id, dicom_name(actor.id if me.user is None else me.user.name))


async def name_author(db: Database, actor: Actor, documents: Sequence[Json]) -> None:
    """Let a person's savings (DICOM JSON, not built yet) name it as the account is called now."""
    savings = [d for d in documents if is_saving(d)] if actor.user_id is not None else []
    if savings:
        author = await author_of(db, actor)
        for saving in savings:
            _put_name(saving, author.name)


def dicom_name(name: str) -> str:
    """Return 'Mei Li' as 'Li^Mei', as the viewer writes it; one word stays (PS3.5 6.2.1)."""
    *given, family = name.translate(_SEPARATORS).split() or [""]
    return "^".join(p for p in (family, " ".join(given)) if p)[:64].strip()


def is_asked(sender: Sender) -> bool:
    """Tell whether what comes this way must be the sender's own."""
    return sender.actor.user_id is not None and sender.origin.kind not in _NOT_ASKED


def is_saving(document: Json) -> bool:
    """Tell whether a data set (DICOM JSON) may pass for a person's measurements of the viewer.

    Any of our measurement reports does that does not say of itself that a device observed.
    """
    if MAKER not in _texts(document, "00080070") or not _is(document, _REPORT):
        return False
    types = [
        _texts(code, "00080100")
        for item in _named(document, _OBSERVER_TYPE)
        for code in _items(item, _CODE_TAG) or [{}]
    ]
    by_device = bool(types) and all(codes == [_DEVICE] for codes in types)
    return not by_device or next(_named(document, _OBSERVER), None) is not None


def forgery(document: Json, author: Author) -> DicomRefused | None:
    """Return why a saving is not taken from a person; None: it names that person and no other."""
    names = {t for i in _named(document, _OBSERVER) for t in _first_text(i, _NAME_TAG)}
    accounts = {t for i in _named(document, _ACCOUNT) for t in _first_text(i, _TEXT_TAG)}
    if names == {author.name} and accounts == {author.account}:
        return None
    return DicomRefused(
        "author-mismatch",
        "measurements of the viewer are taken only from the person whom they name",
        field="(0040,A730) ContentSequence",
    )


def _put_name(saving: Json, name: str) -> None:
    for item in _named(saving, _OBSERVER):
        item[_NAME_TAG] = {"vr": "PN", "Value": [{"Alphabetic": name}]}


def _named(document: Json, code: str) -> Iterator[dict[str, Any]]:
    """Yield the content items of the root that have this concept."""
    for item in _items(document, "0040A730"):
        if _is(item, code):
            yield item


def _is(document: Json, code: str) -> bool:
    return any(code in _texts(concept, "00080100") for concept in _items(document, "0040A043"))


def _values(document: Json, tag: str) -> list[Any]:
    found = document.get(tag)
    values = found.get("Value") if isinstance(found, Mapping) else None
    return values if isinstance(values, list) else []


def _items(document: Json, tag: str) -> list[dict[str, Any]]:
    return [v for v in _values(document, tag) if isinstance(v, dict)]


def _texts(document: Json, tag: str) -> list[str]:
    """Return values as the viewer reads them: person names by their groups."""
    return [_text(v).strip() for v in _values(document, tag)]


def _first_text(document: Json, tag: str) -> list[str]:
    return _texts(document, tag) or [""]


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        parts = str(value.get("Alphabetic", "")), str(value.get("Ideographic", ""))
        return "=".join(p for n, p in enumerate(parts) if n == 0 or p)
    return "" if value is None else str(value)
