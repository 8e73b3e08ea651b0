# SPDX-License-Identifier: Apache-2.0
"""All SQL of the spaces room."""

from collections.abc import Collection, Sequence
from typing import Any, cast
from uuid import UUID

from sqlalchemy import BindParameter, Connection, Row, Table, bindparam, delete, select
from sqlalchemy.exc import IntegrityError

from healthvision.domains.spaces.errors import AeExists, SpaceExists
from healthvision.domains.spaces.tables import CalledAe, RemoteAe, Space, SpaceGrant
from healthvision.kernel.db import Session
from healthvision.kernel.statements import Statement

_SPACES = cast("Table", Space.__table__)
_GRANTS = cast("Table", SpaceGrant.__table__)
_ORG: BindParameter[Any] = bindparam("org")
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_BY_ID = Statement(select(_SPACES).where(_SPACES.c.org_id == _ORG, _SPACES.c.id.in_(_IDS)))
_BY_SLUG = Statement(
    select(_SPACES).where(_SPACES.c.org_id == _ORG, _SPACES.c.slug == bindparam("slug"))
)
_GRANTS_IN = Statement(
    select(_GRANTS).where(_GRANTS.c.org_id == _ORG, _GRANTS.c.space_id.in_(_IDS))
)


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


def rows_on(
    connection: Connection, org_id: UUID, space_ids: Collection[UUID]
) -> Sequence[Row[Any]]:
    """Return spaces by id on a sync connection."""
    return _BY_ID.records(connection, {"org": org_id, "ids": list(space_ids)})


def row_on(connection: Connection, org_id: UUID, slug_or_id: UUID | str) -> Row[Any] | None:
    """Return a space by its id or slug on a sync connection."""
    wanted = _as_id(slug_or_id)
    if wanted is not None:
        found = _BY_ID.records(connection, {"org": org_id, "ids": [wanted]})
    else:
        found = _BY_SLUG.records(connection, {"org": org_id, "slug": slug_or_id})
    return found[0] if found else None


def grants_on(
    connection: Connection, org_id: UUID, space_ids: Collection[UUID]
) -> Sequence[Row[Any]]:
    """Return the rights granted in some spaces on a sync connection."""
    return _GRANTS_IN.records(connection, {"org": org_id, "ids": list(space_ids)})


async def add(session: Session, row: Space) -> None:
    """Insert a space; raises SpaceExists when its slug is taken."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise SpaceExists(f"there is a space {row.slug!r}", slug=row.slug) from None


async def remove(session: Session, row: Space) -> None:
    """Delete a space, its grants and the AE titles that lead to it."""
    await session.execute(
        delete(CalledAe).where(CalledAe.org_id == row.org_id, CalledAe.space_id == row.id)
    )
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


async def called_ae(session: Session, title: str) -> CalledAe | None:
    """Return the title under which we are called, of whatever organisation: titles are unique."""
    return (await session.scalars(select(CalledAe).where(CalledAe.title == title))).one_or_none()


async def called_aes(session: Session, org_id: UUID) -> Sequence[CalledAe]:
    """Return the titles of an organisation."""
    query = select(CalledAe).where(CalledAe.org_id == org_id).order_by(CalledAe.title)
    return (await session.scalars(query)).all()


async def remote_ae(session: Session, org_id: UUID, title: str) -> RemoteAe | None:
    """Return a remote AE of an organisation by its title."""
    query = select(RemoteAe).where(RemoteAe.org_id == org_id, RemoteAe.title == title)
    return (await session.scalars(query)).one_or_none()


async def remote_aes(session: Session, org_id: UUID) -> Sequence[RemoteAe]:
    """Return the remote AEs of an organisation."""
    query = select(RemoteAe).where(RemoteAe.org_id == org_id).order_by(RemoteAe.title)
    return (await session.scalars(query)).all()


async def add_ae(session: Session, row: CalledAe | RemoteAe) -> None:
    """Insert a title; raises AeExists when it is taken."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise AeExists(f"the AE title {row.title!r} is taken") from None
