# SPDX-License-Identifier: Apache-2.0
"""All SQL of the integration room's work items; every query filters by organisation."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from healthvision.domains.integration.errors import WorkitemExists
from healthvision.domains.integration.tables import (
    Workitem,
    WorkitemReport,
    WorkitemSubscription,
)
from healthvision.kernel.db import Session


async def add(session: Session, row: Workitem) -> None:
    """Insert a work item; raises WorkitemExists."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise WorkitemExists("a work item with this UID exists") from None


async def find(
    session: Session, org_id: UUID, space_id: UUID, uid: str, *, lock: bool = False
) -> Workitem | None:
    """Return a work item of a space; with ``lock`` nobody else changes it meanwhile."""
    query = select(Workitem).where(
        Workitem.org_id == org_id, Workitem.space_id == space_id, Workitem.uid == uid
    )
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return (await session.scalars(query)).one_or_none()


async def page(
    session: Session,
    org_id: UUID,
    space_id: UUID,
    *,
    states: Collection[str],
    patient_id: str,
    after: UUID | None,
    limit: int,
) -> Sequence[Workitem]:
    """Return work items of a space, oldest first; empty conditions match everything."""
    query = select(Workitem).where(Workitem.org_id == org_id, Workitem.space_id == space_id)
    if states:
        query = query.where(Workitem.state.in_(states))
    if patient_id:
        query = query.where(Workitem.patient_id == patient_id)
    if after is not None:
        query = query.where(Workitem.id > after)
    return (await session.scalars(query.order_by(Workitem.id).limit(limit))).all()


async def subscriptions(
    session: Session, org_id: UUID, space_id: UUID, uid: str
) -> Sequence[WorkitemSubscription]:
    """Return the subscriptions to one work item and to the worklist of a space."""
    query = select(WorkitemSubscription).where(
        WorkitemSubscription.org_id == org_id,
        WorkitemSubscription.space_id == space_id,
        WorkitemSubscription.workitem_uid.in_(["", uid]),
    )
    return (await session.scalars(query.order_by(WorkitemSubscription.id))).all()


async def subscription(
    session: Session, org_id: UUID, space_id: UUID, who: tuple[str, str], uid: str
) -> WorkitemSubscription | None:
    """Return one subscription; ``who``: AE title and account, ``uid``: '' for the worklist."""
    query = select(WorkitemSubscription).where(
        WorkitemSubscription.org_id == org_id,
        WorkitemSubscription.space_id == space_id,
        WorkitemSubscription.ae_title == who[0],
        WorkitemSubscription.account == who[1],
        WorkitemSubscription.workitem_uid == uid,
    )
    return (await session.scalars(query)).one_or_none()


async def reports(
    session: Session, org_id: UUID, space_id: UUID, who: tuple[str, str], limit: int
) -> Sequence[WorkitemReport]:
    """Return the oldest reports that wait for a subscriber."""
    query = select(WorkitemReport).where(
        WorkitemReport.org_id == org_id,
        WorkitemReport.space_id == space_id,
        WorkitemReport.ae_title == who[0],
        WorkitemReport.account == who[1],
    )
    return (await session.scalars(query.order_by(WorkitemReport.id).limit(limit))).all()


async def drop_reports(session: Session, org_id: UUID, ids: Collection[UUID]) -> None:
    """Delete reports that were sent."""
    gone = delete(WorkitemReport).where(WorkitemReport.org_id == org_id)
    await session.execute(gone.where(WorkitemReport.id.in_(ids)))
