# SPDX-License-Identifier: Apache-2.0
"""What tasks and results of a study together say in the worklist's AI column.

The state that needs most attention wins: running, waiting, failed, abstained, and only then the
result; so nothing that was not judged can look like "nothing found".
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from healthvision.clinical.result import Finding, VerificationState
from healthvision.domains.analysis.schemas import ResultRead, TaskRead
from healthvision.domains.reading.schemas import AiPart, AiState, PartState, TopFinding
from healthvision.domains.reading.unsure import is_unsure
from healthvision.kernel.schemas import Page

_ATTENTION: tuple[AiState, ...] = ("running", "pending", "failed", "abstained", "result")
_STATES: dict[str, PartState] = {
    "queued": "pending",
    "running": "running",
    "failed": "failed",
    "cancelled": "cancelled",
}


@dataclass(frozen=True, slots=True)
class Screening:
    """The AI column of one study; ``priorities``: of its open tasks, or of all when none is."""

    state: AiState
    parts: tuple[AiPart, ...]
    finding: TopFinding | None
    finding_count: int
    task_id: UUID | None
    result_id: UUID | None
    deadline_at: datetime | None
    verdict_state: str
    priorities: list[str]


def screening_of(tasks: Page[TaskRead], results: list[ResultRead]) -> Screening:
    """Return the AI column; both lists newest first, results only the current versions."""
    newest: dict[str, TaskRead] = {}
    for task in tasks.items:
        newest.setdefault(task.application, task)
    by_application: dict[str, ResultRead] = {}
    for result in results:
        by_application.setdefault(result.item.application_id, result)
    names = dict.fromkeys([*newest, *by_application])
    parts = tuple(_part(name, newest.get(name), by_application.get(name)) for name in names)
    states = {part.state for part in parts}
    state: AiState = next((s for s in _ATTENTION if s in states), "none")
    open_tasks = [t for t in tasks.items if t.state in ("queued", "running")]
    deadlines = [t.deadline_at for t in open_tasks if t.deadline_at is not None]
    current = list(by_application.values())
    worst = _worst(current)
    shown = worst[1] if worst is not None else next(iter(current), None)
    # running is not kept in the row: it is looked up when the list is read
    return Screening(
        state="pending" if state == "running" else state,
        parts=parts,
        finding=None if worst is None else _top(*worst),
        finding_count=sum(_count(r) for r in current),
        task_id=next((p.task_id for p in parts if p.state == state), None),
        result_id=None if shown is None else shown.item.id,
        deadline_at=min(deadlines, default=None),
        verdict_state=_verdict_state(current),
        priorities=[t.priority.value for t in open_tasks or tasks.items],
    )


def _part(name: str, task: TaskRead | None, result: ResultRead | None) -> AiPart:
    state: PartState = "abstained"
    if task is not None and task.state in _STATES and not _outdated(task, result):
        state = _STATES[task.state]
    elif result is not None and result.item.status == "complete":
        state = "result"
    return AiPart(
        application=name,
        application_version=result.item.application_version
        if result is not None
        else task.application_version
        if task is not None
        else "",
        state=state,
        task_id=None if task is None else task.id,
        result_id=None if result is None else result.item.id,
        progress=0.0 if task is None else task.progress,
        finding_count=0 if result is None else _count(result),
        verification="" if result is None else result.item.verification,
        error_code=None if task is None else task.error_code,
    )


def _outdated(task: TaskRead, result: ResultRead | None) -> bool:
    """A cancelled repeat leaves the result that was there before as it is."""
    return task.state == "cancelled" and result is not None


def _worst(results: list[ResultRead]) -> tuple[Finding, ResultRead] | None:
    """Return the most severe finding of the first result with findings, graded ones first.

    What is only unsure comes after every finding: it is shown where there is none.
    """
    for unsure in (False, True):
        for read in sorted(results, key=lambda r: not r.item.worst_category):
            found = [f for f in read.result.findings if is_unsure(f) is unsure]
            if not found:
                continue
            wanted = read.item.worst_category
            for finding in found:
                if any(f"{c.guideline}:{c.value}" == wanted for c in finding.categories):
                    return finding, read
            return max(found, key=lambda f: f.confidence.value or 0.0), read
    return None


def _count(read: ResultRead) -> int:
    """Return how many findings a result has; what is only unsure is none."""
    return sum(not is_unsure(f) for f in read.result.findings)


def _top(finding: Finding, read: ResultRead) -> TopFinding:
    wanted = read.item.worst_category
    own = [f"{c.guideline}:{c.value}" for c in finding.categories]
    return TopFinding(
        label=finding.label,
        region=finding.location.region,
        tracking_uid=finding.tracking_uid,
        code=finding.code,
        category=wanted if wanted in own else next(iter(own), ""),
        confidence=finding.confidence,
        evidence_level=finding.evidence_level,
    )


def _verdict_state(results: list[ResultRead]) -> str:
    states = {r.item.verification for r in results}
    if not states:
        return "none"
    if VerificationState.AI_UNVERIFIED.value in states:
        return "open"
    return states.pop() if len(states) == 1 else "mixed"
