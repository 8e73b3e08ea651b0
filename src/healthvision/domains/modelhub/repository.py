# SPDX-License-Identifier: Apache-2.0
"""Queries of the model hub."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, delete, func, or_, select, update

from healthvision.domains.modelhub.errors import AdditionNotFound
from healthvision.domains.modelhub.tables import ModelAddition, ModelSetting
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


async def addition(session: Session, org_id: UUID, addition_id: UUID) -> ModelAddition:
    """Return one addition of the organisation; raises AdditionNotFound."""
    mine = (ModelAddition.org_id == org_id, ModelAddition.id == addition_id)
    found = await session.scalar(select(ModelAddition).where(*mine))
    if found is None:
        raise AdditionNotFound("there is no such addition")
    return found


async def step(
    session: Session, org_id: UUID, addition_id: UUID, before: Sequence[str], after: str
) -> bool:
    """Bring an addition from one of the states ``before`` to ``after``; False when in none."""
    mine = (ModelAddition.org_id == org_id, ModelAddition.id == addition_id)
    done = await session.execute(
        update(ModelAddition)
        .where(*mine, ModelAddition.state.in_(before))
        .values(state=after)
        .returning(ModelAddition.id)
        .execution_options(synchronize_session="fetch")
    )
    return done.scalar() is not None


async def count_additions(session: Session, org_id: UUID, states: Sequence[str]) -> int:
    """Count the organisation's additions in some states."""
    mine = (ModelAddition.org_id == org_id, ModelAddition.state.in_(states))
    found = await session.scalar(select(func.count()).select_from(ModelAddition).where(*mine))
    return found or 0


async def sweep_additions(session: Session, unsent: datetime, ended: datetime) -> None:
    """Delete, in all organisations, what was never sent and what ended, before two times."""
    await session.execute(
        delete(ModelAddition).where(
            or_(
                and_(ModelAddition.state == "waiting", ModelAddition.expires_at < unsent),
                ModelAddition.finished_at < ended,
            )
        )
    )
