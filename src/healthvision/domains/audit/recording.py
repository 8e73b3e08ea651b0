# SPDX-License-Identifier: Apache-2.0
"""Writing audit rows: in the act's transaction, in one's own, or in groups before a read."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert

from healthvision.domains.audit.rows import Act, RowValues, row_of
from healthvision.domains.audit.schemas import Category, Outcome
from healthvision.domains.audit.settings import AuditSettings
from healthvision.domains.audit.tables import AuditEvent
from healthvision.domains.audit.writer import AuditWriter, WindowKey
from healthvision.kernel.db import READ_ONLY, Database, Session
from healthvision.kernel.security import Actor
from healthvision.kernel.statements import Statement

_INSERT = Statement(insert(AuditEvent))


def writer_of(db: Database) -> AuditWriter:
    """Return the process's audit writer; it is made at first use."""
    if not db.resources.has(AuditWriter):
        db.resources.put(AuditWriter, AuditWriter(db, AuditSettings()))
    return db.resources.get(AuditWriter)


def row_values(actor: Actor, act: Act, *, reading: bool = False) -> RowValues:
    """Return one row for bulk writers (the archive's ingest) to insert with ``record_rows``."""
    return row_of(actor, act, reading=reading)


async def record_rows(session: Session, rows: Sequence[RowValues]) -> None:
    """Insert many rows made by ``row_values`` in the session's transaction."""
    if rows:
        await session.execute(insert(AuditEvent), list(rows))


def record_rows_on(connection: Connection, rows: Sequence[RowValues]) -> None:
    """Insert many rows made by ``row_values`` on a bulk writer's connection."""
    _INSERT.many(connection, rows)


async def record(
    session: Session,
    actor: Actor,
    action: str,
    subject: UUID | str | None = None,
    *,
    kind: str = "",
    patient_id: UUID | None = None,
    space_id: UUID | None = None,
    outcome: Outcome = "success",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    detail: Mapping[str, Any] | None = None,
    category: Category | None = None,
) -> None:
    """Record an act in its own transaction: both are kept, or neither.

    ``action``: 'room.verb_done', e.g. 'spaces.space_created'. ``before`` and ``after``: changed
    fields only; ids, never names or secrets. RuntimeError when the session is read-only, since
    the row would be lost: reads use ``record_read``.
    """
    bind = session.bind
    if bind is not None and _read_only(bind):
        raise RuntimeError("audit.record on a read-only session; use record_read")
    act = Act(action, subject, kind, patient_id, space_id, outcome, before, after, detail, category)
    session.add(AuditEvent(**row_of(actor, act)))


def _read_only(bind: Any) -> bool:
    engine = getattr(bind, "sync_engine", None)
    return bool(engine is not None and engine.get_execution_options().get(READ_ONLY, False))


async def record_now(
    db: Database,
    actor: Actor,
    action: str,
    subject: UUID | str | None = None,
    *,
    kind: str = "",
    patient_id: UUID | None = None,
    space_id: UUID | None = None,
    outcome: Outcome = "refused",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    detail: Mapping[str, Any] | None = None,
    category: Category | None = None,
) -> None:
    """Record an act that has no transaction, such as a refusal; returns when it is committed.

    Not from inside an open writing transaction: on SQLite it would wait for that to end. Raises
    AuditUnavailable (503).
    """
    act = Act(action, subject, kind, patient_id, space_id, outcome, before, after, detail, category)
    await writer_of(db).write([row_of(actor, act)])


async def record_read(
    db: Database,
    actor: Actor,
    action: str,
    subject: UUID | str | None = None,
    *,
    kind: str = "",
    patient_id: UUID | None = None,
    space_id: UUID | None = None,
    outcome: Outcome = "success",
    detail: Mapping[str, Any] | None = None,
    category: Category | None = None,
) -> None:
    """Record an access to patient data; await it before the first byte leaves.

    Concurrent callers share one transaction. Raises AuditUnavailable (503): then nothing may be
    answered.
    """
    act = Act(
        action,
        subject,
        kind,
        patient_id,
        space_id,
        outcome,
        detail=detail,
        category=category,
    )
    await writer_of(db).write([row_of(actor, act, reading=True)])


async def record_pixels(
    db: Database,
    actor: Actor,
    study_id: UUID,
    *,
    patient_id: UUID | None = None,
    space_id: UUID | None = None,
    action: str = "archive.pixels_read",
    count: int = 1,
    size: int = 0,
) -> None:
    """Record reads of a study's pixels; await it before the first byte leaves.

    One row per caller (account, session, address, on whose behalf), action, space, study and
    window (60 s by default) before the first byte; further reads are counted and a second row
    with the counts follows when the window closes. Exports are not for here: each has a row by
    ``record_read``. ``size``: bytes. Raises AuditUnavailable (503).
    """
    act = Act(action, study_id, "study", patient_id, space_id)
    await _windowed(db, actor, act, study_id, count=count, size=size)


async def record_look(
    db: Database,
    actor: Actor,
    action: str,
    subject: UUID | None = None,
    *,
    kind: str = "",
    patient_id: UUID | None = None,
    space_id: UUID | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Record a read that callers repeat every few seconds, such as the state of a task.

    Like ``record_read``, with one row per caller, action, subject, ``detail`` and window as
    ``record_pixels`` does: a list that shows other things is another look.
    Raises AuditUnavailable (503).
    """
    act = Act(action, subject, kind, patient_id, space_id, detail=detail)
    await _windowed(db, actor, act, subject, count=1, size=0)


async def _windowed(
    db: Database, actor: Actor, act: Act, subject: UUID | None, *, count: int, size: int
) -> None:
    key = WindowKey(
        actor.org_id,
        f"{actor.kind}:{actor.id}:{actor.session_id}",
        actor.address,
        actor.on_behalf_of,
        act.action,
        act.space_id,
        subject,
        "" if act.detail is None else repr(act.detail),
    )
    await writer_of(db).pixels(
        key, partial(row_of, actor, act, reading=True), count=count, size=size
    )


async def flush(db: Database) -> None:
    """Close pixel windows and wait until every row is written; at the end of a process."""
    if db.resources.has(AuditWriter):
        await db.resources.get(AuditWriter).stop()
