# SPDX-License-Identifier: Apache-2.0
"""Questions to the log: events, who saw what, security events, compliance report, proofs."""

import csv
import io
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from healthvision.domains.audit import repository
from healthvision.domains.audit.chain import entry_of
from healthvision.domains.audit.errors import AuditEventNotFound, NotSealedYet
from healthvision.domains.audit.keys import signer_of
from healthvision.domains.audit.merkle import (
    TILE_BITS,
    Node,
    Range,
    fold_perfect,
    fold_right,
    inclusion_ranges,
    leaf_hash,
    perfect_nodes,
)
from healthvision.domains.audit.rows import from_us
from healthvision.domains.audit.schemas import (
    ActionCount,
    AuditEventRead,
    Category,
    ComplianceReport,
    EventFilter,
    InclusionProof,
    SecurityEvent,
    Viewer,
)
from healthvision.domains.audit.settings import AuditSettings
from healthvision.domains.audit.tables import AuditEvent
from healthvision.domains.audit.verify import verify
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database, Session
from healthvision.kernel.errors import TooLarge
from healthvision.kernel.paging import BadCursor, decode_cursor, encode_cursor
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

BusyKind = Literal["mass-export", "mass-access"]
EXPORT_ROWS = 50_000
SECURITY_ROWS = 500
VERIFY_RECENT = 100_000
SEEING: tuple[Category, ...] = ("access", "export")
CSV_COLUMNS = (
    "id",
    "at",
    "category",
    "actor_kind",
    "actor_id",
    "user_id",
    "on_behalf_of",
    "action",
    "kind",
    "subject",
    "patient_id",
    "space_id",
    "outcome",
    "before",
    "after",
    "detail",
    "address",
    "request_id",
    "trace_id",
    "sequence",
)


def _parsed(value: str | None) -> Any:
    if value is None:
        return None
    try:
        return json.loads(value)
    except ValueError:  # somebody changed the row; the check of the log will say so
        return value


def to_read(row: AuditEvent) -> AuditEventRead:
    """Return the answer shape of a row."""
    return AuditEventRead.model_construct(
        id=row.id,
        at=from_us(row.at_us),
        category=row.category,
        actor_kind=row.actor_kind,
        actor_id=row.actor_id,
        user_id=row.user_id,
        on_behalf_of=row.on_behalf_of,
        action=row.action,
        kind=row.kind,
        subject=row.subject,
        patient_id=row.patient_id,
        space_id=row.space_id,
        outcome=row.outcome,
        before=_parsed(row.before),
        after=_parsed(row.after),
        detail=_parsed(row.detail),
        address=row.address,
        request_id=row.request_id,
        trace_id=row.trace_id,
        sequence=row.sequence,
    )


def _place(cursor: str | None) -> tuple[int, UUID] | None:
    if cursor is None:
        return None
    at_us, event_id = decode_cursor(cursor, 2)
    try:
        if not isinstance(at_us, int) or not 0 <= at_us < 2**62:
            raise ValueError("time")
        return at_us, UUID(str(event_id))
    except ValueError:
        raise BadCursor("the cursor was not made by this list") from None


async def list_events(
    session: Session,
    actor: Actor,
    wanted: EventFilter,
    *,
    cursor: str | None = None,
    limit: int = 50,
    with_total: bool = False,
) -> Page[AuditEventRead]:
    """Return one page of the organisation's events, newest first."""
    before = _place(cursor)
    rows = await repository.page(session, actor.org_id, wanted, before=before, limit=limit + 1)
    more = len(rows) > limit
    rows = rows[:limit]
    following = encode_cursor([rows[-1].at_us, str(rows[-1].id)]) if more else None
    total = await repository.count(session, actor.org_id, wanted) if with_total else None
    return Page[AuditEventRead](items=[to_read(r) for r in rows], next=following, total=total)


def _cell(value: Any) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _csv_row(row: AuditEvent) -> Iterable[str]:
    for name in CSV_COLUMNS:
        yield _cell(from_us(row.at_us).isoformat() if name == "at" else getattr(row, name))


async def export_csv(session: Session, actor: Actor, wanted: EventFilter) -> str:
    """Return matching events as CSV with a header line, newest first.

    Raises TooLarge over ``EXPORT_ROWS`` events: narrow the period.
    """
    rows = await repository.page(session, actor.org_id, wanted, before=None, limit=EXPORT_ROWS + 1)
    if len(rows) > EXPORT_ROWS:
        raise TooLarge("too many events for one file: narrow the period", limit=EXPORT_ROWS)
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(CSV_COLUMNS)
    writer.writerows(_csv_row(row) for row in rows)
    return buffer.getvalue()


async def who_saw(session: Session, actor: Actor, wanted: EventFilter) -> list[Viewer]:
    """Return who saw a study (``wanted.subject``) or patient, latest first.

    Without a category both count: who looked at it here, and who took it away.
    """
    seen = wanted.model_copy(update={"outcome": "success", "category": None})
    categories: tuple[Category, ...] = (wanted.category,) if wanted.category else SEEING
    return [
        Viewer(
            actor_kind=kind,
            actor_id=actor_id,
            user_id=user_id,
            accesses=accesses,
            first=from_us(first),
            last=from_us(last),
        )
        for kind, actor_id, user_id, accesses, first, last in await repository.viewers(
            session, actor.org_id, seen, categories
        )
    ]


async def security_events(
    session: Session, actor: Actor, since: datetime, until: datetime
) -> list[SecurityEvent]:
    """Return lock-outs, failed logins, foreign-tenant attempts, mass export and mass access."""
    settings = AuditSettings()
    period = EventFilter(since=since, until=until)
    direct = period.model_copy(update={"category": "security"})
    rows = await repository.page(session, actor.org_id, direct, before=None, limit=SECURITY_ROWS)
    found = [
        SecurityEvent.model_construct(
            kind="event",
            at=from_us(row.at_us),
            action=row.action,
            actor_kind=row.actor_kind,
            actor_id=row.actor_id,
            user_id=row.user_id,
            address=row.address,
            outcome=row.outcome,
            count=1,
            event_id=row.id,
        )
        for row in rows
    ]
    limits: tuple[tuple[BusyKind, Category, int], ...] = (
        ("mass-export", "export", settings.mass_export_per_hour),
        ("mass-access", "access", settings.mass_access_per_hour),
    )
    for kind, category, least in limits:
        wanted = period.model_copy(update={"category": category, "outcome": "success"})
        busy = await repository.busy_hours(session, actor.org_id, wanted, at_least=least)
        found += [_busy_hour(kind, category, row) for row in busy]
    return sorted(found, key=lambda e: e.at, reverse=True)


def _busy_hour(kind: BusyKind, category: Category, row: Any) -> SecurityEvent:
    hour, actor_kind, actor_id, user_id, count = row
    return SecurityEvent.model_construct(
        kind=kind,
        at=from_us(int(hour) * repository.HOUR_US),
        action=category,
        actor_kind=actor_kind,
        actor_id=actor_id,
        user_id=user_id,
        address=None,
        outcome=None,
        count=count,
        event_id=None,
    )


async def compliance_report(
    db: Database, session: Session, actor: Actor, since: datetime, until: datetime
) -> ComplianceReport:
    """Return the figures of a period with the state of the log (its newest part is checked)."""
    period = EventFilter(since=since, until=until)
    actions = [
        ActionCount.model_construct(action=a, category=c, outcome=o, count=n)
        for a, c, o, n in await repository.action_counts(session, actor.org_id, period)
    ]
    accounts, patients = await repository.distinct_counts(session, actor.org_id, period)
    security = await security_events(session, actor, since, until)

    def total(**wanted: str) -> int:
        return sum(a.count for a in actions if all(getattr(a, k) == v for k, v in wanted.items()))

    return ComplianceReport(
        since=since,
        until=until,
        made_at=now(),
        events=total(),
        accesses=total(category="access", outcome="success"),
        refusals=total(outcome="refused"),
        failures=total(outcome="failed"),
        exports=total(category="export", outcome="success"),
        changes=total(category="change", outcome="success"),
        security_events=len(security),
        accounts=accounts,
        patients=patients,
        actions=actions,
        security=security,
        verification=await verify(db, after=await recent_start(session)),
    )


async def recent_start(session: Session) -> int:
    """Return the sequence after which a quick check of the log starts."""
    return max(0, await repository.largest_sequence(session) - VERIFY_RECENT)


async def _perfect_hash(session: Session, node: Node) -> bytes:
    stored = node.level - node.level % TILE_BITS
    count = 1 << (node.level - stored)
    if stored:
        hashes = await repository.nodes(session, stored, node.index * count, count)
    else:
        rows = await repository.sealed_between(session, node.start, node.start + node.size)
        hashes = [leaf_hash(entry_of(row[0], row[2:])) for row in rows]
    if len(hashes) != count:
        raise NotSealedYet("the tree lacks nodes; check the log with `healthvision audit verify`")
    return fold_perfect(hashes)


async def _range_hash(session: Session, part: Range) -> bytes:
    return fold_right([await _perfect_hash(session, node) for node in perfect_nodes(part)])


async def prove(db: Database, session: Session, actor: Actor, event_id: UUID) -> InclusionProof:
    """Return the proof that an event is in the newest signed tree.

    Raises AuditEventNotFound (also for events of other organisations) and NotSealedYet.
    """
    row = await repository.find(session, actor.org_id, event_id)
    if row is None:
        raise AuditEventNotFound("there is no such event")
    head = await repository.newest_head(session)
    if row.sequence is None or head is None or head.size < row.sequence:
        raise NotSealedYet("the event is not sealed yet; ask again in some seconds")
    sealed = await repository.sealed_between(session, row.sequence - 1, row.sequence)
    entry = entry_of(row.sequence, sealed[0][2:])
    ranges = inclusion_ranges(row.sequence - 1, head.size)
    signer = signer_of(db)
    return InclusionProof(
        event_id=row.id,
        leaf_index=row.sequence - 1,
        tree_size=head.size,
        entry=entry.decode(),
        leaf_hash=leaf_hash(entry).hex(),
        path=[(await _range_hash(session, part)).hex() for part in ranges],
        root=head.root.hex(),
        chain=head.chain.hex(),
        head_at=from_us(head.at_us),
        key_id=head.key_id,
        public_key=signer.public_bytes.hex(),
        signed=head.signed_text(),
        signature=head.signature.hex(),
    )
