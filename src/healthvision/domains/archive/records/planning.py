# SPDX-License-Identifier: Apache-2.0
"""Which objects of a batch are new, known, or other objects under a known UID."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from healthvision.domains.archive.schemas import Incoming, Json, Location
from healthvision.formats.dicom.header import InstanceHeader
from healthvision.kernel.journal import Position


@dataclass(frozen=True, slots=True)
class Prepared:
    """One readable object; ``stored`` is None when its bytes are here already.

    ``text``: its ``json`` as it is stored. ``position``: of its record in the journal.
    """

    index: int
    incoming: Incoming
    header: InstanceHeader
    json: Json
    text: str
    sha256: str
    instance_id: UUID
    received_at: datetime
    stored: Location | None = None
    position: Position | None = None


class Known(NamedTuple):
    """One stored instance with a UID of the batch."""

    id: UUID
    sop_uid: str
    sha256: str
    current: bool
    study_id: UUID


@dataclass(slots=True)
class Plan:
    """Which items are new, known, or another object with a known UID."""

    new: list[Prepared] = field(default_factory=list)
    duplicates: dict[int, UUID] = field(default_factory=dict)  # item -> instance id
    again: list[Prepared] = field(default_factory=list)
    conflicts: set[str] = field(default_factory=set)  # SOP UIDs
    hidden: set[int] = field(default_factory=set)  # items kept out of sight
    demoted: set[UUID] = field(default_factory=set)


def plan_batch(known: Sequence[Known], items: Sequence[Prepared], *, keep_last: bool) -> Plan:
    """Sort a batch against what is stored.

    ``keep_last``: of several objects with one UID the latest is shown, else the first.
    """
    plan = Plan()
    by_bytes = {(r.sop_uid, r.sha256): r.id for r in known}
    shown = {r.sop_uid: r.id for r in known if r.current}
    new: dict[UUID, Prepared] = {}
    for item in items:
        uid = item.header.sop_uid
        before = by_bytes.get((uid, item.sha256))
        if before is not None:
            plan.duplicates[item.index] = before
            if shown.get(uid) != before:  # it is kept, but readers see another one
                plan.hidden.add(item.index)
            continue
        if item.stored is None:  # its bytes were here and are gone now
            plan.again.append(item)
            continue
        by_bytes[uid, item.sha256] = item.instance_id
        plan.new.append(item)
        new[item.instance_id] = item
        if uid in shown:
            plan.conflicts.add(uid)
            if not keep_last:
                plan.hidden.add(item.index)
                continue
            if shown[uid] in new:
                plan.hidden.add(new[shown[uid]].index)
            plan.demoted.add(shown[uid])
        shown[uid] = item.instance_id
    return plan
