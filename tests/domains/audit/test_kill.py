# SPDX-License-Identifier: Apache-2.0
"""The sealer is killed (SIGKILL) in the middle of its work; another goes on."""

import asyncio
import sys

import pytest
from sqlalchemy import func, select

from healthvision.domains.audit import service as audit
from healthvision.domains.audit.keys import anchors_of
from healthvision.domains.audit.tables import AuditEvent
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor

ROWS = 3000
CHILD = """
import asyncio, os, sys
os.environ["HV_AUDIT_SEAL_BATCH"] = "5"
from healthvision.domains.audit import service
from healthvision.kernel.db import Database
from healthvision.kernel.resources import Resources
from healthvision.kernel.settings import CoreSettings
async def main():
    db = Database(sys.argv[1])
    db.resources.put(CoreSettings, CoreSettings())
    while True:
        await service.seal(db)
asyncio.run(main())
"""


async def sealed(db: Database) -> int:
    async with db.reading() as session:
        return await session.scalar(select(func.count(AuditEvent.sequence))) or 0


class TestSeal:
    @pytest.mark.parametrize("kills", [1, pytest.param(5, marks=pytest.mark.long)])
    async def test_survives_kill_in_the_middle(
        self, db: Database, actor: Actor, kills: int
    ) -> None:
        rows = [audit.row_values(actor, audit.Act("archive.read")) for _ in range(ROWS)]
        async with db.transaction() as session:
            await audit.record_rows(session, rows)
        reached = 0
        for _ in range(kills):
            child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, db.url)
            while await sealed(db) < min(reached + 100, ROWS):
                await asyncio.sleep(0.01)
            child.kill()
            await child.wait()
            reached = await sealed(db)
            report = await audit.verify(db)
            assert report.ok, report.message
        assert reached < ROWS
        while await audit.seal(db):
            pass
        report = await audit.verify(db)
        assert (report.ok, report.checked, report.anchored) == (True, ROWS, ROWS)
        sizes = [head.size for head in anchors_of(db).all()]
        assert sizes == sorted(set(sizes))
