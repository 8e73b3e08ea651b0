# SPDX-License-Identifier: Apache-2.0
"""Queries of the model hub."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from healthvision.domains.modelhub.tables import ModelSetting
from healthvision.kernel.db import Session


async def settings_of(session: Session, org_id: UUID) -> dict[str, ModelSetting]:
    """Return the organisation's decisions by application id."""
    found: Sequence[ModelSetting] = (
        await session.scalars(select(ModelSetting).where(ModelSetting.org_id == org_id))
    ).all()
    return {row.application_id: row for row in found}


async def setting(session: Session, org_id: UUID, application_id: str) -> ModelSetting | None:
    """Return the organisation's decision about one application."""
    mine = (ModelSetting.org_id == org_id, ModelSetting.application_id == application_id)
    return await session.scalar(select(ModelSetting).where(*mine))
