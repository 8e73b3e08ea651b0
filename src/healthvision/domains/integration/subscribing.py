# SPDX-License-Identifier: Apache-2.0
"""Subscriptions to work items and to the worklist of a space (PS3.18 11.9 to 11.13)."""

from collections.abc import Collection, Sequence
from uuid import UUID

from healthvision.domains.audit import service as audit
from healthvision.domains.integration import repository
from healthvision.domains.integration.documents import matches
from healthvision.domains.integration.errors import BadWorkitem, WorkitemNotFound
from healthvision.domains.integration.reporting import (
    MAX_INITIAL,
    STATE_REPORT,
    report_document,
)
from healthvision.domains.integration.schemas import FILTERED, Report, Wish
from healthvision.domains.integration.tables import (
    Workitem,
    WorkitemReport,
    WorkitemSubscription,
)
from healthvision.domains.spaces import service as spaces
from healthvision.kernel.clock import now
from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor


async def subscribe(session: Session, actor: Actor, space: UUID | str, wish: Wish) -> None:
    """Subscribe the caller's account under an AE title; reports of the present state follow.

    Raises WorkitemNotFound, and BadWorkitem for a filtered worklist without a filter.
    """
    place = await spaces.get(session, actor, space)
    if wish.target == FILTERED and not wish.filters:
        raise BadWorkitem("the filtered worklist needs the parameter 'filter'")
    items = await _items(session, actor, place.id, wish)
    who = (wish.ae_title, actor.id)
    row = await repository.subscription(session, actor.org_id, place.id, who, wish.uid)
    if row is None:
        row = WorkitemSubscription(
            org_id=actor.org_id,
            space_id=place.id,
            ae_title=wish.ae_title,
            account=actor.id,
            workitem_uid=wish.uid,
        )
        session.add(row)
    row.filters = dict(wish.filters)
    row.deletion_lock, row.suspended, row.off = wish.deletion_lock, False, False
    row.since = now()
    for item in items:
        session.add(
            WorkitemReport(
                org_id=actor.org_id,
                space_id=place.id,
                ae_title=wish.ae_title,
                account=actor.id,
                document=report_document(item, STATE_REPORT, {}),
            )
        )
    await session.flush()
    await _note(session, actor, row, "subscribed")


async def _items(session: Session, actor: Actor, space_id: UUID, wish: Wish) -> Sequence[Workitem]:
    """Return the present items of a subscription."""
    if wish.uid:
        found = await repository.find(session, actor.org_id, space_id, wish.uid)
        if found is None:
            raise WorkitemNotFound("there is no such work item")
        return [found]
    rows = await repository.page(
        session,
        actor.org_id,
        space_id,
        states=(),
        patient_id="",
        after=None,
        limit=MAX_INITIAL,
    )
    return [r for r in rows if matches(r.document, wish.filters)]


async def unsubscribe(session: Session, actor: Actor, space: UUID | str, wish: Wish) -> None:
    """End a subscription; of an item it also holds against the worklist's.

    Raises WorkitemNotFound when there is neither.
    """
    place = await spaces.get(session, actor, space)
    who = (wish.ae_title, actor.id)
    row = await repository.subscription(session, actor.org_id, place.id, who, wish.uid)
    whole = await repository.subscription(session, actor.org_id, place.id, who, "")
    if row is None and (whole is None or not wish.uid):
        raise WorkitemNotFound("there is no such subscription")
    if not wish.uid or whole is None:
        assert row is not None
        await _note(session, actor, row, "unsubscribed")
        await session.delete(row)
        return
    if row is None:
        await _items(session, actor, place.id, wish)
        row = WorkitemSubscription(
            org_id=actor.org_id,
            space_id=place.id,
            ae_title=wish.ae_title,
            account=actor.id,
            workitem_uid=wish.uid,
            filters={},
        )
        session.add(row)
    row.off, row.deletion_lock = True, False
    await session.flush()
    await _note(session, actor, row, "unsubscribed")


async def suspend(session: Session, actor: Actor, space: UUID | str, ae_title: str) -> None:
    """Keep the worklist's present items and add no new ones; raises WorkitemNotFound."""
    place = await spaces.get(session, actor, space)
    who = (ae_title, actor.id)
    row = await repository.subscription(session, actor.org_id, place.id, who, "")
    if row is None:
        raise WorkitemNotFound("there is no such subscription")
    row.suspended, row.since = True, now()
    await session.flush()
    await _note(session, actor, row, "suspended")


async def _note(session: Session, actor: Actor, row: WorkitemSubscription, what: str) -> None:
    await audit.record(
        session,
        actor,
        f"integration.worklist_{what}",
        row.id,
        kind="workitem_subscription",
        space_id=row.space_id,
        detail={"workitem": row.workitem_uid, "deletion_lock": row.deletion_lock},
    )


async def fetch_reports(
    session: Session, actor: Actor, space: UUID | str, ae_title: str, *, limit: int = 100
) -> list[Report]:
    """Return the oldest reports that wait for the caller under an AE title."""
    place = await spaces.get(session, actor, space)
    who = (ae_title, actor.id)
    rows = await repository.reports(session, actor.org_id, place.id, who, limit)
    return [Report(r.id, r.document) for r in rows]


async def reports_sent(session: Session, actor: Actor, ids: Collection[UUID]) -> None:
    """Forget reports that the subscriber has."""
    await repository.drop_reports(session, actor.org_id, ids)
