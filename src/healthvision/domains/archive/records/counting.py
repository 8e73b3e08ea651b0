# SPDX-License-Identifier: Apache-2.0
"""How one object changes the counts, lists and gaps of its study and series, and its answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from healthvision.domains.archive.records.planning import Plan, Prepared
from healthvision.domains.archive.records.rows import (
    SERIES_TAGS,
    STUDY_TAGS,
    add_word,
    pick,
    study_texts,
    study_values,
)
from healthvision.domains.archive.records.unit import Kept
from healthvision.domains.archive.schemas import Received
from healthvision.domains.patients.schemas import PatientSeen


@dataclass(slots=True)
class Counts:
    """Counts of one study in one request; ``news``: instances that are shown and new."""

    stored: int = 0
    duplicates: int = 0
    conflicts: int = 0
    news: int = 0


def is_patient_of(study: Kept, seen: PatientSeen) -> bool:
    """Tell whether an object says about its patient what is known of its study's patient."""
    return (
        seen.patient_id == study["patient_id"]
        and seen.issuer == study["issuer_of_patient_id"]
        and seen.name in ("", study["patient_name"])
        and seen.sex in ("", study["patient_sex"])
        and seen.birth_date in ("", study["patient_birth_date"])
    )


def is_at_home(study: Kept, home: UUID) -> bool:
    """Tell whether a corrected study is known to hold objects that name this patient."""
    before = study.values.get("uncorrected")
    return before is not None and before["patient_ref"] == str(home)


def complete(study: Kept, item: Prepared) -> None:
    """Add what the first object did not say; a corrected study says what was decided."""
    if study.values.get("coercion"):
        return
    if any(value and study[name] == "" for name, value in study_texts(item.header).items()):
        for name, value in study_values(item.header, item.json).items():
            if study[name] == "" and value:
                study[name] = value
    missing = _missing(study["dicom_json"], pick(item.json, STUDY_TAGS))
    if missing:
        study["dicom_json"] = {**study["dicom_json"], **missing}


def _missing(kept: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        tag: value
        for tag, value in given.items()
        if value.get("Value") and not kept.get(tag, {}).get("Value")
    }


def count(study: Kept, series: Kept, item: Prepared, *, hidden: bool) -> None:
    """Add a new object to the counts and lists of its study and series."""
    header = item.header
    study["modalities"] = add_word(study["modalities"], header.modality)
    study["sop_classes"] = add_word(study["sop_classes"], header.sop_class_uid)
    study["body_parts"] = add_word(study["body_parts"], header.body_part)
    if series["instance_count"] == 0:
        missing = _missing(series["dicom_json"], pick(item.json, SERIES_TAGS))
        if missing:
            series["dicom_json"] = {**series["dicom_json"], **missing}
    if hidden or item.stored is None:
        return
    study["series_count"] = study["series_count"] + (series["instance_count"] == 0)
    study["instance_count"] = study["instance_count"] + 1
    study["size"] = study["size"] + item.stored.length
    series["instance_count"] = series["instance_count"] + 1
    series["size"] = series["size"] + item.stored.length


def answer(item: Prepared, plan: Plan, study: Kept, series: Kept, counts: Counts) -> Received:
    """Count what became of an object and return the answer to it."""
    duplicate = plan.duplicates.get(item.index)
    conflict = duplicate is None and item.header.sop_uid in plan.conflicts
    if duplicate is not None:
        counts.duplicates += 1
    else:
        counts.stored += 1
        counts.conflicts += conflict
        counts.news += item.index not in plan.hidden
    return Received(
        name=item.incoming.name,
        outcome="duplicate" if duplicate else "conflict" if conflict else "stored",
        study_uid=item.header.study_uid,
        series_uid=item.header.series_uid,
        sop_uid=item.header.sop_uid,
        sop_class_uid=item.header.sop_class_uid,
        study_id=study["id"],
        series_id=series["id"],
        instance_id=duplicate or item.instance_id,
        current=item.index not in plan.hidden,
        notes=item.header.notes,
    )
