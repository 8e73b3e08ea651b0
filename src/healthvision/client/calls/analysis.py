# SPDX-License-Identifier: Apache-2.0
"""Tasks, results and models; waiting for a result by server-sent events or by asking again."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

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
from healthvision.client.models import (
    FINISHED,
    AiModel,
    Batch,
    Output,
    Page,
    Result,
    ResultItem,
    Task,
)

DICOM_AS_STORED = "application/dicom; transfer-syntax=*"
LISTEN_S = 30.0
POLL_S = 0.5


def models() -> Operation[Page[AiModel]]:
    """List the applications (AI models) of the installation."""
    return answers.get_page(AiModel, "/v1/models")


def submit(
    study_id: UUID,
    application: str | None = None,
    *,
    priority: str | None = None,
    space: str | None = None,
    seed: int = 0,
    parameters: Mapping[str, str | int | float | bool] | None = None,
    force: bool = False,
) -> Operation[Task]:
    """Ask for an analysis of a study.

    Without ``application`` one is picked by content. ``priority``: stat, urgent, routine or
    bulk. An equal task that exists is returned, unless ``force`` asks for a new result version.
    """
    body: dict[str, Any] = {"study_id": str(study_id), "seed": seed, "force": force}
    given = {"application": application, "priority": priority, "space": space}
    body.update({k: v for k, v in given.items() if v is not None})
    if parameters is not None:
        body["parameters"] = dict(parameters)
    response: httpx.Response = yield answers.posting("/v1/tasks", body)
    document = response.json()
    return Task.model_validate(document.get("task", document))


def task(task_id: UUID) -> Operation[Task]:
    """Return one task and how far it is."""
    return answers.get(Task, f"/v1/tasks/{task_id}")


def tasks(
    *,
    study_id: UUID | None = None,
    state: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Operation[Page[Task]]:
    """List tasks, newest first."""
    study = None if study_id is None else str(study_id)
    query = {"study": study, "state": state, "cursor": cursor, "limit": limit}
    return answers.get_page(Task, "/v1/tasks", query)


def change_priority(task_id: UUID, priority: str) -> Operation[Task]:
    """Raise or lower the priority of a waiting task."""
    response: httpx.Response = yield Call(
        "PATCH", f"/v1/tasks/{task_id}", json={"priority": priority}
    )
    return Task.model_validate_json(response.content)


def cancel_task(task_id: UUID) -> Operation[Task]:
    """Cancel a task that has not finished."""
    return answers.post(Task, f"/v1/tasks/{task_id}/cancel")


def retry_task(task_id: UUID) -> Operation[Task]:
    """Try a failed task again."""
    return answers.post(Task, f"/v1/tasks/{task_id}/retry")


def submit_batch(
    studies: Sequence[UUID],
    *,
    title: str = "",
    application: str | None = None,
    priority: str = "bulk",
) -> Operation[Batch]:
    """Ask for the analysis of up to 100 studies together."""
    body: dict[str, Any] = {
        "studies": [str(s) for s in studies],
        "title": title,
        "priority": priority,
    }
    if application is not None:
        body["application"] = application
    return answers.post(Batch, "/v1/batches", body)


def batch(batch_id: UUID) -> Operation[Batch]:
    """Return a batch, its merged state and each study's."""
    return answers.get(Batch, f"/v1/batches/{batch_id}")


def wait_for_batch(batch_id: UUID, *, timeout_s: float = 3600.0) -> Operation[Batch]:
    """Wait until every study of a batch has ended, well or badly; raises WaitTimeout."""
    until = deadline(timeout_s)
    while True:
        found = yield from batch(batch_id)
        if found.finished:
            return found
        if left(until) <= 0:
            raise WaitTimeout(f"{found.open} studies of batch {batch_id} are still open")
        yield Pause(min(POLL_S, left(until)))


def result(result_id: UUID | str) -> Operation[Result]:
    """Return one result in full, with its outputs."""
    response: httpx.Response = yield Call("GET", f"/v1/results/{result_id}")
    document = response.json()
    full = document.get("result", document)
    if document.get("outputs"):
        full["outputs"] = [{"sop_instance_uid": o.get("sop_uid"), **o} for o in document["outputs"]]
    return Result.model_validate(full)


def results(
    *,
    study_uid: str | None = None,
    patient_id: str | None = None,
    application: str | None = None,
    category: str | None = None,
    current: bool | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Operation[Page[ResultItem]]:
    """Search results, newest first; ``current`` leaves superseded versions out."""
    query = {
        "study_uid": study_uid,
        "patient_id": patient_id,
        "application": application,
        "category": category,
        "current": current,
        "cursor": cursor,
        "limit": limit,
    }
    return answers.get_page(ResultItem, "/v1/results", query)


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
            raise WaitTimeout(f"task {task_id} is still {found.state}")
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
    return isinstance(document, dict) and document.get("state") in FINISHED


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
            detail = ended.error_detail or f"the task is {ended.state}"
            raise ApiError(200, "task-failed", detail, ended.model_dump())
        return (yield from result(ended.result_id))
    while True:
        page = yield from results(study_uid=study_uid, application=application, limit=1)
        if page.items:
            return (yield from result(page.items[0].id))
        if left(until) <= 0:
            raise WaitTimeout("the study has no result yet")
        yield Pause(min(POLL_S, left(until)))


def export_result(
    result_id: UUID | str,
    target: Path,
    *,
    format: str = "pdf",
    language: str = "both",
    progress: Progress | None = None,
) -> Operation[Path]:
    """Write a result to a file as json, csv, pdf, html, dicom (zip) or fhir (R4B bundle)."""
    query = {"format": format, "language": language}
    call = Call("GET", f"/v1/results/{result_id}/export", query, timeout_s=120.0)
    yield Save(call, target, progress)
    return target


def download_output(
    result_id: UUID | str, name: str, target: Path, *, progress: Progress | None = None
) -> Operation[Path]:
    """Write one output of a result to a file: DICOM objects as stored, key images as PNG.

    Raises ApiError 'not-found' when the result has no output of that name.
    """
    found = yield from result(result_id)
    for output in found.outputs:
        if output.name == name:
            yield Save(_output_call(found, output), target, progress)
            return target
    raise ApiError(404, "not-found", f"the result has no output {name!r}", {})


def download_outputs(
    result_id: UUID | str, folder: Path, *, names: Sequence[str] | None = None
) -> Operation[list[Path]]:
    """Write all (or the named) outputs of a result into a folder."""
    found = yield from result(result_id)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for output in found.outputs:
        if names is None or output.name in names:
            target = folder / (output.name.replace("/", "_") + _suffix(output))
            yield Save(_output_call(found, output), target)
            paths.append(target)
    return paths


def _suffix(output: Output) -> str:
    return ".dcm" if output.sop_instance_uid and "." not in output.name else ""


def _output_call(found: Result, output: Output) -> Call:
    if output.kind == "PNG":
        path = f"/v1/results/{found.id}/key-images/{output.name}"
        return Call("GET", path, timeout_s=120.0)
    if output.sop_instance_uid and output.series_uid:
        path = (
            f"/dicomweb/{found.space_id or 'default'}/studies/{found.study_uid}"
            f"/series/{output.series_uid}/instances/{output.sop_instance_uid}"
        )
        return Call("GET", path, headers={"Accept": DICOM_AS_STORED}, timeout_s=120.0)
    query = {"format": output.kind.lower()}
    return Call("GET", f"/v1/results/{found.id}/export", query, timeout_s=120.0)
