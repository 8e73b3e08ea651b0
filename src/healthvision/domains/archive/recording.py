# SPDX-License-Identifier: Apache-2.0
"""Rows, audit and events of received objects, in one transaction.

Locks are taken in one order everywhere (patients, studies, spaces), so that two batches never
wait for each other in a circle.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from healthvision.domains.archive import repository
from healthvision.domains.archive.events import InstancesStored, ObjectQuarantined
from healthvision.domains.archive.planning import Plan, Prepared, count_new, plan_batch
from healthvision.domains.archive.rows import (
    STUDY_TAGS,
    add_word,
    instance_values,
    patient_of,
    pick,
    series_values,
    study_values,
)
from healthvision.domains.archive.schemas import Origin, Received
from healthvision.domains.archive.tables import (
    Quarantined,
    Series,
    Study,
    StudySpaceRow,
)
from healthvision.domains.audit import service as audit
from healthvision.domains.patients import service as patients
from healthvision.domains.patients.schemas import PatientSeen
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.domains.storage.ports import StoredObject
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Session
from healthvision.kernel.errors import Problem
from healthvision.kernel.events import publish
from healthvision.kernel.security import Actor

OWN = "healthvision"


@dataclass(slots=True)
class Written:
    """What one transaction did: answers, objects no row names, and items to try again."""

    answers: dict[int, Received] = field(default_factory=dict)
    orphans: list[StoredObject] = field(default_factory=list)
    again: list[Prepared] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Batch:
    """What all steps of one transaction need."""

    session: Session
    actor: Actor
    space: SpaceRead
    origin: Origin
    policies: dict[UUID, SpaceRead]


async def write_rows(
    session: Session, actor: Actor, items: Sequence[Prepared], *, space: SpaceRead, origin: Origin
) -> Written:
    """Write everything about a batch of durable objects into the session's transaction."""
    policies = await spaces.policies(session, actor.org_id)
    batch = _Batch(session, actor, space, origin, policies)
    written = Written()
    patient_refs = await _patients(batch, items)
    by_study: dict[str, list[Prepared]] = {}
    for item in items:
        by_study.setdefault(item.header.study_uid, []).append(item)
    for uid in sorted(by_study):
        await _write_study(batch, by_study[uid], patient_refs, written)
    await session.flush()
    return written


async def _patients(batch: _Batch, items: Sequence[Prepared]) -> dict[PatientSeen, UUID]:
    source = {patient_of(p.header): p.header.study_uid for p in items}
    refs: dict[PatientSeen, UUID] = {}
    for seen in sorted(source, key=lambda s: (s.issuer, s.patient_id, s.scope, s.name)):
        refs[seen] = await patients.observe(batch.session, batch.actor, seen, source=source[seen])
    return refs


async def _write_study(
    batch: _Batch, items: list[Prepared], refs: dict[PatientSeen, UUID], written: Written
) -> None:
    study = await _study_row(batch, items[0], refs[patient_of(items[0].header)])
    rows = await repository.memberships(batch.session, batch.actor.org_id, [study.id])
    if not await _may_join(batch, rows):
        await _hold_back(batch, items, written)
        return
    await _note_other_patients(batch, study, items, refs)
    series = await _series_rows(batch, study, items)
    outcome = await _write_instances(batch, study, series, items, written)
    await _write_membership(batch, study, rows, news=outcome.news)
    await _tell(batch, study, outcome)


async def _study_row(batch: _Batch, first: Prepared, patient_ref: UUID) -> Study:
    org_id, header = batch.actor.org_id, first.header
    values = study_values(header, first.json)
    study = await repository.lock_study(batch.session, org_id, header.study_uid)
    if study is None:
        new = Study(
            id=new_id(),
            org_id=org_id,
            patient_ref=patient_ref,
            **values,
            modalities="\\",
            sop_classes="\\",
            body_parts="\\",
            origins="\\",
            series_count=0,
            instance_count=0,
            size=0,
        )
        if await repository.insert_study(batch.session, new):
            return new
        study = await repository.lock_study(batch.session, org_id, header.study_uid)
        assert study is not None
    for name, value in values.items():  # what the first object did not say
        if getattr(study, name) == "" and value:
            setattr(study, name, value)
    missing = {t: v for t, v in pick(first.json, STUDY_TAGS).items() if v.get("Value")}
    for tag, value in missing.items():
        if not study.dicom_json.get(tag, {}).get("Value"):
            study.dicom_json = {**study.dicom_json, tag: value}
    return study


async def _may_join(batch: _Batch, rows: Sequence[StudySpaceRow]) -> bool:
    """Tell whether the sender may add to this study: it is new, here, or seen by the sender."""
    here = {row.space_id for row in rows}
    if not here or batch.space.id in here:
        return True
    for space_id in here:
        try:
            await spaces.get(batch.session, batch.actor, space_id, "write")
        except Problem:
            continue
        return True
    return False


async def _hold_back(batch: _Batch, items: list[Prepared], written: Written) -> None:
    refusal = DicomRefused("study-in-other-space", "The study belongs to another data space.")
    kept = [(p.index, p.incoming.name, new_id(), p.stored, refusal) for p in items if p.stored]
    answers = await quarantine_rows(
        batch.session, batch.actor, kept, space_id=batch.space.id, origin=batch.origin
    )
    written.answers |= answers
    for item in items:
        if item.stored is None:  # the same bytes are here, out of the sender's sight
            written.answers[item.index] = Received(
                item.incoming.name,
                "quarantined",
                reason=refusal.reason,
                detail=refusal.detail,
            )


async def _note_other_patients(
    batch: _Batch, study: Study, items: list[Prepared], refs: dict[PatientSeen, UUID]
) -> None:
    others = {seen for seen, ref in refs.items() if ref != study.patient_ref}
    for seen in {patient_of(p.header) for p in items} & others:
        await patients.disagree(
            batch.session,
            batch.actor,
            study.patient_ref,
            attribute="patient_id",
            other=seen.patient_id,
            source=study.study_uid,
        )


async def _series_rows(batch: _Batch, study: Study, items: list[Prepared]) -> dict[str, Series]:
    org_id = batch.actor.org_id
    first: dict[str, Prepared] = {}
    for item in items:
        first.setdefault(item.header.series_uid, item)
    found = await repository.series_by_uid(batch.session, org_id, study.id, first)
    for uid, item in first.items():
        if uid in found:
            continue
        values = series_values(item.header, item.json, batch.origin.kind)
        found[uid] = Series(
            id=new_id(), org_id=org_id, study_id=study.id, instance_count=0, size=0, **values
        )
        batch.session.add(found[uid])
    await batch.session.flush()
    return found


@dataclass(slots=True)
class _Outcome:
    """Counts of one study in one batch; ``news``: instances that are shown and new."""

    stored: int = 0
    duplicates: int = 0
    conflicts: int = 0
    news: int = 0


async def _write_instances(
    batch: _Batch,
    study: Study,
    series: dict[str, Series],
    items: list[Prepared],
    written: Written,
) -> _Outcome:
    org_id = batch.actor.org_id
    known = await repository.known_instances(
        batch.session, org_id, {p.header.sop_uid for p in items}
    )
    plan = plan_batch(known, items, keep_last=batch.space.conflict_policy == "keep_last")
    rows = [_instance_row(batch, study, series[p.header.series_uid], p, plan) for p in plan.new]
    inserted = await repository.insert_instances(batch.session, rows)
    outcome = _Outcome()
    for item in items:
        _answer(item, plan, inserted, study, series, written, outcome)
    count_new(study, series, [p for p in plan.new if p.instance_id in inserted], plan)
    if plan.conflicts:
        await repository.demote(batch.session, org_id, plan.demoted)
        await repository.mark_conflict(batch.session, org_id, plan.conflicts)
        for study_id in {study.id, *(r.study_id for r in known)}:
            await repository.recount(batch.session, org_id, study_id)
    return outcome


def _instance_row(
    batch: _Batch, study: Study, series: Series, item: Prepared, plan: Plan
) -> dict[str, object]:
    assert item.stored is not None
    return {
        **instance_values(item.header, item.json),
        "id": item.instance_id,
        "org_id": batch.actor.org_id,
        "created_at": now(),
        "study_id": study.id,
        "series_id": series.id,
        "store": item.stored.store,
        "object_key": item.stored.key,
        "generation": 1,
        "offset": 0,
        "length": item.stored.size,
        "key_id": item.stored.key_id,
        "sha256": item.sha256,
        "origin": batch.origin.kind,
        "origin_detail": batch.origin.detail,
        "received_at": now(),
        "current": item.index not in plan.hidden,
        "conflict": item.header.sop_uid in plan.conflicts,
        "deleted_at": None,
    }


def _answer(
    item: Prepared,
    plan: Plan,
    inserted: frozenset[UUID],
    study: Study,
    series: dict[str, Series],
    written: Written,
    outcome: _Outcome,
) -> None:
    duplicate = plan.duplicates.get(item.index)
    known_here = duplicate in inserted or duplicate not in {p.instance_id for p in plan.new}
    if duplicate is not None and known_here:
        outcome.duplicates += 1
        if item.stored is not None:
            written.orphans.append(item.stored)
    elif item.instance_id not in inserted:
        if item.stored is not None:
            written.orphans.append(item.stored)
        written.again.append(item)
        return
    conflict = duplicate is None and item.header.sop_uid in plan.conflicts
    if duplicate is None:
        outcome.stored += 1
        outcome.conflicts += conflict
        outcome.news += item.index not in plan.hidden
    written.answers[item.index] = Received(
        name=item.incoming.name,
        outcome="duplicate" if duplicate else "conflict" if conflict else "stored",
        study_uid=item.header.study_uid,
        series_uid=item.header.series_uid,
        sop_uid=item.header.sop_uid,
        sop_class_uid=item.header.sop_class_uid,
        study_id=study.id,
        series_id=series[item.header.series_uid].id,
        instance_id=duplicate or item.instance_id,
        current=item.index not in plan.hidden,
        notes=item.header.notes,
    )


async def _write_membership(
    batch: _Batch, study: Study, rows: Sequence[StudySpaceRow], *, news: int
) -> None:
    study.origins = add_word(study.origins, batch.origin.kind)
    own = batch.origin.kind == OWN
    all_rows = list(rows)
    if batch.space.id not in {row.space_id for row in rows}:
        row = StudySpaceRow(
            org_id=batch.actor.org_id,
            study_id=study.id,
            space_id=batch.space.id,
            state="complete" if own else "receiving",
            generation=0,
            last_instance_at=now(),
            origin=batch.origin.kind,
            reason="",
        )
        batch.session.add(row)
        all_rows.append(row)
        if not own:
            _await_quiet(batch, row)
    if news:
        study.last_received_at = now()
    if news and not own:
        for row in all_rows:
            _await_quiet(batch, row)
    await batch.session.flush()


def _await_quiet(batch: _Batch, row: StudySpaceRow) -> None:
    policy = batch.policies.get(row.space_id)
    at = now()
    row.state, row.last_instance_at, row.origin = "receiving", at, batch.origin.kind
    by_quiet = policy is not None and policy.complete_by_quiet
    row.due_at = at + timedelta(seconds=policy.quiet_s) if policy and by_quiet else None


async def _tell(batch: _Batch, study: Study, outcome: _Outcome) -> None:
    await audit.record(
        batch.session,
        batch.actor,
        "archive.instances_stored",
        study.id,
        kind="study",
        patient_id=study.patient_ref,
        space_id=batch.space.id,
        detail={
            "stored": outcome.stored,
            "duplicates": outcome.duplicates,
            "conflicts": outcome.conflicts,
            "origin": batch.origin.kind,
            "origin_detail": batch.origin.detail,
        },
    )
    if outcome.stored:
        event = InstancesStored(
            org_id=batch.actor.org_id,
            subject=study.id,
            space_id=batch.space.id,
            count=outcome.stored,
            origin=batch.origin.kind,
        )
        await publish(batch.session, batch.actor, event)


async def quarantine_rows(
    session: Session,
    actor: Actor,
    kept: Sequence[tuple[int, str, UUID, StoredObject, DicomRefused]],
    *,
    space_id: UUID | None,
    origin: Origin,
) -> dict[int, Received]:
    """Write rows, audit and events of refused objects whose bytes are kept."""
    answers: dict[int, Received] = {}
    for index, name, quarantine_id, stored, refusal in kept:
        row = Quarantined(
            id=quarantine_id,
            org_id=actor.org_id,
            space_id=space_id,
            reason=refusal.reason,
            detail=refusal.detail,
            field=refusal.field,
            origin=origin.kind,
            origin_detail=origin.detail,
            actor=f"{actor.kind}:{actor.id}",
            store=stored.store,
            object_key=stored.key,
            key_id=stored.key_id,
            size=stored.size,
            sha256=stored.sha256,
            state="held",
        )
        session.add(row)
        await audit.record(
            session,
            actor,
            "archive.object_quarantined",
            quarantine_id,
            kind="quarantine",
            space_id=space_id,
            outcome="refused",
            detail={"reason": refusal.reason, "sha256": stored.sha256},
        )
        event = ObjectQuarantined(
            org_id=actor.org_id, subject=quarantine_id, space_id=space_id, reason=refusal.reason
        )
        await publish(session, actor, event)
        answers[index] = Received(
            name=name,
            outcome="quarantined",
            quarantine_id=quarantine_id,
            reason=refusal.reason,
            detail=refusal.detail,
            field=refusal.field,
        )
    return answers
