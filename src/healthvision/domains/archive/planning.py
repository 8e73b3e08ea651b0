# SPDX-License-Identifier: Apache-2.0
"""Which objects of a batch are new, known, or other objects under a known UID."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from healthvision.domains.archive.rows import SERIES_TAGS, add_word, pick
from healthvision.domains.archive.schemas import Incoming, Json
from healthvision.domains.archive.tables import Instance, Series, Study
from healthvision.domains.storage.ports import StoredObject
from healthvision.formats.dicom.header import InstanceHeader


@dataclass(frozen=True, slots=True)
class Prepared:
    """One readable object; ``stored`` is None when its bytes are here already."""

    index: int
    incoming: Incoming
    header: InstanceHeader
    json: Json
    sha256: str
    instance_id: UUID
    stored: StoredObject | None


@dataclass(slots=True)
class Plan:
    """Which items are new, known, or another object with a known UID."""

    new: list[Prepared] = field(default_factory=list)
    duplicates: dict[int, UUID] = field(default_factory=dict)  # item -> instance id
    again: list[Prepared] = field(default_factory=list)
    conflicts: set[str] = field(default_factory=set)  # SOP UIDs
    hidden: set[int] = field(default_factory=set)  # items kept out of sight
    demoted: set[UUID] = field(default_factory=set)


def plan_batch(known: Sequence[Instance], items: list[Prepared], *, keep_last: bool) -> Plan:
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


def count_new(
    study: Study, series: dict[str, Series], items: Sequence[Prepared], plan: Plan
) -> None:
    """Add new objects to the counts and lists of their study and series."""
    for item in items:
        header = item.header
        study.modalities = add_word(study.modalities, header.modality)
        study.sop_classes = add_word(study.sop_classes, header.sop_class_uid)
        study.body_parts = add_word(study.body_parts, header.body_part)
        row = series[header.series_uid]
        missing = {t: v for t, v in pick(item.json, SERIES_TAGS).items() if v.get("Value")}
        if row.instance_count == 0 and missing:
            row.dicom_json = {**row.dicom_json, **missing}
        if item.index in plan.hidden or item.stored is None:
            continue
        study.series_count += row.instance_count == 0
        row.instance_count += 1
        row.size += item.stored.size
        study.instance_count += 1
        study.size += item.stored.size
