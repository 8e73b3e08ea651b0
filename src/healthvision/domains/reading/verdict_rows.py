# SPDX-License-Identifier: Apache-2.0
"""SQL of verdicts; every query filters by organisation."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from healthvision.domains.reading.tables import VerdictRow
from healthvision.domains.reading.verdict_schemas import AgreementQuery, VerdictQuery
from healthvision.kernel.db import Session


async def insert(session: Session, row: VerdictRow) -> bool:
    """Insert a verdict; False when the reader has another active one (the index decides)."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return False
    return True


async def active_of(
    session: Session, org_id: UUID, result_id: UUID, tracking_uid: str, reader: str
) -> VerdictRow | None:
    """Return a reader's active verdict on a finding, locked until the transaction ends."""
    statement = select(VerdictRow).where(
        VerdictRow.org_id == org_id,
        VerdictRow.result_id == result_id,
        VerdictRow.tracking_uid == tracking_uid,
        VerdictRow.reader == reader,
        VerdictRow.active,
    )
    return await session.scalar(statement.with_for_update())


async def find(session: Session, org_id: UUID, verdict_id: UUID) -> VerdictRow | None:
    """Return one verdict, locked until the transaction ends."""
    mine = (VerdictRow.org_id == org_id, VerdictRow.id == verdict_id)
    return await session.scalar(select(VerdictRow).where(*mine).with_for_update())


async def of_result(session: Session, org_id: UUID, result_id: UUID) -> Sequence[VerdictRow]:
    """Return all verdicts on a result, newest first."""
    mine = (VerdictRow.org_id == org_id, VerdictRow.result_id == result_id)
    statement = select(VerdictRow).where(*mine).order_by(VerdictRow.id.desc())
    return (await session.scalars(statement)).all()


async def active_of_results(
    session: Session, org_id: UUID, result_ids: Collection[UUID]
) -> Sequence[VerdictRow]:
    """Return the active verdicts on some results, newest first."""
    mine = (VerdictRow.org_id == org_id, VerdictRow.result_id.in_(result_ids), VerdictRow.active)
    statement = select(VerdictRow).where(*mine).order_by(VerdictRow.id.desc())
    return (await session.scalars(statement)).all()


async def search(
    session: Session,
    org_id: UUID,
    space_ids: Collection[UUID],
    query: VerdictQuery,
    *,
    person: str,
    before: UUID | None,
) -> Sequence[VerdictRow]:
    """Return verdicts, newest first, one more than the limit when there are more."""
    where: list[ColumnElement[bool]] = [
        VerdictRow.org_id == org_id,
        VerdictRow.space_id.in_(space_ids),
        *_between(query.made_from, query.made_to),
    ]
    pairs = (
        (VerdictRow.study_id, query.study),
        (VerdictRow.application_id, query.application),
        (VerdictRow.application_version, query.application_version),
        (VerdictRow.decision, query.decision),
        (VerdictRow.reader, person if query.mine else None),
    )
    where += [column == value for column, value in pairs if value is not None]
    if query.active:
        where.append(VerdictRow.active.is_(True))
    if before is not None:
        where.append(VerdictRow.id < before)
    order = VerdictRow.id.desc()
    statement = select(VerdictRow).where(*where).order_by(order).limit(query.limit + 1)
    return (await session.scalars(statement)).all()


def _between(start: datetime | None, end: datetime | None) -> list[ColumnElement[bool]]:
    out: list[ColumnElement[bool]] = []
    if start is not None:
        out.append(VerdictRow.created_at >= start)
    if end is not None:
        out.append(VerdictRow.created_at <= end)
    return out


def counting(
    org_id: UUID, space_ids: Collection[UUID], query: AgreementQuery
) -> list[ColumnElement[bool]]:
    """Return the conditions for the verdicts that statistics count."""
    where: list[ColumnElement[bool]] = [
        VerdictRow.org_id == org_id,
        VerdictRow.space_id.in_(space_ids),
        VerdictRow.active.is_(True),
        *_between(query.made_from, query.made_to),
    ]
    if query.application is not None:
        where.append(VerdictRow.application_id == query.application)
    return where


async def grouped(session: Session, where: Sequence[ColumnElement[bool]]) -> Sequence[Any]:
    """Return (application, version, category, size band, confidence band, decision, number)."""
    columns = (
        VerdictRow.application_id,
        VerdictRow.application_version,
        VerdictRow.category,
        VerdictRow.size_band,
        VerdictRow.confidence_band,
        VerdictRow.decision,
    )
    statement = select(*columns, func.count()).where(*where).group_by(*columns)
    return (await session.execute(statement)).all()


async def heads(session: Session, where: Sequence[ColumnElement[bool]]) -> Sequence[Any]:
    """Return (application, version, number of results, number of readers)."""
    columns = (VerdictRow.application_id, VerdictRow.application_version)
    counts = (
        func.count(VerdictRow.result_id.distinct()),
        func.count(VerdictRow.reader.distinct()),
    )
    statement = select(*columns, *counts).where(*where).group_by(*columns).order_by(*columns)
    return (await session.execute(statement)).all()


async def double_read(session: Session, where: Sequence[ColumnElement[bool]]) -> Sequence[Any]:
    """Return (application, version, reader a, reader b, decision a, decision b, number).

    One thing judged by both readers counts once; a < b.
    """
    other = aliased(VerdictRow)
    same = and_(
        other.org_id == VerdictRow.org_id,
        other.result_id == VerdictRow.result_id,
        other.tracking_uid == VerdictRow.tracking_uid,
        other.reader > VerdictRow.reader,
        other.active,
    )
    columns = (
        VerdictRow.application_id,
        VerdictRow.application_version,
        VerdictRow.reader,
        other.reader,
        VerdictRow.decision,
        other.decision,
    )
    statement = select(*columns, func.count()).join(other, same).where(*where).group_by(*columns)
    return (await session.execute(statement)).all()


async def names(session: Session, where: Sequence[ColumnElement[bool]]) -> dict[str, str]:
    """Return reader -> a name the reader's verdicts carry."""
    columns = (VerdictRow.reader, func.max(VerdictRow.reader_name))
    rows = await session.execute(select(*columns).where(*where).group_by(VerdictRow.reader))
    return {reader: name for reader, name in rows}


async def purge_study(session: Session, org_id: UUID, study_id: UUID) -> None:
    """Remove the verdicts of a purged study."""
    mine = (VerdictRow.org_id == org_id, VerdictRow.study_id == study_id)
    await session.execute(delete(VerdictRow).where(*mine))
