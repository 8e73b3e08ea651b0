# SPDX-License-Identifier: Apache-2.0
"""Reading the worklist: pages, counts and single rows, as one caller may see them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from healthvision.domains.analysis import service as analysis
from healthvision.domains.analysis.schemas import TaskRead
from healthvision.domains.reading import ordering, worklist_rows
from healthvision.domains.reading.persons import person_of
from healthvision.domains.reading.schemas import (
    AiPart,
    AiSummary,
    TopFinding,
    WorklistCounts,
    WorklistItem,
    WorklistPage,
    WorklistQuery,
)
from healthvision.domains.reading.tables import WorklistRow
from healthvision.domains.reading.worklist_rows import Condition
from healthvision.domains.spaces import service as spaces
from healthvision.kernel.clock import now
from healthvision.kernel.db import Session
from healthvision.kernel.paging import BadCursor, decode_cursor, encode_cursor
from healthvision.kernel.security import Actor

_MOST_RUNNING = 200


@dataclass(frozen=True, slots=True)
class Sight:
    """What a caller may see: the slugs of readable spaces, and the running tasks by study.

    ``places`` is None when no space is closed to the caller: then no row needs a look at its
    spaces.
    """

    slugs: dict[UUID, str]
    places: frozenset[UUID] | None
    running: dict[UUID, TaskRead]

    def where(self, org_id: UUID) -> list[Condition]:
        """Return the conditions for what the caller may see."""
        return worklist_rows.seen(org_id, self.places)


async def sight_of(session: Session, actor: Actor) -> Sight:
    """Return what the caller may see now."""
    readable = await spaces.visible(session, actor)
    everything = await spaces.policies(session, actor.org_id)
    places = None if len(readable) == len(everything) else frozenset(s.id for s in readable)
    tasks = await analysis.list_tasks(session, actor, {"state": "running"}, limit=_MOST_RUNNING)
    running: dict[UUID, TaskRead] = {}
    for task in tasks.items:
        running.setdefault(task.study_id, task)
    return Sight({s.id: s.slug for s in readable}, places, running)


async def search(session: Session, actor: Actor, query: WorklistQuery) -> WorklistPage:
    """Return one page of the worklist; raises SpaceNotFound, BadCursor."""
    sight = await sight_of(session, actor)
    where = sight.where(actor.org_id)
    if query.space is not None:
        place = await spaces.get(session, actor, query.space)
        where += worklist_rows.seen(actor.org_id, [place.id])
    where += worklist_rows.matching(
        session, query, actor.org_id, person_of(actor), list(sight.running)
    )
    rows = await worklist_rows.page(session, where, query, _after(query))
    shown = rows[: query.limit]
    items = await items_of(session, actor, sight, shown)
    more = _cursor(query, shown[-1]) if len(rows) > query.limit else None
    return WorklistPage(items=items, next=more, server_time=now())


def _cursor(query: WorklistQuery, row: WorklistRow) -> str:
    if query.order == "newest":
        return encode_cursor([row.study_date, str(row.study_id)])
    return encode_cursor([row.rank, row.order_key, str(row.study_id)])


def _after(query: WorklistQuery) -> list[Any] | None:
    if query.cursor is None:
        return None
    try:
        if query.order == "newest":
            day, study = decode_cursor(query.cursor, 2)
            return [str(day), UUID(str(study))]
        rank, key, study = decode_cursor(query.cursor, 3)
        return [_small(rank, 100), _small(key, 2**62), UUID(str(study))]
    except (ValueError, TypeError):
        raise BadCursor("the cursor was not made by this list") from None


def _small(value: Any, limit: int) -> int:
    number = int(value)
    if not 0 <= number <= limit:
        raise ValueError("out of range")
    return number


async def items_of(
    session: Session, actor: Actor, sight: Sight, rows: Sequence[WorklistRow]
) -> list[WorklistItem]:
    """Return rows as the caller gets them; two more queries, whatever their number."""
    if not rows:
        return []
    places = await worklist_rows.spaces_of(session, [r.study_id for r in rows])
    mine = sight.where(actor.org_id)
    patients = {r.patient_ref for r in rows}
    earlier = await worklist_rows.priors(session, mine, patients)
    return [
        _item(
            row,
            sight,
            [sight.slugs[s] for s in places.get(row.study_id, ()) if s in sight.slugs],
            _count_earlier(row, earlier.get(row.patient_ref, ())),
        )
        for row in rows
    ]


def _count_earlier(row: WorklistRow, studies: Collection[tuple[str, UUID]]) -> int:
    """Count studies of an earlier day; on the same day ids, which grow with time, decide."""
    return sum((day, study) < (row.study_date, row.study_id) for day, study in studies)


_SAME = (
    "study_id",
    "study_uid",
    "patient_ref",
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
    "received_at",
    "priority",
    "deadline_at",
    "verdict_state",
    "report_state",
    "report_id",
    "author",
    "reviewer",
    "revision",
)


def _item(row: WorklistRow, sight: Sight, slugs: list[str], prior_count: int) -> WorklistItem:
    left = None
    if row.deadline_at is not None:
        left = round((row.deadline_at - now()).total_seconds(), 1)
    values: dict[str, Any] = {name: getattr(row, name) for name in _SAME}
    return WorklistItem(
        **values,
        spaces=slugs,
        modalities=_split(row.modalities),
        body_parts=_split(row.body_parts),
        seconds_left=left,
        ai=_ai(row, sight.running.get(row.study_id)),
        prior_count=prior_count,
    )


def _split(joined: str) -> list[str]:
    return [word for word in joined.split("\\") if word]


def _ai(row: WorklistRow, running: TaskRead | None) -> AiSummary:
    parts = [AiPart.model_validate(part) for part in row.parts]
    if running is not None:
        parts = [_now_running(p, running) if p.task_id == running.id else p for p in parts]
    return AiSummary(
        state="running" if running is not None else row.ai_state,
        finding=None if row.finding is None else TopFinding.model_validate(row.finding),
        finding_count=row.finding_count,
        task_id=row.task_id if running is None else running.id,
        result_id=row.result_id,
        progress=None if running is None else running.progress,
        parts=parts,
    )


def _now_running(part: AiPart, task: TaskRead) -> AiPart:
    return part.model_copy(update={"state": "running", "progress": task.progress})


async def counts(session: Session, actor: Actor) -> WorklistCounts:
    """Return how many studies the caller sees, by tab and state."""
    sight = await sight_of(session, actor)
    where = sight.where(actor.org_id)
    ai: dict[str, int] = {}
    report: dict[str, int] = {}
    verdict: dict[str, int] = {}
    priority: dict[str, int] = dict.fromkeys(ordering.RANKS, 0)
    names = {rank: name for name, rank in ordering.RANKS.items()}
    for state, written, judged, rank, number in await worklist_rows.counted(session, where):
        ai[state] = ai.get(state, 0) + number
        report[written] = report.get(written, 0) + number
        verdict[judged] = verdict.get(judged, 0) + number
        if rank in names:
            priority[names[rank]] += number
    await _split_running(session, where, sight, ai)
    return WorklistCounts(
        tabs=await _tabs(session, actor, where, report),
        ai=ai,
        report=report,
        verdict=verdict,
        open_priority=priority,
        server_time=now(),
    )


async def _split_running(
    session: Session, where: list[Condition], sight: Sight, ai: dict[str, int]
) -> None:
    """Take the studies with a running task out of the state their row has."""
    if not sight.running:
        return
    rows = await worklist_rows.some(session, where, list(sight.running))
    for row in rows:
        ai[row.ai_state] -= 1
    ai["running"] = len(rows)


async def _tabs(
    session: Session, actor: Actor, where: list[Condition], report: dict[str, int]
) -> dict[str, int]:
    person = person_of(actor)
    total, done = sum(report.values()), report.get("final", 0)
    review, own = worklist_rows.waiting(person), worklist_rows.mine(actor.org_id, person)
    return {
        "all": total,
        "todo": total - done,
        "done": done,
        "review": await worklist_rows.number(session, [*where, review]),
        "mine": await worklist_rows.number(session, [*where, own]),
    }
