# SPDX-License-Identifier: Apache-2.0
"""Whether a subscription's maker, or the owner of an inbox, may hear of an event."""

from uuid import UUID

from healthvision.domains.notify.ports import EventGuard, News
from healthvision.domains.notify.tables import Delivery
from healthvision.kernel.db import Session, resources_of


async def may_hear(session: Session, account: str, row: Delivery) -> bool:
    """Tell whether an account may hear of a delivery's event, with its rights of now."""
    return await allows(session, row.org_id, account, News(row.topic, row.subject, row.body))


async def allows(session: Session, org_id: UUID, account: str, news: News) -> bool:
    """Tell whether an account may hear of an event; everybody where no room guards events."""
    resources = resources_of(session)
    if not resources.has(EventGuard):
        return True
    guard = resources.get(EventGuard)  # type: ignore[type-abstract]
    return await guard.may_hear(session, org_id, account, news)
