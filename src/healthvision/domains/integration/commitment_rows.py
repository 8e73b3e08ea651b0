# SPDX-License-Identifier: Apache-2.0
"""All SQL of storage commitments; every query filters by organisation."""

from uuid import UUID

from sqlalchemy import select

from healthvision.domains.integration.tables import Commitment
from healthvision.kernel.db import Session


async def get(session: Session, org_id: UUID, wanted: UUID) -> Commitment | None:
    """Return one commitment."""
    mine = (Commitment.org_id == org_id, Commitment.id == wanted)
    return (await session.scalars(select(Commitment).where(*mine))).one_or_none()


async def find(session: Session, org_id: UUID, peer: str, uid: str) -> Commitment | None:
    """Return the commitment with a transaction UID between us and an AE."""
    mine = (
        Commitment.org_id == org_id,
        Commitment.peer == peer,
        Commitment.transaction_uid == uid,
    )
    return (await session.scalars(select(Commitment).where(*mine))).one_or_none()
