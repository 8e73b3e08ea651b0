# SPDX-License-Identifier: Apache-2.0
"""SQL of reports; every query filters by organisation."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, delete, or_, select
from sqlalchemy.exc import IntegrityError

from healthvision.domains.reading.report_schemas import ReportQuery
from healthvision.domains.reading.tables import ReportRow, ReportVersion
from healthvision.kernel.db import Session


async def insert(session: Session, row: ReportRow) -> bool:
    """Insert a report; False when the study has one."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return False
    return True


async def of_study(session: Session, org_id: UUID, study_id: UUID) -> ReportRow | None:
    """Return the report of a study."""
    mine = (ReportRow.org_id == org_id, ReportRow.study_id == study_id)
    return await session.scalar(select(ReportRow).where(*mine))


async def find(
    session: Session, org_id: UUID, report_id: UUID, *, lock: bool = False
) -> ReportRow | None:
    """Return one report; ``lock`` holds its row until the transaction ends."""
    statement = select(ReportRow).where(ReportRow.org_id == org_id, ReportRow.id == report_id)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return await session.scalar(statement)


async def versions(session: Session, org_id: UUID, report_id: UUID) -> Sequence[ReportVersion]:
    """Return the signed versions and addenda of a report, in order."""
    mine = (ReportVersion.org_id == org_id, ReportVersion.report_id == report_id)
    statement = select(ReportVersion).where(*mine).order_by(ReportVersion.number)
    return (await session.scalars(statement)).all()


async def search(
    session: Session,
    org_id: UUID,
    space_ids: Collection[UUID] | None,
    query: ReportQuery,
    *,
    person: str,
    before: UUID | None,
) -> Sequence[ReportRow]:
    """Return reports, newest first, one more than the limit when there are more.

    ``space_ids`` None: the caller has seen to it that the studies are visible.
    """
    where: list[ColumnElement[bool]] = [ReportRow.org_id == org_id]
    if space_ids is not None:
        where.append(ReportRow.space_id.in_(space_ids))
    pairs = (
        (ReportRow.study_id, query.study),
        (ReportRow.patient_ref, query.patient),
        (ReportRow.state, query.state),
    )
    where += [column == value for column, value in pairs if value is not None]
    if query.mine:
        where.append(or_(ReportRow.author == person, ReportRow.reviewer == person))
    if before is not None:
        where.append(ReportRow.id < before)
    order = ReportRow.id.desc()
    statement = select(ReportRow).where(*where).order_by(order).limit(query.limit + 1)
    return (await session.scalars(statement)).all()


async def purge_study(session: Session, org_id: UUID, study_id: UUID) -> None:
    """Remove the report of a purged study with all versions."""
    mine = (ReportRow.org_id == org_id, ReportRow.study_id == study_id)
    reports = select(ReportRow.id).where(*mine)
    await session.execute(delete(ReportVersion).where(ReportVersion.report_id.in_(reports)))
    await session.execute(delete(ReportRow).where(*mine))
