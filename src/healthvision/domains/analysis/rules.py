# SPDX-License-Identifier: Apache-2.0
"""Rules of a space: which applications run by themselves when a study is complete there."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from healthvision.clinical.result import Priority
from healthvision.clinical.study import SeriesHeader
from healthvision.domains.analysis import priority as order
from healthvision.domains.analysis import repository
from healthvision.domains.analysis.errors import RuleExists, RuleNotFound, RuleTestFailed
from healthvision.domains.analysis.plan import StudyPlan, plan_study
from healthvision.domains.analysis.schemas import (
    DryRunRead,
    DryRunStudy,
    RuleAttribute,
    RuleChange,
    RuleCreate,
    RuleDryRun,
    RuleRead,
    RuleTest,
)
from healthvision.domains.analysis.tables import AnalysisRule
from healthvision.domains.analysis.tasks import Wish, submit_wish
from healthvision.domains.archive import service as archive
from healthvision.domains.archive.errors import StudyNotFound
from healthvision.domains.archive.events import StudyComplete
from healthvision.domains.archive.schemas import ArchiveQuery, StudyDetail
from healthvision.domains.audit import service as audit
from healthvision.domains.modelhub import service as modelhub
from healthvision.domains.modelhub.service import SERIES_ATTRIBUTES, Installed, attributes_of
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.events import SpaceCreated, SpaceRemoved
from healthvision.domains.spaces.schemas import Right
from healthvision.kernel.db import Session
from healthvision.kernel.errors import Invalid
from healthvision.kernel.rules import Attribute, Rule, compile_rule
from healthvision.kernel.security import Actor

DEFAULT_NAME = "default"
ATTRIBUTES: Mapping[str, type] = {
    **SERIES_ATTRIBUTES,
    "PatientID": str,
    "IssuerOfPatientID": str,
    "AccessionNumber": str,
    "ModalitiesInStudy": str,
    "study_series_count": int,
    "study_instance_count": int,
    "origin": str,
}
"""What a rule may look at: one series, and the study it is in.

``ModalitiesInStudy`` is joined by backslashes; ``origin``: doors it came through, the same.
"""
_TYPE_NAMES = {str: "string", int: "int", float: "double", bool: "bool"}


def rule_attributes() -> list[RuleAttribute]:
    """Return the attributes a rule may use, for the editor."""
    found = [{"name": name, "type": _TYPE_NAMES[kind]} for name, kind in ATTRIBUTES.items()]
    return [RuleAttribute.model_validate(item) for item in found]


def values_of(study: StudyDetail, series: SeriesHeader) -> dict[str, Attribute | None]:
    """Return the values of the attributes for one series of a study."""
    return {
        **attributes_of(series),
        "PatientID": study.patient_id or None,
        "IssuerOfPatientID": study.issuer_of_patient_id or None,
        "AccessionNumber": study.accession_number or None,
        "ModalitiesInStudy": "\\".join(study.modalities) or None,
        "study_series_count": study.series_count,
        "study_instance_count": study.instance_count,
        "origin": "\\".join(study.origins) or None,
    }


def check_rule(expression: str, tests: Sequence[RuleTest]) -> Rule:
    """Compile a rule and run its tests; raises RuleInvalid or RuleTestFailed."""
    rule = compile_rule(expression, ATTRIBUTES)
    for number, test in enumerate(tests, start=1):
        unknown = sorted(set(test.attributes) - set(ATTRIBUTES))
        if unknown:
            raise RuleTestFailed(f"test {number}: there is no attribute {unknown[0]!r}")
        if rule.matches(test.attributes) is not test.expect:
            raise RuleTestFailed(
                f"test {number}: the rule gives {str(not test.expect).lower()}", test=number
            )
    return rule


async def create_rule(session: Session, actor: Actor, new: RuleCreate) -> RuleRead:
    """Save a rule; raises RuleInvalid, RuleTestFailed, ApplicationNotFound, RuleExists."""
    check_rule(new.expression, new.tests)
    place = await spaces.get(session, actor, new.space, "manage")
    await _check_applications(session, actor, new.applications)
    row = AnalysisRule(
        org_id=actor.org_id,
        space_id=place.id,
        name=new.name,
        expression=new.expression,
        applications=list(new.applications),
        priority=None if new.priority is None else new.priority.value,
        enabled=new.enabled,
        is_default=False,
        tests=[test.model_dump(mode="json") for test in new.tests],
    )
    if not await repository.insert_rule(session, row):
        raise RuleExists(f"the space has a rule named {new.name!r}")
    after = new.model_dump(mode="json", exclude={"tests"})
    await audit.record(
        session,
        actor,
        "analysis.rule_created",
        row.id,
        kind="rule",
        space_id=place.id,
        after=after,
    )
    return rule_read(row)


async def _check_applications(session: Session, actor: Actor, wanted: Sequence[str]) -> None:
    for application_id in wanted:
        await modelhub.installed(session, actor, application_id)


async def change_rule(
    session: Session, actor: Actor, rule_id: UUID, change: RuleChange
) -> RuleRead:
    """Change a rule; what is saved is checked like a new one."""
    row = await _own(session, actor, rule_id)
    values = change.model_dump(mode="json", exclude_unset=True)
    for name in ("name", "expression", "applications", "enabled", "tests"):
        if name in values and values[name] is None:
            raise Invalid(f"{name}: null is not allowed", field=name)
    tests = [RuleTest.model_validate(t) for t in values.get("tests", row.tests)]
    check_rule(values.get("expression", row.expression), tests)
    await _check_applications(session, actor, values.get("applications", ()))
    taken = await repository.rules_of(session, actor.org_id, [row.space_id])
    if any(r.name == values.get("name") and r.id != row.id for r in taken):
        raise RuleExists(f"the space has a rule named {values['name']!r}")
    shown = [name for name in values if name != "tests"]
    before = {name: getattr(row, name) for name in shown}
    for name, value in values.items():
        setattr(row, name, value)
    await session.flush()
    await audit.record(
        session,
        actor,
        "analysis.rule_changed",
        row.id,
        kind="rule",
        space_id=row.space_id,
        before=before,
        after={name: values[name] for name in shown},
    )
    return rule_read(row)


async def delete_rule(session: Session, actor: Actor, rule_id: UUID) -> None:
    """Remove a rule. The default rule is only switched off, or it would come back."""
    row = await _own(session, actor, rule_id)
    if row.is_default:
        row.enabled = False
    else:
        await session.delete(row)
    await session.flush()
    await audit.record(
        session,
        actor,
        "analysis.rule_removed",
        rule_id,
        kind="rule",
        space_id=row.space_id,
        before={"name": row.name, "expression": row.expression},
    )


async def get_rule(session: Session, actor: Actor, rule_id: UUID) -> RuleRead:
    """Return a rule; raises RuleNotFound."""
    return rule_read(await _own(session, actor, rule_id, right="read"))


async def list_rules(session: Session, actor: Actor, space: str | None) -> list[RuleRead]:
    """Return the rules of one space, or of all that the actor may read."""
    if space is not None:
        places = [(await spaces.get(session, actor, space)).id]
    else:
        places = [s.id for s in await spaces.visible(session, actor)]
    rows = await repository.rules_of(session, actor.org_id, places)
    return [rule_read(row) for row in rows]


async def _own(
    session: Session, actor: Actor, rule_id: UUID, *, right: Right = "manage"
) -> AnalysisRule:
    row = await repository.find_rule(session, actor.org_id, rule_id)
    visible = {s.id for s in await spaces.visible(session, actor)}
    if row is None or row.space_id not in visible:
        raise RuleNotFound("there is no such rule")
    await spaces.get(session, actor, row.space_id, right)
    return row


async def dry_run(session: Session, actor: Actor, wish: RuleDryRun) -> DryRunRead:
    """Tell what a rule would have done with the newest studies of a space; submits nothing."""
    rule = check_rule(wish.expression, wish.tests)
    await _check_applications(session, actor, wish.applications)
    query = ArchiveQuery(limit=wish.limit)
    page = await archive.list_studies(session, actor, query, space=wish.space)
    items: list[DryRunStudy] = []
    for study in page.items:
        plan = await plan_study(session, actor, study.id)
        matched = _matching(plan, rule)
        found = await _applications(session, actor, matched, wish.applications)
        if matched:
            items.append(
                DryRunStudy(
                    study_id=study.id,
                    study_uid=study.study_uid,
                    matched_series=[header.series_uid for header in matched],
                    applications=[a.manifest.id for a in found],
                )
            )
    return DryRunRead(studies=len(page.items), matched=len(items), items=items)


def _matching(plan: StudyPlan, rule: Rule) -> list[SeriesHeader]:
    return [h for h in plan.series if rule.matches(values_of(plan.study, h))]


async def _applications(
    session: Session, actor: Actor, series: Sequence[SeriesHeader], wanted: Sequence[str]
) -> list[Installed]:
    fitting = await modelhub.fitting(session, actor, series)
    return [a for a in fitting if not wanted or a.manifest.id in wanted]


async def has_rules(session: Session, event: StudyComplete) -> bool:
    """Tell a publisher whether a complete study is looked at: by a rule, or the first default."""
    if event.origin == "healthvision":
        return False
    rows = await repository.rules_of(session, event.org_id, [event.space_id])
    return not rows or any(row.enabled for row in rows)


async def on_study_complete(session: Session, actor: Actor, event: StudyComplete) -> None:
    """Submit what the space's rules say about a complete study. Safe to run twice."""
    if event.origin == "healthvision":
        return
    await ensure_default_rule(session, event.org_id, event.space_id)
    try:
        plan = await plan_study(session, actor, event.subject)
    except StudyNotFound:
        return  # deleted meanwhile
    wanted: dict[str, tuple[Installed, AnalysisRule]] = {}
    urgency: dict[str, list[Priority | None]] = {}
    for row in await repository.rules_of(session, event.org_id, [event.space_id]):
        if not row.enabled:
            continue
        matched = _matching(plan, compile_rule(row.expression, ATTRIBUTES))
        for found in await _applications(session, actor, matched, row.applications):
            key = found.manifest.id
            wanted.setdefault(key, (found, row))
            urgency.setdefault(key, []).append(_priority(row))
    for key, (application, row) in wanted.items():
        asked = urgency[key]
        wish = Wish(
            application,
            space_id=event.space_id,
            priority=order.most_urgent(asked) if any(asked) else None,
            source="rule",
            rule_id=row.id,
            last_instance_at=datetime.fromisoformat(event.last_instance_at),
        )
        await submit_wish(session, actor, plan, wish)


def _priority(row: AnalysisRule) -> Priority | None:
    return None if row.priority is None else Priority(row.priority)


async def ensure_default_rule(session: Session, org_id: UUID, space_id: UUID) -> None:
    """Give a space its default rule: every application that fits runs. Safe to run twice."""
    if await repository.rules_of(session, org_id, [space_id]):
        return
    row = AnalysisRule(
        org_id=org_id,
        space_id=space_id,
        name=DEFAULT_NAME,
        expression="true",
        applications=[],
        priority=None,
        enabled=True,
        is_default=True,
        tests=[],
    )
    await repository.insert_rule(session, row)


async def on_space_created(session: Session, actor: Actor, event: SpaceCreated) -> None:
    """Give a new space its default rule."""
    await ensure_default_rule(session, event.org_id, event.subject)


async def on_space_removed(session: Session, actor: Actor, event: SpaceRemoved) -> None:
    """Remove the rules of a space that is gone."""
    await repository.remove_rules(session, event.org_id, event.subject)


def rule_read(row: AnalysisRule) -> RuleRead:
    """Return a rule as callers get it."""
    return RuleRead.model_validate(row)
