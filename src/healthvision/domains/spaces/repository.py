# SPDX-License-Identifier: Apache-2.0
"""All SQL of the spaces room."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from healthvision.domains.spaces.errors import SpaceExists
from healthvision.domains.spaces.tables import Space, SpaceGrant
from healthvision.kernel.db import Session


async def find(session: Session, org_id: UUID, slug_or_id: UUID | str) -> Space | None:
    """Return a space by its id or slug."""
    query = select(Space).where(Space.org_id == org_id)
    wanted = _as_id(slug_or_id)
    query = query.where(Space.id == wanted) if wanted else query.where(Space.slug == slug_or_id)
    return (await session.scalars(query)).one_or_none()


def _as_id(value: UUID | str) -> UUID | None:
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value) if len(value) == 36 else None
    except ValueError:
        return None


async def all_of(session: Session, org_id: UUID) -> Sequence[Space]:
    """Return all spaces of an organisation, oldest first."""
    query = select(Space).where(Space.org_id == org_id).order_by(Space.id)
    return (await session.scalars(query)).all()


async def add(session: Session, row: Space) -> None:
    """Insert a space; raises SpaceExists when its slug is taken."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise SpaceExists(f"there is a space {row.slug!r}", slug=row.slug) from None


async def remove(session: Session, row: Space) -> None:
    """Delete a space and its grants."""
    await session.execute(
        delete(SpaceGrant).where(SpaceGrant.org_id == row.org_id, SpaceGrant.space_id == row.id)
    )
    await session.delete(row)
    await session.flush()


async def grants(session: Session, org_id: UUID, space_id: UUID) -> Sequence[SpaceGrant]:
    """Return the rights granted in a space."""
    query = select(SpaceGrant).where(SpaceGrant.org_id == org_id, SpaceGrant.space_id == space_id)
    return (await session.scalars(query.order_by(SpaceGrant.id))).all()


async def all_grants(session: Session, org_id: UUID) -> Sequence[SpaceGrant]:
    """Return the rights granted in all spaces of an organisation."""
    query = select(SpaceGrant).where(SpaceGrant.org_id == org_id)
    return (await session.scalars(query)).all()


async def find_grant(
    session: Session, org_id: UUID, space_id: UUID, kind: str, principal: str, right: str
) -> SpaceGrant | None:
    """Return one granted right."""
    query = select(SpaceGrant).where(
        SpaceGrant.org_id == org_id,
        SpaceGrant.space_id == space_id,
        SpaceGrant.kind == kind,
        SpaceGrant.principal == principal,
        SpaceGrant.right == right,
    )
    return (await session.scalars(query)).one_or_none()


async def remove_grant(
    session: Session, org_id: UUID, space_id: UUID, grant_id: UUID
) -> SpaceGrant | None:
    """Delete one granted right and return it; None when there is none."""
    query = select(SpaceGrant).where(
        SpaceGrant.org_id == org_id, SpaceGrant.space_id == space_id, SpaceGrant.id == grant_id
    )
    row = (await session.scalars(query)).one_or_none()
    if row is not None:
        await session.delete(row)
        await session.flush()
    return row
