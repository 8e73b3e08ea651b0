# SPDX-License-Identifier: Apache-2.0
"""One received object into a journal: the record of an object, and where it lies then."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from healthvision.domains.archive.receiving import heads
from healthvision.domains.archive.receiving.scanning import pieces_of, size_of
from healthvision.domains.archive.records.blobs import JOURNAL, blob_context, journal_key
from healthvision.domains.archive.records.planning import Prepared
from healthvision.domains.archive.schemas import Location, Origin
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.domains.storage import service as storage
from healthvision.kernel.journal import Journal, Place
from healthvision.kernel.security import Actor


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends what where, and what seals it."""

    actor: Actor
    space: SpaceRead
    origin: Origin
    sealer: storage.BlobSealer


def append(
    journal: Journal, sender: Sender, common: dict[str, Any], item: Prepared, memory_bytes: int
) -> Place:
    """Write one object; larger ones than ``memory_bytes`` piece by piece. Raises OSError.

    ``common``: the head's part that the records of a request share, with this one's number.
    """
    source, size = item.incoming.source, size_of(item.incoming.source)
    head = heads.pack_head(
        sender.sealer,
        sender.actor.org_id,
        common,
        item.instance_id,
        received_at=item.received_at,
        sha256=item.sha256,
        length=size,
    )
    context = blob_context(sender.actor.org_id, item.instance_id)
    if size <= memory_bytes:
        text = source if isinstance(source, bytes) else b"".join(pieces_of(source))
        return journal.append(head, sender.sealer.seal(context, text))
    sealed = sender.sealer.stream(context, pieces_of(source))
    return journal.solo(head, sender.sealer.sealed_length(size), sealed)


def placed(receiver_id: UUID, sender: Sender, item: Prepared, place: Place) -> Prepared:
    """Return an item that says where it lies in the journal of a receiver."""
    stored = Location(
        store=JOURNAL,
        object_key=journal_key(str(receiver_id), place.name),
        generation=0,
        offset=place.offset,
        length=size_of(item.incoming.source),
        key_id=sender.sealer.key_id,
        sha256=item.sha256,
    )
    return replace(item, stored=stored, position=place.position)


def first_of_each(items: Sequence[Prepared], known: frozenset[tuple[str, str]]) -> dict[int, int]:
    """Number the items whose bytes have to be written: item's index -> 0, 1, 2, ..."""
    seen, numbers = set(known), dict[int, int]()
    for item in items:
        identity = (item.header.sop_uid, item.sha256)
        if identity not in seen:
            seen.add(identity)
            numbers[item.index] = len(numbers)
    return numbers
