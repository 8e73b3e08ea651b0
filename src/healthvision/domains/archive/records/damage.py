# SPDX-License-Identifier: Apache-2.0
"""Damage is told once: a mark on the instance, an audit row and an event."""

from collections.abc import Collection
from uuid import UUID

from healthvision.domains.archive.events import DamageFound
from healthvision.domains.archive.records import pack_rows
from healthvision.domains.audit import service as audit
from healthvision.kernel.db import Session
from healthvision.kernel.events import publish
from healthvision.kernel.security import Actor
from healthvision.kernel.telemetry import logger

_log = logger("archive.damage")


async def note(
    session: Session,
    org_id: UUID,
    study_id: UUID,
    instances: Collection[UUID],
    *,
    parts: Collection[str] = (),
) -> None:
    """Note instances of a study whose bytes are damaged, and damaged parts of its objects.

    What was noted before is not told again.
    """
    new = await pack_rows.mark_damaged(session, org_id, instances)
    if not new and not parts:
        return
    _log.error("stored bytes damaged", study=str(study_id), instances=len(new), parts=len(parts))
    actor = Actor.system(org_id)
    detail = {"instances": [str(i) for i in new], "parts": sorted(parts)}
    await audit.record(
        session,
        actor,
        "archive.damage_found",
        study_id,
        kind="study",
        outcome="failed",
        detail=detail,
    )
    await publish(
        session,
        actor,
        DamageFound(org_id=org_id, subject=study_id, instances=len(new), parts=len(parts)),
    )
