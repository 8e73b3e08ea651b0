# SPDX-License-Identifier: Apache-2.0
"""Rows, audit and events of refused objects, in one transaction."""

from collections.abc import Sequence
from uuid import UUID

from healthvision.domains.archive.events import ObjectQuarantined
from healthvision.domains.archive.schemas import Origin, Received
from healthvision.domains.archive.tables import Quarantined
from healthvision.domains.audit import service as audit
from healthvision.domains.storage.ports import StoredObject
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.kernel.db import Session
from healthvision.kernel.events import publish
from healthvision.kernel.security import Actor


async def quarantine_rows(
    session: Session,
    actor: Actor,
    kept: Sequence[tuple[int, str, UUID, StoredObject, DicomRefused]],
    *,
    space_id: UUID | None,
    origin: Origin,
) -> dict[int, Received]:
    """Write rows, audit and events of refused objects whose bytes are kept."""
    answers: dict[int, Received] = {}
    for index, name, quarantine_id, stored, refusal in kept:
        row = Quarantined(
            id=quarantine_id,
            org_id=actor.org_id,
            space_id=space_id,
            reason=refusal.reason,
            detail=refusal.detail,
            field=refusal.field,
            origin=origin.kind,
            origin_detail=origin.detail,
            actor=f"{actor.kind}:{actor.id}",
            store=stored.store,
            object_key=stored.key,
            key_id=stored.key_id,
            size=stored.size,
            sha256=stored.sha256,
            state="held",
        )
        session.add(row)
        await audit.record(
            session,
            actor,
            "archive.object_quarantined",
            quarantine_id,
            kind="quarantine",
            space_id=space_id,
            outcome="refused",
            detail={"reason": refusal.reason, "sha256": stored.sha256},
        )
        event = ObjectQuarantined(
            org_id=actor.org_id, subject=quarantine_id, space_id=space_id, reason=refusal.reason
        )
        await publish(session, actor, event)
        answers[index] = Received(
            name=name,
            outcome="quarantined",
            quarantine_id=quarantine_id,
            reason=refusal.reason,
            detail=refusal.detail,
            field=refusal.field,
        )
    return answers
