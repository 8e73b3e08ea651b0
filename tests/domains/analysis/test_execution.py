# SPDX-License-Identifier: Apache-2.0
"""Exactly one result per task, whatever dies and whoever races."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import func, select

from healthvision.domains.analysis import execution
from healthvision.domains.analysis.tables import OutputRow, ResultRow, Task
from healthvision.domains.archive import service as archive
from healthvision.kernel.events import EventRow
from tests.domains.analysis.conftest import Ward


async def _count(ward: Ward) -> dict[str, int]:
    async with ward.db.reading() as session:
        results = await session.scalar(select(func.count()).select_from(ResultRow))
        ready = EventRow.topic == "analysis.result_ready.v1"
        events = await session.scalar(select(func.count()).select_from(EventRow).where(ready))
        outputs = await session.scalar(select(func.count()).select_from(OutputRow))
    return {"results": results or 0, "events": events or 0, "outputs": outputs or 0}


async def _waiting(ward: Ward, **parameters: str) -> UUID:
    study = await ward.bring()
    body = {"study_id": str(study), "parameters": parameters}
    task = await ward.post("/v1/tasks", body)
    ward.queue.waiting.clear()
    return UUID(task["id"])


class TestRunTask:
    async def test_stores_one_result_with_its_outputs(self, ward: Ward) -> None:
        task = await ward.analysed()
        assert (task["state"], task["progress"]) == ("done", 1.0)
        read = await ward.get(f"/v1/results/{task['result_id']}")
        assert {o["kind"] for o in read["outputs"]} == {"SEG", "SR", "PDF", "SC", "PNG"}
        assert read["result"]["verification"] == "ai-unverified"
        async with ward.db.reading() as session:
            refs = await archive.study_instances(session, ward.actor, UUID(task["study_id"]))
        stored = {r.sop_uid: r.location.sha256 for r in refs if r.origin == "healthvision"}
        told = {o["sop_uid"]: o["sha256"] for o in read["outputs"] if o["sop_uid"]}
        assert stored == told

    async def test_our_own_outputs_make_no_further_task(self, ward: Ward) -> None:
        task = await ward.analysed()
        again = await ward.client.post("/v1/tasks", json={"study_id": task["study_id"]})
        assert (again.status_code, again.json()["id"]) == (200, task["id"])

    async def test_two_attempts_side_by_side_give_one_result(self, ward: Ward) -> None:
        task_id = await _waiting(ward)
        await asyncio.gather(
            execution.run_task(ward.db, task_id, 1), execution.run_task(ward.db, task_id, 1)
        )
        await ward.drain()
        assert await _count(ward) == {"results": 1, "events": 1, "outputs": 5}

    async def test_a_fenced_attempt_may_not_stage(self, ward: Ward) -> None:
        task_id = await _waiting(ward)
        slow = await execution.claim(ward.db, task_id, 1)
        assert slow is not None
        await execution.run_task(ward.db, task_id, 1)
        assert await execution._analyse(ward.db, slow) is None
        assert (await _count(ward))["results"] == 1

    @pytest.mark.parametrize("dies_at", ["receive", "_publish"])
    async def test_a_death_after_staging_stores_the_same_bytes(
        self, ward: Ward, monkeypatch: pytest.MonkeyPatch, dies_at: str
    ) -> None:
        task_id = await _waiting(ward)
        place = archive if dies_at == "receive" else execution

        async def dying(*_args: object, **_more: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(place, dies_at, dying)
            with pytest.raises(KeyboardInterrupt):
                await execution.run_task(ward.db, task_id, 1)
        assert await _count(ward) == {"results": 1, "events": 0, "outputs": 5}
        await execution.run_task(ward.db, task_id, 1)
        await execution.run_task(ward.db, task_id, 1)
        assert await _count(ward) == {"results": 1, "events": 1, "outputs": 5}
        task = await ward.get(f"/v1/tasks/{task_id}")
        assert (task["state"], task["attempts"]) == ("done", 2)

    @pytest.mark.parametrize(
        ("how", "word"), [("crash", "SIGABRT"), ("raise", "RuntimeError"), ("eat", "memory")]
    )
    async def test_a_broken_application_fails_only_its_task(
        self, ward: Ward, how: str, word: str
    ) -> None:
        broken = await ward.analysed("one", parameters={"behave": how})
        assert broken["state"] == "failed"
        assert broken["error_code"] == "sandbox-failed"
        assert word in broken["error_detail"]
        assert "Wang" not in broken["error_detail"]
        assert (await ward.analysed("two"))["state"] == "done"

    async def test_a_running_task_is_cancelled_within_seconds(self, ward: Ward) -> None:
        task_id = await _waiting(ward, behave="hang")
        running = asyncio.create_task(execution.run_task(ward.db, task_id, 1))
        for _ in range(200):
            await asyncio.sleep(0.05)
            if (await ward.get(f"/v1/tasks/{task_id}"))["stage"] == "hang":
                break
        await ward.post(f"/v1/tasks/{task_id}/cancel", status=200)
        await asyncio.wait_for(running, 90)
        task = await ward.get(f"/v1/tasks/{task_id}")
        assert task["state"] == "cancelled"
        assert 0 < task["progress"] < 1
        assert (await _count(ward))["results"] == 0

    async def test_a_task_that_kills_its_workers_is_given_up(self, ward: Ward) -> None:
        task_id = await _waiting(ward)
        async with ward.db.transaction() as session:
            row = (await session.scalars(select(Task))).one()
            row.attempts, row.state = execution.MAX_ATTEMPTS, "running"
        await execution.run_task(ward.db, task_id, 1)
        task = await ward.get(f"/v1/tasks/{task_id}")
        assert (task["state"], task["error_code"]) == ("failed", "worker-died")
