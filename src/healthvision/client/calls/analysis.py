# SPDX-License-Identifier: Apache-2.0
"""Tasks, results and models; waiting for a result by server-sent events or by asking again."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from healthvision.client.calls import answers
from healthvision.client.effects import (
    Call,
    Listen,
    Operation,
    Pause,
    Progress,
    Save,
    ServerEvent,
)
from healthvision.client.engine import deadline, left
from healthvision.client.errors import ApiError, WaitTimeout
from healthvision.client.models import FINISHED, AiModel, Page, Result, ResultSummary, Task

LISTEN_S = 30.0
POLL_S = 0.5


def models() -> Operation[Page[AiModel]]:
    """List the applications (AI models) of the installation."""
    return answers.get_page(AiModel, "/v1/models")


def submit(
    study_id: UUID,
    application: str,
    *,
    version: str | None = None,
    priority: str = "routine",
    space: str = "default",
    parameters: dict[str, Any] | None = None,
) -> Operation[Task]:
    """Ask for an analysis of a study; ``priority``: stat, urgent, routine or bulk."""
    body: dict[str, Any] = {
        "study_id": str(study_id),
        "application": application,
        "priority": priority,
        "space": space,
    }
    if version is not None:
        body["version"] = version
    if parameters is not None:
        body["parameters"] = parameters
    return answers.post(Task, "/v1/tasks", body)


def task(task_id: UUID) -> Operation[Task]:
    """Return one task and how far it is."""
    return answers.get(Task, f"/v1/tasks/{task_id}")


def tasks(
    *,
    study_id: UUID | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Operation[Page[Task]]:
    """List tasks, newest first."""
    study = None if study_id is None else str(study_id)
    query = {"study_id": study, "status": status, "cursor": cursor, "limit": limit}
    return answers.get_page(Task, "/v1/tasks", query)


def cancel_task(task_id: UUID) -> Operation[Task]:
    """Cancel a task that has not finished."""
    return answers.post(Task, f"/v1/tasks/{task_id}/cancel")


def retry_task(task_id: UUID) -> Operation[Task]:
    """Try a failed task again."""
    return answers.post(Task, f"/v1/tasks/{task_id}/retry")


def result(result_id: UUID | str) -> Operation[Result]:
    """Return one result in full."""
    return answers.get(Result, f"/v1/results/{result_id}")


def results(
    *,
    study_uid: str | None = None,
    patient_id: str | None = None,
    application: str | None = None,
    category: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Operation[Page[ResultSummary]]:
    """Search results, newest first."""
    query = {
        "study_uid": study_uid,
        "patient_id": patient_id,
        "application": application,
        "category": category,
        "cursor": cursor,
        "limit": limit,
    }
    return answers.get_page(ResultSummary, "/v1/results", query)


def wait_for_task(task_id: UUID, *, timeout_s: float = 300.0) -> Operation[Task]:
    """Wait until a task has ended, well or badly; raises WaitTimeout.

    Listens to the task's events; where those do not come through (a proxy, an older server) it
    asks again every half second.
    """
    until, listening = deadline(timeout_s), True
    while True:
        found = yield from task(task_id)
        if found.finished:
            return found
        if left(until) <= 0:
            raise WaitTimeout(f"task {task_id} is still {found.status}")
        if listening:
            listening = yield from _listen(
                f"/v1/tasks/{task_id}/events", min(LISTEN_S, left(until))
            )
        else:
            yield Pause(min(POLL_S, left(until)))


def _listen(path: str, seconds: float) -> Operation[bool]:
    """Listen until a final event; False when events are of no use here."""
    headers = {"Accept": "text/event-stream"}
    call = Call("GET", path, headers=headers, timeout_s=seconds + 5)
    try:
        event = yield Listen(call, _is_final, seconds)
    except ApiError:
        return False
    return isinstance(event, ServerEvent)


def _is_final(event: ServerEvent) -> bool:
    try:
        document = json.loads(event.data)
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("status") in FINISHED


def wait_for_result(
    *,
    study_uid: str | None = None,
    task_id: UUID | None = None,
    application: str | None = None,
    timeout_s: float = 300.0,
) -> Operation[Result]:
    """Wait for the result of a task, or for the first result of a study.

    Raises WaitTimeout, or ApiError 'task-failed' with the task's error.
    """
    if (study_uid is None) == (task_id is None):
        raise ValueError("give either study_uid or task_id")
    until = deadline(timeout_s)
    if task_id is not None:
        ended = yield from wait_for_task(task_id, timeout_s=timeout_s)
        if ended.result_id is None:
            raise ApiError(200, "task-failed", f"the task is {ended.status}", ended.model_dump())
        return (yield from result(ended.result_id))
    while True:
        page = yield from results(study_uid=study_uid, application=application, limit=1)
        if page.items:
            return (yield from result(page.items[0].id))
        if left(until) <= 0:
            raise WaitTimeout("the study has no result yet")
        yield Pause(min(POLL_S, left(until)))


def download_output(
    result_id: UUID | str, name: str, target: Path, *, progress: Progress | None = None
) -> Operation[Path]:
    """Write one output of a result ('report.pdf', 'seg', 'sr', ...) to a file."""
    call = Call("GET", f"/v1/results/{result_id}/outputs/{name}", timeout_s=120.0)
    yield Save(call, target, progress)
    return target


def download_outputs(
    result_id: UUID | str, folder: Path, *, names: Sequence[str] | None = None
) -> Operation[list[Path]]:
    """Write all (or the named) outputs of a result into a folder."""
    found = yield from result(result_id)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for output in found.outputs:
        if names is None or output.name in names:
            target = folder / output.name.replace("/", "_")
            paths.append((yield from download_output(result_id, output.name, target)))
    return paths
