# SPDX-License-Identifier: Apache-2.0
"""Batches: up to a hundred studies analysed together, with one merged summary."""

import csv
import io
from typing import Any
from uuid import UUID

from healthvision.clinical.result import Priority, Result
from healthvision.domains.analysis import repository
from healthvision.domains.analysis.errors import (
    BatchNotDone,
    BatchNotFound,
    BatchTooLarge,
    NoImages,
)
from healthvision.domains.analysis.plan import plan_study
from healthvision.domains.analysis.schemas import BatchCreate, BatchItemRead, BatchRead
from healthvision.domains.analysis.settings import AnalysisSettings
from healthvision.domains.analysis.tables import Batch, BatchItem, ResultRow, Task
from healthvision.domains.analysis.tasks import Wish, submit_wish
from healthvision.domains.audit import service as audit
from healthvision.domains.modelhub import service as modelhub
from healthvision.domains.spaces import service as spaces
from healthvision.formats.reports.csv_export import COLUMNS, render_csv, safe_cell
from healthvision.formats.reports.summary import Item, merged_summary_html, merged_summary_pdf
from healthvision.formats.reports.words import Language
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Session
from healthvision.kernel.errors import Invalid, Problem, TooMany
from healthvision.kernel.paging import decode_cursor, encode_cursor
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

Joined = tuple[BatchItem, Task | None, ResultRow | None]


async def create_batch(session: Session, actor: Actor, new: BatchCreate) -> BatchRead:
    """Submit every study; one that cannot be submitted is named with its error.

    Raises BatchTooLarge, Invalid (a study twice), ApplicationNotFound, ApplicationDisabled, and
    TooManyTasks when the organisation's maximum does not leave room.
    """
    limit = AnalysisSettings().batch_limit
    if len(new.studies) > limit:
        message = f"{len(new.studies)} studies; a batch has at most {limit}"
        raise BatchTooLarge(message, limit=limit, given=len(new.studies))
    if len(set(new.studies)) != len(new.studies):
        raise Invalid("studies: the same study is there twice", field="studies")
    if new.application is not None:
        await modelhub.usable(session, actor, new.application)
    row = Batch(
        id=new_id(),
        org_id=actor.org_id,
        title=new.title,
        application_id=new.application,
        priority=new.priority.value,
        requested_by=f"{actor.kind}:{actor.id}",
    )
    session.add(row)
    await session.flush()
    for number, study_id in enumerate(new.studies, start=1):
        session.add(await _item(session, actor, row, new, number=number, study_id=study_id))
    await session.flush()
    await audit.record(
        session,
        actor,
        "analysis.batch_created",
        row.id,
        kind="batch",
        after={"studies": len(new.studies), "application": new.application},
    )
    return await get_batch(session, actor, row.id)


async def _item(
    session: Session, actor: Actor, batch: Batch, new: BatchCreate, *, number: int, study_id: UUID
) -> BatchItem:
    item = BatchItem(
        batch_id=batch.id,
        number=number,
        study_id=study_id,
        task_id=None,
        error_code=None,
        error_detail=None,
    )
    try:
        item.task_id = await _submit(session, actor, new, study_id)
    except TooMany:
        raise
    except Problem as problem:
        item.error_code, item.error_detail = problem.code, problem.detail
    return item


async def _submit(session: Session, actor: Actor, new: BatchCreate, study_id: UUID) -> UUID:
    plan = await plan_study(session, actor, study_id)
    if not plan.series:
        raise NoImages("the study has no images")
    application = await modelhub.pick(session, actor, new.application, plan.series)
    place = await spaces.get(session, actor, plan.study.spaces[0].space_id, "write")
    wish = Wish(
        application,
        space_id=place.id,
        priority=new.priority,
        source="batch",
        force=new.force,
    )
    return (await submit_wish(session, actor, plan, wish)).task.id


async def _own(session: Session, actor: Actor, batch_id: UUID) -> tuple[Batch, list[Joined]]:
    """Return a batch if the actor may see the spaces of all its tasks."""
    row = await repository.find_batch(session, actor.org_id, batch_id)
    if row is None:
        raise BatchNotFound("there is no such batch")
    joined = await repository.batch_items(session, batch_id)
    places = {s.id for s in await spaces.visible(session, actor)}
    if any(task is not None and task.space_id not in places for _, task, _ in joined):
        raise BatchNotFound("there is no such batch")
    return row, joined


async def get_batch(session: Session, actor: Actor, batch_id: UUID) -> BatchRead:
    """Return a batch and how far it is; raises BatchNotFound."""
    row, joined = await _own(session, actor, batch_id)
    return _read(row, joined)


def _read(row: Batch, joined: list[Joined]) -> BatchRead:
    items = [_item_read(*parts) for parts in joined]
    failed = sum(item.state in ("failed", "cancelled") for item in items)
    is_open = sum(item.state in ("queued", "running") for item in items)
    return BatchRead(
        id=row.id,
        title=row.title,
        application=row.application_id,
        priority=Priority(row.priority),
        created_at=row.created_at,
        total=len(items),
        done=len(items) - failed - is_open,
        failed=failed,
        open=is_open,
        finished=is_open == 0,
        items=items,
    )


def _item_read(item: BatchItem, task: Task | None, result: ResultRow | None) -> BatchItemRead:
    values: dict[str, Any] = {
        "number": item.number,
        "study_id": item.study_id,
        "task_id": item.task_id,
        "state": "failed" if task is None else task.state,
        "result_id": None if result is None else result.id,
        "error_code": item.error_code if task is None else task.error_code,
        "error_detail": item.error_detail if task is None else task.error_detail,
    }
    return BatchItemRead.model_validate(values)


async def list_batches(
    session: Session, actor: Actor, *, cursor: str | None, limit: int
) -> Page[BatchRead]:
    """Return one page of the organisation's batches that the actor may see, newest first."""
    decoded = None if cursor is None else decode_cursor(cursor, 1)
    rows = await repository.list_batches(session, actor.org_id, decoded, limit)
    items: list[BatchRead] = []
    for row in rows[:limit]:
        try:
            items.append(await get_batch(session, actor, row.id))
        except BatchNotFound:
            continue
    more = encode_cursor([str(rows[limit - 1].id)]) if len(rows) > limit else None
    return Page[BatchRead](items=items, next=more, total=None)


async def summary_items(session: Session, actor: Actor, batch_id: UUID) -> list[Item]:
    """Return (study UID or id, result or error) in order; BatchNotFound, BatchNotDone."""
    row, joined = await _own(session, actor, batch_id)
    left = sum(task is not None and task.state in repository.OPEN for _, task, _ in joined)
    if left:
        raise BatchNotDone(f"{left} studies of the batch are still open", open=left, id=str(row.id))
    return [_summary(*parts) for parts in joined]


def _summary(item: BatchItem, task: Task | None, result: ResultRow | None) -> Item:
    label = str(item.study_id) if task is None else task.study_uid
    if result is not None:
        return label, Result.model_validate(result.document)
    if task is None:
        return label, f"{item.error_code}: {item.error_detail}"
    return label, f"{task.error_code or task.state}: {task.error_detail or task.state}"


def summary_document(items: list[Item]) -> dict[str, Any]:
    """Return the merged summary as JSON: each study with its result or its error."""
    studies = [
        {
            "study": label,
            "result": None if isinstance(outcome, str) else outcome.model_dump(mode="json"),
            "error": outcome if isinstance(outcome, str) else None,
        }
        for label, outcome in items
    ]
    broken = sum(item["error"] is not None for item in studies)
    return {"total": len(studies), "failed": broken, "studies": studies}


def summary_csv(items: list[Item]) -> str:
    """Return the merged summary as CSV; studies without a result are named at the end."""
    results = [outcome for _, outcome in items if not isinstance(outcome, str)]
    target = io.StringIO()
    target.write(render_csv(results))
    writer = csv.DictWriter(target, COLUMNS, restval="")
    for label, outcome in items:
        if isinstance(outcome, str):
            told = {"study_uid": label, "status": "failed", "abstained_reason_en": outcome}
            writer.writerow({name: safe_cell(value) for name, value in told.items()})
    return target.getvalue()


def summary_pdf(items: list[Item], language: Language) -> bytes:
    """Return the merged summary as PDF."""
    return merged_summary_pdf(items, language)


def summary_html(items: list[Item], language: Language) -> str:
    """Return the merged summary as one HTML page."""
    return merged_summary_html(items, language)
