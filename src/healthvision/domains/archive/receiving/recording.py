# SPDX-License-Identifier: Apache-2.0
"""Rows and audit of received objects: what one transaction of the bulk writer writes.

Locks are taken in one order everywhere (patients, studies, spaces), so that two writers never
wait for each other in a circle. Bytes are durable before this runs; running it again is harmless.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from healthvision.domains.archive.events import InstancesStored, KeyObjectsFollowed
from healthvision.domains.archive.records.corrections_state import arriving
from healthvision.domains.archive.records.counting import (
    Counts,
    answer,
    complete,
    count,
    is_at_home,
    is_patient_of,
)
from healthvision.domains.archive.records.planning import Plan, Prepared, plan_batch
from healthvision.domains.archive.records.rows import (
    KEY_OBJECTS,
    add_word,
    instance_values,
    patient_of,
    series_values,
    study_values,
)
from healthvision.domains.archive.records.unit import Kept, Memory, Unit
from healthvision.domains.archive.schemas import Origin, Received
from healthvision.domains.audit import service as audit
from healthvision.domains.notify import service as notify
from healthvision.domains.patients import service as patients
from healthvision.domains.patients.schemas import Observed, PatientSeen
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.events import EventRegistry, publish_on
from healthvision.kernel.resources import Resources
from healthvision.kernel.security import Actor

OWN = "healthvision"


@dataclass(frozen=True, slots=True)
class Request:
    """Durable objects of one sender for one space, to be written together."""

    actor: Actor
    space: SpaceRead
    origin: Origin
    items: Sequence[Prepared]


@dataclass(slots=True)
class Written:
    """What became of a request: answers by item, items to try again, and items refused.

    ``again``: their bytes were here and are gone. ``held``: they belong to a study in a space the
    sender may not write to; their bytes go to quarantine.
    """

    answers: dict[int, Received] = field(default_factory=dict)
    again: list[Prepared] = field(default_factory=list)
    held: list[Prepared] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Part:
    """The objects of one study in one request."""

    request: Request
    written: Written
    study_uid: str
    items: list[Prepared]

    @property
    def org_id(self) -> UUID:
        return self.request.actor.org_id

    def seen(self) -> dict[PatientSeen, None]:
        """Return what the objects say about their patients."""
        return dict.fromkeys(patient_of(p.header) for p in self.items)


def write_requests(
    connection: Connection,
    resources: Resources,
    requests: Sequence[Request],
    memory: Memory | None = None,
) -> list[Written]:
    """Write everything about durable objects into a transaction; one answer per request.

    ``memory``: what the last transaction left, when nobody else wrote since; it is changed, and
    no longer true should this transaction fail. Raises Raced when another transaction was in the
    way: begin again with a new one.
    """
    results = [Written() for _ in requests]
    parts: list[_Part] = []
    for request, written in zip(requests, results, strict=True):
        by_study: dict[str, list[Prepared]] = {}
        for item in request.items:
            by_study.setdefault(item.header.study_uid, []).append(item)
        parts += [_Part(request, written, uid, items) for uid, items in by_study.items()]
    parts.sort(key=lambda p: (p.org_id, p.study_uid))
    for org_id in dict.fromkeys(p.org_id for p in parts):
        mine = [p for p in parts if p.org_id == org_id]
        unit = Unit(connection, memory)
        _Transaction(unit, resources, org_id, mine).run()
        unit.memory.trim()
    return results


class _Transaction:
    """The work of one organisation in one transaction."""

    def __init__(
        self, unit: Unit, resources: Resources, org_id: UUID, parts: Sequence[_Part]
    ) -> None:
        self._connection = unit.connection
        self._resources = resources
        self._org_id = org_id
        self._parts = parts
        self._unit = unit
        self._refs: dict[PatientSeen, Observed] = {}
        self._policies = unit.memory.policies
        self._audit: list[dict[str, Any]] = []
        self._events: list[tuple[Actor, InstancesStored]] = []
        self._notes: list[tuple[Actor, KeyObjectsFollowed]] = []

    def run(self) -> None:
        unit, org_id = self._unit, self._org_id
        uids = {p.study_uid for p in self._parts}
        unit.load_studies(org_id, uids)
        self._load_policies(uids)
        self._observe()
        unit.load_studies(org_id, uids, lock=True)
        items = [i for p in self._parts for i in p.items]
        unit.load_series(org_id, {(i.header.study_uid, i.header.series_uid) for i in items})
        unit.load_known(org_id, {i.header.sop_uid for i in items})
        for part in self._parts:
            self._write(part)
        unit.flush()
        audit.record_rows_on(self._connection, self._audit)
        self._publish()

    def _load_policies(self, study_uids: Collection[str]) -> None:
        wanted = {p.request.space.id for p in self._parts}
        for uid in study_uids:
            study = self._unit.study(self._org_id, uid)
            rows = () if study is None else self._unit.members[study["id"]]
            wanted |= {row["space_id"] for row in rows}
        missing = sorted(wanted - self._policies.keys())
        if missing:
            self._policies |= spaces.policies_on(self._connection, self._org_id, missing)

    def _observe(self) -> None:
        """Find or make the patients that the studies do not name already, in a fixed order."""
        sources: dict[PatientSeen, str] = {}
        for part in self._parts:
            study = self._unit.study(self._org_id, part.study_uid)
            if study is not None and not self._may_join(part, study):
                continue
            for seen in part.seen():
                if study is None or not is_patient_of(study, seen):
                    sources.setdefault(seen, part.study_uid)
        for seen in sorted(sources, key=lambda s: (s.issuer, s.patient_id, s.scope, s.name)):
            self._refs[seen] = self._observed(seen, sources[seen])

    def _observed(self, seen: PatientSeen, source: str) -> Observed:
        return patients.observe_on(self._connection, self._org_id, seen, source=source)

    def _ref(self, seen: PatientSeen, source: str) -> Observed:
        if seen not in self._refs:
            self._refs[seen] = self._observed(seen, source)
        return self._refs[seen]

    def _may_join(self, part: _Part, study: Kept) -> bool:
        """Tell whether the sender may add to this study: it is new, here, or seen by the sender."""
        here = {row["space_id"] for row in self._unit.members[study["id"]]}
        if not here or part.request.space.id in here:
            return True
        return spaces.may_write_on(self._connection, part.request.actor, here)

    def _write(self, part: _Part) -> None:
        study = self._unit.study(self._org_id, part.study_uid)
        if study is not None and not self._may_join(part, study):
            part.written.held += part.items
            return
        if study is None and all(item.stored is None for item in part.items):
            part.written.again += part.items
            return
        if study is None:
            study = self._new_study(part)
        else:
            complete(study, part.items[0])
            self._note_other_patients(part, study)
        counts = self._write_instances(part, study)
        self._write_membership(part, study, news=counts.news)
        self._tell(part, study, counts)

    def _new_study(self, part: _Part) -> Kept:
        first = part.items[0]
        about = self._ref(patient_of(first.header), part.study_uid)
        values = {
            "id": new_id(),
            "org_id": self._org_id,
            "created_at": now(),
            "patient_ref": about.ref,
            **study_values(first.header, first.json),
            **dict.fromkeys(("modalities", "sop_classes", "body_parts", "origins"), "\\"),
            **dict.fromkeys(("series_count", "instance_count", "size"), 0),
            "first_received_at": first.received_at,
            "last_received_at": first.received_at,
        }
        if about.corrected:
            values |= arriving(self._connection, self._org_id, about.home, values)
        study = self._unit.add_study(values)
        self._note_other_patients(part, study)
        return study

    def _note_other_patients(self, part: _Part, study: Kept) -> None:
        for seen in part.seen():
            if is_patient_of(study, seen):
                continue
            about = self._ref(seen, part.study_uid)
            if about.ref != study["patient_ref"] and not is_at_home(study, about.home):
                patients.disagree_on(
                    self._connection,
                    self._org_id,
                    study["patient_ref"],
                    attribute="patient_id",
                    other=seen.patient_id,
                    source=part.study_uid,
                )

    def _series(self, part: _Part, study: Kept, item: Prepared) -> Kept:
        found = self._unit.series(study["id"], item.header.series_uid)
        if found is not None:
            return found
        values = {
            "id": new_id(),
            "org_id": self._org_id,
            "created_at": now(),
            "study_id": study["id"],
            "instance_count": 0,
            "size": 0,
            "unsealed": 0,
            **series_values(item.header, item.json, part.request.origin.kind),
        }
        return self._unit.add_series(values)

    def _write_instances(self, part: _Part, study: Kept) -> Counts:
        keep_last = part.request.space.conflict_policy == "keep_last"
        known = self._unit.known(self._org_id, (p.header.sop_uid for p in part.items))
        plan = plan_batch(known, part.items, keep_last=keep_last)
        counts = Counts()
        for item in plan.new:
            series = self._series(part, study, item)
            self._unit.add_instance(self._instance(part, study, series, item, plan))
            count(study, series, item, hidden=item.index in plan.hidden)
        part.written.again += plan.again
        again = {item.index for item in plan.again}
        for item in part.items:
            if item.index not in again:
                series = self._series(part, study, item)
                part.written.answers[item.index] = answer(item, plan, study, series, counts)
        if plan.conflicts:
            self._unit.note_conflicts(self._org_id, plan.conflicts, plan.demoted, study["id"])
        return counts

    def _instance(
        self, part: _Part, study: Kept, series: Kept, item: Prepared, plan: Plan
    ) -> dict[str, Any]:
        assert item.stored is not None
        return {
            **instance_values(item.header, item.text),
            "id": item.instance_id,
            "org_id": self._org_id,
            "created_at": now(),
            "study_id": study["id"],
            "series_id": series["id"],
            "store": item.stored.store,
            "object_key": item.stored.object_key,
            "generation": item.stored.generation,
            "offset": item.stored.offset,
            "length": item.stored.length,
            "key_id": item.stored.key_id,
            "sha256": item.sha256,
            "origin": part.request.origin.kind,
            "origin_detail": part.request.origin.detail,
            "received_at": item.received_at,
            "current": item.index not in plan.hidden,
            "conflict": item.header.sop_uid in plan.conflicts,
            "deleted_at": None,
        }

    def _write_membership(self, part: _Part, study: Kept, *, news: int) -> None:
        request, at = part.request, now()
        study["origins"] = add_word(study["origins"], request.origin.kind)
        own = request.origin.kind == OWN
        rows = self._unit.members[study["id"]]
        if request.space.id not in {row["space_id"] for row in rows}:
            values = {
                "id": new_id(),
                "org_id": self._org_id,
                "created_at": at,
                "study_id": study["id"],
                "space_id": request.space.id,
                "state": "complete" if own else "receiving",
                "generation": 0,
                "last_instance_at": at,
                "due_at": None,
                "completed_at": None,
                "origin": request.origin.kind,
                "reason": "",
            }
            added = self._unit.add_member(values)
            if not own:
                self._await_quiet(added, request.origin)
        if news:
            study["last_received_at"] = at
        if news and not own:
            for row in rows:
                self._await_quiet(row, request.origin)

    def _await_quiet(self, row: Kept, origin: Origin) -> None:
        policy, at = self._policies.get(row["space_id"]), now()
        row["state"], row["last_instance_at"], row["origin"] = "receiving", at, origin.kind
        by_quiet = policy is not None and policy.complete_by_quiet
        row["due_at"] = at + timedelta(seconds=policy.quiet_s) if policy and by_quiet else None

    def _tell(self, part: _Part, study: Kept, counts: Counts) -> None:
        request = part.request
        act = audit.Act(
            "archive.instances_stored",
            study["id"],
            "study",
            study["patient_ref"],
            request.space.id,
            detail={
                "stored": counts.stored,
                "duplicates": counts.duplicates,
                "conflicts": counts.conflicts,
                "origin": request.origin.kind,
                "origin_detail": request.origin.detail,
            },
        )
        self._audit.append(audit.row_values(request.actor, act))
        if counts.stored:
            event = InstancesStored(
                org_id=self._org_id,
                subject=study["id"],
                space_id=request.space.id,
                count=counts.stored,
                origin=request.origin.kind,
            )
            self._events.append((request.actor, event))
            sent = request.origin.kind != OWN and request.actor.kind != "system"  # system: rebuilt
            if sent and KEY_OBJECTS in study["sop_classes"]:
                self._follow_notes(part, study["id"])

    def _follow_notes(self, part: _Part, study_id: UUID) -> None:
        """Tell of a study with key object documents: one may reject what is in it now."""
        answers = part.written.answers
        came = [answers[item.index] for item in part.items if item.index in answers]
        stored = [a for a in came if a.outcome != "duplicate" and a.sop_class_uid == KEY_OBJECTS]
        for note in [a.instance_id for a in stored] or [None]:
            event = KeyObjectsFollowed(self._org_id, study_id, part.request.space.id, note)
            self._notes.append((part.request.actor, event))

    def _publish(self) -> None:
        """Publish what came in, when anybody listens: it is told for every single object."""
        for sender, followed in self._notes:
            publish_on(self._connection, self._resources, sender, followed)
        if not self._events:
            return
        listening = self._resources.get(EventRegistry).matching(InstancesStored.topic)
        others = [name for name in listening if not name.startswith("notify.")]
        if not others and not (listening and self._wanted()):
            return
        for actor, event in self._events:
            publish_on(self._connection, self._resources, actor, event)

    def _wanted(self) -> bool:
        known = self._unit.memory.wanted
        if self._org_id not in known:
            topic = InstancesStored.topic
            known[self._org_id] = notify.wants_on(self._connection, self._org_id, topic)
        return known[self._org_id]
