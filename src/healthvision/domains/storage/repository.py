# SPDX-License-Identifier: Apache-2.0
"""All SQL of the storage room."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from healthvision.domains.storage.tables import OrgKey
from healthvision.kernel.db import Session


async def newest_key(session: Session, org_id: UUID) -> OrgKey | None:
    """Return the key that seals new objects of an organisation."""
    query = select(OrgKey).where(OrgKey.org_id == org_id).order_by(OrgKey.version.desc()).limit(1)
    return (await session.scalars(query)).first()


async def find_key(session: Session, org_id: UUID, key_id: UUID) -> OrgKey | None:
    """Return one key of an organisation."""
    query = select(OrgKey).where(OrgKey.org_id == org_id, OrgKey.id == key_id)
    return (await session.scalars(query)).one_or_none()


async def add_key(session: Session, row: OrgKey) -> bool:
    """Insert a key; False when another one has this version."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return False
    return True
