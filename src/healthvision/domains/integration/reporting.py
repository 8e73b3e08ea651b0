# SPDX-License-Identifier: Apache-2.0
"""Event reports of work items (PS3.4 CC.2.4) to their subscribers, written with the change."""

from collections.abc import Iterable

from healthvision.domains.integration import repository
from healthvision.domains.integration.documents import (
    CANCEL_REASON,
    PROGRESS,
    SOP_CLASS,
    SOP_UID,
    STATE,
    first,
    matches,
)
from healthvision.domains.integration.schemas import UPS_CLASS, Json
from healthvision.domains.integration.tables import (
    Workitem,
    WorkitemReport,
    WorkitemSubscription,
)
from healthvision.kernel.db import Session

STATE_REPORT, CANCEL_REQUESTED, PROGRESS_REPORT = 1, 2, 3
MAX_INITIAL = 1000


def report_document(item: Workitem, kind: int, more: Json) -> Json:
    """Return an event report as DICOM JSON (PS3.18 11.13.1)."""
    document = {
        "00000002": {"vr": "UI", "Value": [UPS_CLASS]},
        "00001000": {"vr": "UI", "Value": [item.uid]},
        "00001002": {"vr": "US", "Value": [kind]},
        SOP_CLASS: {"vr": "UI", "Value": [UPS_CLASS]},
        SOP_UID: {"vr": "UI", "Value": [item.uid]},
    }
    if kind == STATE_REPORT:
        document[STATE] = {"vr": "CS", "Value": [item.state]}
        ready = first(item.document, "00404041")
        document["00404041"] = {"vr": "CS", "Value": [ready]}
    if kind == PROGRESS_REPORT and PROGRESS in item.document:
        document[PROGRESS] = item.document[PROGRESS]
    return dict(sorted({**document, **more}.items()))


async def report(session: Session, item: Workitem, kind: int, more: Json | None = None) -> int:
    """Write a report for each subscriber of an item; returns how many there are."""
    rows = await repository.subscriptions(session, item.org_id, item.space_id, item.uid)
    hearers = list(_hearers(item, rows))
    document = report_document(item, kind, more or {})
    for ae_title, account in hearers:
        session.add(
            WorkitemReport(
                org_id=item.org_id,
                space_id=item.space_id,
                ae_title=ae_title,
                account=account,
                document=document,
            )
        )
    await session.flush()
    return len(hearers)


def _hearers(item: Workitem, rows: Iterable[WorkitemSubscription]) -> Iterable[tuple[str, str]]:
    """Return who hears of an item; a row of the item itself decides over the worklist's."""
    chosen: dict[tuple[str, str], bool] = {}
    for row in rows:
        who = (row.ae_title, row.account)
        if row.workitem_uid:
            chosen[who] = not row.off
        elif who not in chosen:
            late = row.suspended and item.created_at > row.since
            filters = {k: str(v) for k, v in row.filters.items()}
            chosen[who] = not late and matches(item.document, filters)
    return [who for who, hears in chosen.items() if hears]


def reason_of(request: Json) -> Json:
    """Return what a cancellation report tells of the request (reason and contact)."""
    kept = (CANCEL_REASON, "0074100E", "0074100A", "0074100C")
    return {tag: request[tag] for tag in kept if tag in request}
