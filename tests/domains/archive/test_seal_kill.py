# SPDX-License-Identifier: Apache-2.0
"""kill -9 in the middle of sealing and compacting: nothing is lost and nothing half there."""

import os
import random
import sys
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select

from healthvision.domains.archive import service
from healthvision.domains.archive.tables import Instance, Series, Study
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.kernel.clock import FixedClock, now, use_clock
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from tests.domains.archive import test_kill

CHILD = "tests.domains.archive.seal_child"
KILLS = int(os.environ.get("HV_TEST_SEAL_KILLS", "12"))


async def check(db: Database, actor: Actor, acknowledged: list[Sequence[str]]) -> None:
    """After recovery and one more round of work every object is there, sealed and whole."""
    await service.recover(db)
    clock = FixedClock(now() + timedelta(hours=1))
    with use_clock(clock):
        await service.seal_quiet_series(db)
        while await service.seal_quiet_series(db):
            pass
    async with db.reading() as session:
        sops = set(await session.scalars(select(Instance.sop_uid)))
        series = (await session.scalars(select(Series))).all()
        studies = (await session.scalars(select(Study.study_uid))).all()
    assert {line[1] for line in acknowledged} <= sops
    assert [s.unsealed for s in series] == [0] * len(series)
    result = service.Verified()
    assert [n async for n in service.verify(db, result, full=True)]
    assert result.wrong == []
    for uid in studies:
        async with db.reading() as session:
            found = await service.metadata(session, actor, "default", uid)
        assert all(json["00080018"]["Value"] == [ref.sop_uid] for ref, json in found)


class TestKillWhileSealing:
    @pytest.mark.timeout(600)
    async def test_nothing_acknowledged_is_lost(
        self,
        db: Database,
        actor: Actor,
        space: SpaceRead,
        database_url: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(test_kill, "CHILD", CHILD)
        chance = random.Random(5)
        acknowledged: list[Sequence[str]] = []
        async with test_kill.children(database_url, actor.org_id) as process:
            for _ in range(KILLS):
                acknowledged += await test_kill.run_and_kill(process, chance.uniform(0, 0.5))
        assert sys.platform == "linux" and len(acknowledged) >= KILLS
        await check(db, actor, acknowledged)
