# SPDX-License-Identifier: Apache-2.0
"""Keeping the worklist: one function writes the row of a study from what is true now.

Events tell only that something happened, in any order and more than once; so each handler calls
``refresh``, which reads the present state of the lower rooms and of this one.
"""

from typing import Any
from uuid import UUID

from healthvision.domains.analysis import service as analysis
from healthvision.domains.analysis.events import (
    ResultReady,
    TaskChanged,
    TaskCreated,
    TaskFailed,
)
from healthvision.domains.archive import service as archive
from healthvision.domains.archive.errors import StudyNotFound
from healthvision.domains.archive.events import (
    StudyComplete,
    StudyDeleted,
    StudyMoved,
    StudyPurged,
)
from healthvision.domains.archive.schemas import ArchiveQuery, StudyDetail
from healthvision.domains.identity import service as identity
from healthvision.domains.patients.service import fold, index_words
from healthvision.domains.reading import ordering, report_rows, verdict_rows, worklist_rows
from healthvision.domains.reading.screening import Screening, screening_of
from healthvision.domains.reading.settings import ReadingSettings
from healthvision.domains.reading.tables import WorklistRow
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database, Session
from healthvision.kernel.errors import Conflict
from healthvision.kernel.security import Actor

_MOST_TASKS = 100


async def refresh(session: Session, org_id: UUID, study_id: UUID) -> None:
    """Write the row of a study as things are now; a study that is gone is marked so."""
    system = Actor.system(org_id)
    row = await worklist_rows.find(session, org_id, study_id, lock=True)
    try:
        study = await archive.get_study(session, system, study_id)
    except StudyNotFound:
        if row is not None and not row.gone:
            _changed(row, {"gone": True})
        return
    found = screening_of(
        await analysis.list_tasks(session, system, {"study_id": study_id}, limit=_MOST_TASKS),
        await analysis.results_of_study(session, system, study_id),
    )
    values = _study_values(study) | _screening_values(found)
    values |= await _report_values(session, org_id, study_id)
    priority = ordering.priority_of(study.priority, found.priorities)
    done = values["report_state"] == "final"
    values |= {
        "priority": priority,
        "rank": ordering.rank_of(priority, done=done),
        "order_key": ordering.order_key_of(found.deadline_at, study.last_received_at),
    }
    if row is None:
        await _add_row(session, org_id, study_id, values)
    else:
        _changed(row, values)
    await session.flush()
    await worklist_rows.set_spaces(session, study_id, [s.space_id for s in study.spaces])


async def _add_row(session: Session, org_id: UUID, study_id: UUID, values: dict[str, Any]) -> None:
    """Insert the row of a study; change the one that somebody else inserted meanwhile."""
    row = WorklistRow(study_id=study_id, org_id=org_id, revision=0)
    _changed(row, values)
    if await worklist_rows.insert(session, row):
        return
    there = await worklist_rows.find(session, org_id, study_id, lock=True)
    if there is None:
        raise Conflict("the study was changed at the same moment; ask again")
    _changed(there, values)


def _changed(row: WorklistRow, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    row.revision += 1
    row.changed = int(now().timestamp() * 1_000_000)


def _study_values(study: StudyDetail) -> dict[str, Any]:
    same = (
        "patient_ref",
        "study_uid",
        "patient_id",
        "patient_name",
        "patient_sex",
        "patient_birth_date",
        "accession_number",
        "study_date",
        "study_time",
        "description",
        "series_count",
        "instance_count",
    )
    return {
        **{name: getattr(study, name) for name in same},
        "gone": False,
        "only_space": study.spaces[0].space_id if len(study.spaces) == 1 else None,
        "search": _search(study),
        "modalities": _joined(study.modalities),
        "body_parts": _joined(study.body_parts),
        "received_at": study.last_received_at,
    }


def _search(study: StudyDetail) -> str:
    """Return the words by which a study is found, each after a blank."""
    plain = (study.patient_id, study.accession_number, study.description, *study.body_parts)
    words = [fold(word) for text in plain for word in text.split()]
    return index_words(study.patient_name) + " " + " ".join(words)


def _joined(values: list[str]) -> str:
    return "\\" + "".join(f"{value}\\" for value in values)


def _screening_values(found: Screening) -> dict[str, Any]:
    return {
        "ai_state": found.state,
        "task_id": found.task_id,
        "result_id": found.result_id,
        "deadline_at": found.deadline_at,
        "finding_count": found.finding_count,
        "finding": None if found.finding is None else found.finding.model_dump(mode="json"),
        "parts": [part.model_dump(mode="json") for part in found.parts],
        "verdict_state": found.verdict_state,
    }


async def _report_values(session: Session, org_id: UUID, study_id: UUID) -> dict[str, Any]:
    report = await report_rows.of_study(session, org_id, study_id)
    if report is None:
        return {"report_state": "none", "report_id": None, "author": "", "reviewer": ""}
    return {
        "report_state": report.state,
        "report_id": report.id,
        "author": report.author,
        "reviewer": report.reviewer,
    }


async def on_study_event(
    session: Session, actor: Actor, event: StudyComplete | StudyMoved | StudyDeleted
) -> None:
    """Show a study that came, moved or went. Safe to run twice."""
    await refresh(session, event.org_id, event.subject)


async def on_analysis_event(
    session: Session,
    actor: Actor,
    event: TaskCreated | TaskChanged | TaskFailed | ResultReady,
) -> None:
    """Show what became of an analysis. Safe to run twice."""
    await refresh(session, event.org_id, event.study_id)


async def on_study_purged(session: Session, actor: Actor, event: StudyPurged) -> None:
    """Remove everything about a purged study. Safe to run twice."""
    await report_rows.purge_study(session, event.org_id, event.subject)
    await verdict_rows.purge_study(session, event.org_id, event.subject)
    await worklist_rows.remove(session, event.org_id, event.subject)


async def fill(db: Database) -> int:
    """Take one page of each organisation's older studies into the worklist; return how many.

    Needed once, for archives that are older than the worklist. Safe to run twice.
    """
    count, cursor = 0, None
    while True:
        async with db.reading() as session:
            page = await identity.list_organisations(
                session, _installation(), cursor=cursor, limit=200
            )
        for organisation in page.items:
            count += await _fill(db, organisation.id)
        cursor = page.next
        if cursor is None:
            return count


def _installation() -> Actor:
    rights = frozenset({"installation:admin"})
    return Actor(org_id=UUID(int=0), id="system", kind="system", permissions=rights)


async def _fill(db: Database, org_id: UUID) -> int:
    async with db.reading() as session:
        known = await worklist_rows.fill_state(session, org_id)
        if known is not None and known.done_at is not None:
            return 0
        query = ArchiveQuery(
            limit=ReadingSettings().fill_page, cursor=None if known is None else known.cursor
        )
        studies = await archive.list_studies(session, Actor.system(org_id), query)
        ids = [study.id for study in studies.items]
        shown = {r.study_id for r in await worklist_rows.some(session, (), ids)}
    for study_id in ids:
        if study_id not in shown:
            async with db.transaction() as session:
                await refresh(session, org_id, study_id)
    async with db.transaction() as session:
        row = await worklist_rows.fill_of(session, org_id)
        row.cursor = studies.next
        row.done_at = now() if studies.next is None else None
    return len(ids)
