# SPDX-License-Identifier: Apache-2.0
"""SQL of uploads and quarantine; every query filters by organisation."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.sql.elements import ColumnElement

from healthvision.domains.archive.tables import Quarantined, Upload
from healthvision.kernel.db import Session


async def find_upload(
    session: Session, org_id: UUID, upload_id: UUID, *, lock: bool = False
) -> Upload | None:
    """Return an upload; with ``lock`` nobody else changes it until the transaction ends."""
    query = select(Upload).where(Upload.org_id == org_id, Upload.id == upload_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return (await session.scalars(query)).one_or_none()


async def uploads(
    session: Session,
    org_id: UUID,
    space_ids: Collection[UUID],
    *,
    after: UUID | None,
    limit: int,
) -> Sequence[Upload]:
    """Return uploads into some spaces, newest first."""
    query = select(Upload).where(Upload.org_id == org_id, Upload.space_id.in_(space_ids))
    if after is not None:
        query = query.where(Upload.id < after)
    return (await session.scalars(query.order_by(Upload.id.desc()).limit(limit))).all()


async def expired_uploads(session: Session, at: datetime, limit: int) -> Sequence[Upload]:
    """Return uploads of all organisations whose time is over while they wait for bytes."""
    query = select(Upload).where(Upload.state == "waiting", Upload.expires_at < at)
    return (await session.scalars(query.order_by(Upload.expires_at).limit(limit))).all()


async def unswept_uploads(session: Session, at: datetime, limit: int) -> Sequence[Upload]:
    """Return ended uploads whose URLs have run out since, and whose staging was not looked at."""
    query = select(Upload).where(
        Upload.state.in_(("done", "failed")), Upload.swept.is_(False), Upload.expires_at < at
    )
    return (await session.scalars(query.order_by(Upload.expires_at).limit(limit))).all()


async def find_quarantined(
    session: Session, org_id: UUID, quarantine_id: UUID
) -> Quarantined | None:
    """Return a refused object, locked until the transaction ends."""
    query = select(Quarantined).where(Quarantined.org_id == org_id, Quarantined.id == quarantine_id)
    query = query.with_for_update().execution_options(populate_existing=True)
    return (await session.scalars(query)).one_or_none()


async def quarantined(
    session: Session,
    org_id: UUID,
    *,
    state: str | None,
    reason: str | None,
    after: UUID | None,
    limit: int,
) -> Sequence[Quarantined]:
    """Return refused objects, newest first."""
    query = select(Quarantined).where(*_wanted(org_id, state, reason))
    if after is not None:
        query = query.where(Quarantined.id < after)
    return (await session.scalars(query.order_by(Quarantined.id.desc()).limit(limit))).all()


async def count_quarantined(
    session: Session, org_id: UUID, *, state: str | None, reason: str | None
) -> int:
    """Return how many refused objects there are."""
    query = select(func.count()).select_from(Quarantined).where(*_wanted(org_id, state, reason))
    return await session.scalar(query) or 0


def _wanted(org_id: UUID, state: str | None, reason: str | None) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = [Quarantined.org_id == org_id]
    if state is not None:
        wanted.append(Quarantined.state == state)
    if reason is not None:
        wanted.append(Quarantined.reason == reason)
    return wanted
