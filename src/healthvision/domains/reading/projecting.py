# SPDX-License-Identifier: Apache-2.0
"""Keeping the worklist: one function writes the row of a study from what is true now.

Events tell only that something happened, in any order and more than once; so each handler reads the
present state of the lower rooms and of this one (``look``, which keeps nobody from writing), then
writes the row (``put``). ``refresh`` does both in one transaction, for acts of people.
"""

from dataclasses import dataclass
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
    SeriesMoved,
    StudyComplete,
    StudyCorrected,
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
from healthvision.kernel.events import InTwo, Stale
from healthvision.kernel.security import Actor

_MOST_TASKS = 100


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read of a study: what its row has to say (None: it is gone), and its spaces.

    ``revision``: of its row as it was, read before all else; None: it had no row.
    """

    revision: int | None
    values: dict[str, Any] | None
    spaces: tuple[UUID, ...]


async def refresh(session: Session, org_id: UUID, study_id: UUID) -> None:
    """Write the row of a study as things are now; a study that is gone is marked so."""
    await worklist_rows.hold(session, study_id)
    row = await worklist_rows.find(session, org_id, study_id, lock=True)
    await _write(session, org_id, study_id, row, await _seen(session, org_id, study_id, row))


async def look(session: Session, org_id: UUID, study_id: UUID) -> Seen:
    """Read how things are, without a lock; see ``put``."""
    row = await worklist_rows.find(session, org_id, study_id)
    return await _seen(session, org_id, study_id, row)


async def put(session: Session, org_id: UUID, study_id: UUID, seen: Seen) -> None:
    """Write the row of a study as it was seen.

    Raises Stale when somebody wrote the row since. Whoever changes a study tells of it by an event
    behind the change, whose delivery looks after it: so a row that nobody wrote since may be
    written. Only of a study without a row a deletion leaves no trace; that is looked up.
    """
    await worklist_rows.hold(session, study_id)
    row = await worklist_rows.find(session, org_id, study_id, lock=True)
    if (None if row is None else row.revision) != seen.revision:
        raise Stale
    new = row is None and seen.values is not None
    if new and not await archive.is_shown(session, org_id, study_id):
        raise Stale
    await _write(session, org_id, study_id, row, seen)


async def _seen(session: Session, org_id: UUID, study_id: UUID, row: WorklistRow | None) -> Seen:
    system, revision = Actor.system(org_id), None if row is None else row.revision
    try:
        study = await archive.get_study(session, system, study_id)
    except StudyNotFound:
        return Seen(revision, None, ())
    if not study.instance_count:  # all of it was rejected
        return Seen(revision, None, ())
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
    return Seen(revision, values, tuple(s.space_id for s in study.spaces))


async def _write(
    session: Session, org_id: UUID, study_id: UUID, row: WorklistRow | None, seen: Seen
) -> None:
    if seen.values is None:
        if row is not None and not row.gone:
            _changed(row, {"gone": True})
        return
    if row is None:
        await _add_row(session, org_id, study_id, seen.values)
    else:
        _changed(row, seen.values)
    await session.flush()
    await worklist_rows.set_spaces(session, study_id, seen.spaces)


async def _add_row(session: Session, org_id: UUID, study_id: UUID, values: dict[str, Any]) -> None:
    """Insert the row of a study; raises Conflict when somebody else did."""
    row = WorklistRow(study_id=study_id, org_id=org_id, revision=0)
    _changed(row, values)
    if not await worklist_rows.insert(session, row):
        raise Conflict("the study was changed at the same moment; ask again")


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


_StudyEvent = StudyComplete | StudyMoved | StudyDeleted | StudyCorrected | SeriesMoved
_AnalysisEvent = TaskCreated | TaskChanged | TaskFailed | ResultReady


async def _look_at_study(session: Session, _actor: Actor, event: _StudyEvent) -> Seen:
    return await look(session, event.org_id, event.subject)


async def _put_study(session: Session, _actor: Actor, event: _StudyEvent, seen: Seen) -> None:
    await put(session, event.org_id, event.subject, seen)


async def _look_at_origin(session: Session, _actor: Actor, event: SeriesMoved) -> Seen:
    return await look(session, event.org_id, event.from_study_id)


async def _put_origin(session: Session, _actor: Actor, event: SeriesMoved, seen: Seen) -> None:
    await put(session, event.org_id, event.from_study_id, seen)


async def _look_at_analysed(session: Session, _actor: Actor, event: _AnalysisEvent) -> Seen:
    return await look(session, event.org_id, event.study_id)


async def _put_analysed(session: Session, _actor: Actor, event: _AnalysisEvent, seen: Seen) -> None:
    await put(session, event.org_id, event.study_id, seen)


# Show a study that came, moved, was corrected or went, the one that a series came from, and what
# became of an analysis. Safe to run twice.
on_study_event = InTwo("on_study_event", _look_at_study, _put_study)
on_series_gone = InTwo("on_series_gone", _look_at_origin, _put_origin)
on_analysis_event = InTwo("on_analysis_event", _look_at_analysed, _put_analysed)


async def on_study_purged(session: Session, actor: Actor, event: StudyPurged) -> None:
    """Remove everything about a purged study. Safe to run twice."""
    await worklist_rows.hold(session, event.subject)
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
            await _shown(db, org_id, study_id)
    async with db.transaction() as session:
        row = await worklist_rows.fill_of(session, org_id)
        row.cursor = studies.next
        row.done_at = now() if studies.next is None else None
    return len(ids)


async def _shown(db: Database, org_id: UUID, study_id: UUID) -> None:
    """Write the row of a study, reading outside of the writing transaction when possible."""
    async with db.reading() as session:
        seen = await look(session, org_id, study_id)
    try:
        async with db.transaction() as session:
            await put(session, org_id, study_id, seen)
    except Stale:
        async with db.transaction() as session:
            await refresh(session, org_id, study_id)
