# SPDX-License-Identifier: Apache-2.0
"""All SQL of the audit room."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

from healthvision.domains.audit.chain import GENESIS, SEALED_COLUMNS, UUID_COLUMNS, SignedHead
from healthvision.domains.audit.merkle import HASH_BYTES, Frontier, Node
from healthvision.domains.audit.rows import to_us
from healthvision.domains.audit.schemas import Category, EventFilter
from healthvision.domains.audit.tables import AuditEvent, AuditHead, AuditNode, AuditState
from healthvision.domains.audit.writer import TOTAL
from healthvision.kernel.db import Session

AnyRow = Row[*tuple[Any, ...]]
STATE = 1
HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Sealed:
    """One row that was just given its place."""

    id: str  # 32 hex digits
    sequence: int
    chain: bytes


def _raw_columns(session: Session) -> str:
    sqlite = session.get_bind().dialect.name == "sqlite"
    return ", ".join(
        f"replace(cast({c} as text), '-', '')" if c in UUID_COLUMNS and not sqlite else c
        for c in SEALED_COLUMNS
    )


async def unsealed(session: Session, limit: int) -> Sequence[AnyRow]:
    """Return committed rows without a place, by id, as ``SEALED_COLUMNS``."""
    sql = f"SELECT {_raw_columns(session)} FROM audit_events WHERE sequence IS NULL"
    return (await session.execute(text(f"{sql} ORDER BY id LIMIT :n"), {"n": limit})).all()


async def has_unsealed(session: Session) -> bool:
    """Tell whether a row waits for the sealer."""
    waiting = select(AuditEvent.id).where(AuditEvent.sequence.is_(None)).limit(1)
    return await session.scalar(waiting) is not None


async def sealed_between(session: Session, after: int, until: int) -> Sequence[AnyRow]:
    """Return sealed rows as (sequence, chain, *SEALED_COLUMNS) by sequence."""
    sql = (
        f"SELECT sequence, chain, {_raw_columns(session)} FROM audit_events "
        "WHERE sequence > :after AND sequence <= :until ORDER BY sequence"
    )
    return (await session.execute(text(sql), {"after": after, "until": until})).all()


async def chains_between(session: Session, after: int, until: int) -> dict[int, bytes]:
    """Return the stored chain hashes by sequence."""
    place = (AuditEvent.sequence > after, AuditEvent.sequence <= until)
    found = await session.execute(select(AuditEvent.sequence, AuditEvent.chain).where(*place))
    return {s: bytes(c or b"") for s, c in found if s is not None}


async def chain_at(session: Session, sequence: int) -> bytes | None:
    """Return the stored chain hash after a row; GENESIS before the first."""
    if sequence == 0:
        return GENESIS
    found = await session.scalar(select(AuditEvent.chain).where(AuditEvent.sequence == sequence))
    return None if found is None else bytes(found)


async def mark_sealed(session: Session, sealed: Sequence[Sealed]) -> None:
    """Write sequence and chain into the rows."""
    connection = await session.connection()
    statement = (
        update(AuditEvent.__table__)  # type: ignore[arg-type]
        .where(AuditEvent.id == bindparam("row_id"))
        .values(sequence=bindparam("place"), chain=bindparam("link"))
    )
    rows = [{"row_id": UUID(s.id), "place": s.sequence, "link": s.chain} for s in sealed]
    await connection.execute(statement, rows)


async def locked_state(session: Session) -> AuditState:
    """Return the end of the log, locked until the transaction ends; made at first use."""
    statement = select(AuditState).where(AuditState.id == STATE).with_for_update()
    state = await session.scalar(statement)
    if state is not None:
        return state
    fresh = AuditState(id=STATE, size=0, chain=GENESIS, frontier=b"")
    try:
        async with session.begin_nested():
            session.add(fresh)
    except IntegrityError:
        pass
    return (await session.scalars(statement)).one()


def frontier_of(state: AuditState) -> Frontier:
    """Return the tree as it was left."""
    raw = bytes(state.frontier)
    hashes = [raw[i : i + HASH_BYTES] for i in range(0, len(raw), HASH_BYTES)]
    return Frontier(state.size, hashes)


async def add_nodes(session: Session, nodes: Sequence[tuple[Node, bytes]]) -> None:
    """Keep finished nodes of stored levels."""
    if nodes:
        rows = [{"level": n.level, "position": n.index, "hash": h} for n, h in nodes]
        await session.execute(insert(AuditNode), rows)


async def nodes(session: Session, level: int, first: int, count: int) -> list[bytes]:
    """Return neighbouring stored nodes of one level."""
    place = (AuditNode.level == level, AuditNode.position >= first)
    until = AuditNode.position < first + count
    rows = select(AuditNode.hash).where(*place, until).order_by(AuditNode.position)
    return [bytes(h) for h in (await session.scalars(rows)).all()]


async def add_head(session: Session, head: SignedHead) -> None:
    """Keep a signed head."""
    session.add(
        AuditHead(
            size=head.size,
            root=head.root,
            chain=head.chain,
            at_us=head.at_us,
            key_id=head.key_id,
            signature=head.signature,
        )
    )
    await session.flush()


def _head(row: AuditHead) -> SignedHead:
    return SignedHead(
        row.size, bytes(row.root), bytes(row.chain), row.at_us, row.key_id, bytes(row.signature)
    )


async def heads_after(session: Session, size: int, limit: int = 1000) -> list[SignedHead]:
    """Return stored heads over a size, smallest first."""
    larger = select(AuditHead).where(AuditHead.size > size).order_by(AuditHead.size).limit(limit)
    return [_head(row) for row in (await session.scalars(larger)).all()]


async def newest_head(session: Session) -> SignedHead | None:
    """Return the stored head of the largest tree."""
    newest = select(AuditHead).order_by(AuditHead.size.desc()).limit(1)
    row = await session.scalar(newest)
    return None if row is None else _head(row)


async def count_sealed(session: Session) -> int:
    """Return the number of sealed rows."""
    sealed = AuditEvent.sequence.is_not(None)
    return await session.scalar(select(func.count()).where(sealed)) or 0


async def count_unsealed(session: Session) -> int:
    """Return the number of rows that wait for the sealer."""
    waiting = AuditEvent.sequence.is_(None)
    return await session.scalar(select(func.count()).where(waiting)) or 0


async def largest_sequence(session: Session) -> int:
    """Return the last place given."""
    return await session.scalar(select(func.max(AuditEvent.sequence))) or 0


async def find(session: Session, org_id: UUID, event_id: UUID) -> AuditEvent | None:
    """Return one event of an organisation."""
    mine = (AuditEvent.org_id == org_id, AuditEvent.id == event_id)
    return await session.scalar(select(AuditEvent).where(*mine))


async def is_foreign(session: Session, org_id: UUID, subjects: Sequence[str]) -> bool:
    """Tell whether a subject is known of other organisations, and not of this one."""
    known = select(AuditEvent.org_id).where(AuditEvent.subject.in_(subjects)).distinct()
    owners = set((await session.scalars(known)).all())
    return bool(owners) and org_id not in owners


def _like(pattern: str) -> str:
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%")


def conditions(org_id: UUID, wanted: EventFilter) -> list[ColumnElement[bool]]:
    """Return the WHERE parts of a filter, always with the organisation."""
    parts: list[ColumnElement[bool]] = [AuditEvent.org_id == org_id]
    for column, value in (
        (AuditEvent.user_id, wanted.user_id),
        (AuditEvent.actor_id, wanted.actor_id),
        (AuditEvent.patient_id, wanted.patient_id),
        (AuditEvent.subject, wanted.subject),
        (AuditEvent.space_id, wanted.space_id),
        (AuditEvent.outcome, wanted.outcome),
        (AuditEvent.category, wanted.category),
    ):
        if value is not None:
            parts.append(column == value)
    if wanted.action is not None:
        parts.append(AuditEvent.action.like(_like(wanted.action), escape="\\"))
    if wanted.since is not None:
        parts.append(AuditEvent.at_us >= to_us(wanted.since))
    if wanted.until is not None:
        parts.append(AuditEvent.at_us < to_us(wanted.until))
    return parts


async def page(
    session: Session,
    org_id: UUID,
    wanted: EventFilter,
    *,
    before: tuple[int, UUID] | None,
    limit: int,
) -> Sequence[AuditEvent]:
    """Return events, newest first, after the cursor (time, id)."""
    parts = conditions(org_id, wanted)
    if before is not None:
        at_us, event_id = before
        same = and_(AuditEvent.at_us == at_us, AuditEvent.id < event_id)
        parts.append(or_(AuditEvent.at_us < at_us, same))
    newest = (AuditEvent.at_us.desc(), AuditEvent.id.desc())
    return (
        await session.scalars(select(AuditEvent).where(*parts).order_by(*newest).limit(limit))
    ).all()


async def count(session: Session, org_id: UUID, wanted: EventFilter) -> int:
    """Return how many events match."""
    found = select(func.count()).where(*conditions(org_id, wanted))
    return await session.scalar(found) or 0


def _acts(org_id: UUID, wanted: EventFilter) -> list[ColumnElement[bool]]:
    """Return the WHERE parts for counting: the closing row of a window is no second act."""
    closing = AuditEvent.action.like(f"%{_like(TOTAL)}", escape="\\")
    return [*conditions(org_id, wanted), ~closing]


async def viewers(
    session: Session, org_id: UUID, wanted: EventFilter, categories: Sequence[Category]
) -> Sequence[AnyRow]:
    """Return (kind, id, user, accesses, first, last) per account for matching events."""
    who = (AuditEvent.actor_kind, AuditEvent.actor_id, AuditEvent.user_id)
    at = AuditEvent.at_us
    statement = (
        select(*who, func.count(), func.min(at), func.max(at))
        .where(*_acts(org_id, wanted), AuditEvent.category.in_(categories))
        .group_by(*who)
        .order_by(func.max(at).desc())
    )
    return (await session.execute(statement)).all()


async def action_counts(session: Session, org_id: UUID, wanted: EventFilter) -> Sequence[AnyRow]:
    """Return (action, category, outcome, count) for matching events."""
    what = (AuditEvent.action, AuditEvent.category, AuditEvent.outcome)
    counted = select(*what, func.count()).where(*_acts(org_id, wanted)).group_by(*what)
    return (await session.execute(counted.order_by(*what))).all()


async def distinct_counts(session: Session, org_id: UUID, wanted: EventFilter) -> AnyRow:
    """Return (accounts, patients) that occur in matching events."""
    accounts = func.count(func.distinct(AuditEvent.actor_id))
    patients = func.count(func.distinct(AuditEvent.patient_id))
    found = select(accounts, patients).where(*_acts(org_id, wanted))
    return (await session.execute(found)).one()


async def busy_hours(
    session: Session, org_id: UUID, wanted: EventFilter, *, at_least: int
) -> Sequence[AnyRow]:
    """Return (hour, kind, id, user, count) where one account did much within a clock hour."""
    hour = (AuditEvent.at_us // HOUR_US).label("hour")
    who = (AuditEvent.actor_kind, AuditEvent.actor_id, AuditEvent.user_id)
    statement = (
        select(hour, *who, func.count())
        .where(*_acts(org_id, wanted))
        .group_by(hour, *who)
        .having(func.count() >= at_least)
        .order_by(hour.desc())
    )
    return (await session.execute(statement)).all()
