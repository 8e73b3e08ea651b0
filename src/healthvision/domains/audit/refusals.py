# SPDX-License-Identifier: Apache-2.0
"""Refused requests in the log: missing rights, and attempts on things of other organisations."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from healthvision.domains.audit import repository
from healthvision.domains.audit.recording import record_now
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Problem
from healthvision.kernel.security import Actor

_ID = re.compile(r"[0-9a-fA-F-]{32,36}")
MAX_IDS = 8


@dataclass(frozen=True, slots=True)
class Refusals:
    """The RefusalLog of ``kernel/http.py``.

    Every 403 is recorded. A 404 is recorded when the address names a thing: as a security event
    (``access.foreign_tenant``) when that thing is another organisation's. Ids only: what else
    stands in an address may be personal.
    """

    db: Database

    async def refused(
        self, actor: Actor, problem: Problem, *, route: str, parameters: Mapping[str, str]
    ) -> None:
        """Record one refusal; raises AuditUnavailable (503)."""
        found = [v for v in parameters.values() if _ID.fullmatch(v)]
        ids = [text.lower() for text in found[:MAX_IDS]]
        if problem.status == 404 and not ids:
            return
        action = "access.refused" if problem.status == 403 else "access.not_found"
        if problem.status == 404:
            async with self.db.reading() as session:
                if await repository.is_foreign(session, actor.org_id, ids):
                    action = "access.foreign_tenant"
        await record_now(
            self.db,
            actor,
            action,
            ids[0] if ids else None,
            detail={"route": route, "problem": problem.code, "ids": ids},
            category=None if action == "access.foreign_tenant" else "access",
        )
