# SPDX-License-Identifier: Apache-2.0
"""Clocks and turns: notices, STAT taking a slot, expected times, leftovers, failed jobs."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from healthvision.domains.analysis import execution, jobs, leftovers, service
from healthvision.domains.analysis.making_room import REASON
from healthvision.domains.analysis.priority import QUEUE
from healthvision.domains.analysis.settings import AnalysisSettings
from healthvision.domains.analysis.tables import OutputRow, Task
from healthvision.domains.notify.tables import Delivery, Subscription
from healthvision.domains.storage import service as storage
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.events import EventRow
from healthvision.kernel.jobs import JobContext
from tests.domains.analysis.conftest import Ward


async def _subscribe(ward: Ward) -> UUID:
    row = Subscription(
        id=new_id(),
        org_id=ward.actor.org_id,
        name="wards",
        topics=["analysis.result_ready.v1"],
        match={},
        category_at_least=None,
        channel="webhook",
        config={},
        sealed="",
        language="en",
        enabled=True,
        created_by="test",
    )
    async with ward.db.transaction() as session:
        session.add(row)
    return row.id


async def _deliver(ward: Ward, subscription: UUID, task: Any, **values: Any) -> None:
    async with ward.db.transaction() as session:
        session.add(
            Delivery(
                id=new_id(),
                org_id=ward.actor.org_id,
                subscription_id=subscription,
                event_id=uuid4(),
                topic="analysis.result_ready.v1",
                subject=UUID(task["result_id"]),
                event_at=now(),
                body={},
                next_at=now(),
                **values,
            )
        )
        await session.flush()
        await service.note_notices(session)


async def _missed(ward: Ward) -> int:
    async with ward.db.reading() as session:
        topic = EventRow.topic == "analysis.deadline_missed.v1"
        return len((await session.scalars(select(EventRow).where(topic))).all())


async def _again(ward: Ward, task: Any) -> Any:
    return await ward.get(f"/v1/tasks/{task['id']}")


async def _wish(ward: Ward, name: str, priority: str, **parameters: str) -> Any:
    study = str(await ward.bring(name))
    body = {"study_id": study, "priority": priority, "parameters": parameters}
    return await ward.post("/v1/tasks", body)


async def _set(ward: Ward, task: Any, **values: Any) -> None:
    async with ward.db.transaction() as session:
        row = await session.get(Task, UUID(task["id"]))
        assert row is not None
        for name, value in values.items():
            setattr(row, name, value)


class TestNotices:
    async def test_without_subscribers_the_clock_ends_with_the_result(self, ward: Ward) -> None:
        task = await ward.analysed()
        assert task["notice"] == "published"
        assert task["notified_at"] is not None

    async def test_the_clock_runs_until_the_first_notice_has_left(self, ward: Ward) -> None:
        subscription = await _subscribe(ward)
        task = await ward.analysed()
        assert (task["state"], task["notice"], task["notified_at"]) == ("done", "waiting", None)
        at = now()
        await _deliver(ward, subscription, task, state="delivered", delivered_at=at)
        task = await _again(ward, task)
        assert (task["notice"], task["deadline_missed"]) == ("delivered", False)
        assert task["notified_at"][:19] == at.isoformat()[:19]

    async def test_a_notice_that_left_too_late_misses_the_deadline_once(self, ward: Ward) -> None:
        subscription = await _subscribe(ward)
        task = await ward.analysed()
        await _set(ward, task, deadline_at=now() - timedelta(seconds=1))
        await _deliver(ward, subscription, task, state="delivered", delivered_at=now())
        async with ward.db.transaction() as session:
            await service.note_missed_deadlines(session)
        assert (await _again(ward, task))["deadline_missed"] is True
        assert await _missed(ward) == 1

    async def test_a_result_nobody_was_told_in_time_is_late(self, ward: Ward) -> None:
        await _subscribe(ward)
        task = await ward.analysed()
        await _set(ward, task, deadline_at=now() - timedelta(seconds=1))
        async with ward.db.transaction() as session:
            assert await service.note_missed_deadlines(session) == 1
        assert await _missed(ward) == 1

    async def test_given_up_notices_miss_the_deadline(self, ward: Ward) -> None:
        subscription = await _subscribe(ward)
        task = await ward.analysed()
        await _deliver(ward, subscription, task, state="dead")
        task = await _again(ward, task)
        assert (task["notice"], task["notified_at"]) == ("undelivered", None)
        assert task["deadline_missed"] is True


async def _room(ward: Ward) -> int:
    async with ward.db.transaction() as session:
        return await service.make_room(session)


async def _started(ward: Ward, task: Any) -> "asyncio.Task[None]":
    """Run a task that hangs, until it does."""
    running = asyncio.create_task(execution.run_task(ward.db, UUID(task["id"]), 1))
    for _ in range(400):
        await asyncio.sleep(0.05)
        if (await _again(ward, task))["stage"] == "hang":
            return running
    raise AssertionError("it did not start")


class TestMakeRoom:
    @pytest.fixture(autouse=True)
    def _at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HV_ANALYSIS_STAT_PATIENCE_S", "0")

    async def test_a_waiting_stat_task_takes_the_slot_of_a_long_routine_one(
        self, ward: Ward
    ) -> None:
        routine = await _wish(ward, "one", "routine", behave="hang")
        clock = routine["deadline_at"]
        ward.queue.waiting.clear()
        running = await _started(ward, routine)
        stat = await _wish(ward, "two", "stat")
        assert await _room(ward) == 1
        await asyncio.wait_for(running, 90)  # its process ends, the slot is free
        routine = await _again(ward, routine)
        assert (routine["state"], routine["preemptions"]) == ("queued", 1)
        assert (routine["requeued_reason"], routine["deadline_at"]) == (REASON, clock)
        first, *_ = sorted(
            (j for j in ward.queue.waiting if j.queue == QUEUE), key=lambda j: j.priority
        )
        assert stat["id"] in first.payload
        await _set(ward, routine, parameters={})
        await ward.drain()
        assert (await _again(ward, stat))["state"] == "done"
        routine = await _again(ward, routine)
        assert (routine["state"], routine["attempts"]) == ("done", 2)
        assert routine["requeued_reason"] is None

    @pytest.mark.parametrize("priority", ["stat", "urgent"])
    async def test_urgent_work_is_never_stopped(self, ward: Ward, priority: str) -> None:
        busy = await _wish(ward, "one", priority)
        await _set(ward, busy, state="running")
        await _wish(ward, "two", "stat")
        assert await _room(ward) == 0

    async def test_a_task_is_stopped_only_so_often(self, ward: Ward) -> None:
        busy = await _wish(ward, "one", "routine")
        most = AnalysisSettings().max_preemptions
        await _set(ward, busy, state="running", preemptions=most)
        await _wish(ward, "two", "stat")
        assert await _room(ward) == 0

    async def test_bulk_work_is_stopped_before_routine_and_room_is_made_once(
        self, ward: Ward
    ) -> None:
        tasks = [await _wish(ward, name, name) for name in ("routine", "bulk")]
        for task in tasks:
            await _set(ward, task, state="running")
        await _wish(ward, "two", "stat")
        assert (await _room(ward), await _room(ward)) == (1, 0)
        assert [(await _again(ward, t))["preemptions"] for t in tasks] == [0, 1]


class TestExpected:
    async def test_nothing_is_promised_before_the_application_ran(self, ward: Ward) -> None:
        task = await _wish(ward, "one", "routine")
        assert task["expected_at"] is None

    async def test_tasks_further_back_are_expected_later(self, ward: Ward) -> None:
        done = await ward.analysed("zero")
        assert done["expected_at"] is None
        tasks = [await _wish(ward, name, "routine") for name in ("one", "two", "three")]
        page = await ward.get("/v1/tasks", state="queued")
        times = {t["id"]: t["expected_at"] for t in page["items"]}
        order = [times[t["id"]] for t in tasks]
        assert order == sorted(order)
        assert order[0] < order[2]


class TestSweepStaged:
    async def test_only_outputs_without_a_result_go(self, ward: Ward) -> None:
        task = await ward.analysed()
        key = f"analysis/{ward.actor.org_id}/{task['id']}/99/0"
        await storage.put(ward.db, ward.actor.org_id, key, b"left by a fenced attempt")
        assert await leftovers.sweep_staged(ward.db) == 0  # too young
        assert await leftovers.sweep_staged(ward.db, grace=timedelta(seconds=-60)) == 1
        async with ward.db.reading() as session:
            rows = (await session.scalars(select(OutputRow))).all()
        assert rows
        for row in rows:
            assert await execution.read_output(ward.db, row)


class TestOnRunFailed:
    async def test_the_reason_and_its_reference_stand_on_the_task(self, ward: Ward) -> None:
        task = await _wish(ward, "one", "routine")
        context = JobContext(ward.db, f"analysis:{task['id']}:1", 4, "test")
        said = {"task_id": task["id"], "ticket": 1, "error": "internal error: ValueError"}
        await jobs.on_run_failed(context, said)
        task = await _again(ward, task)
        assert (task["state"], task["error_code"]) == ("failed", "job-failed")
        assert (task["error_ref"], "ValueError" in task["error_detail"]) == (context.job_id, True)

    async def test_the_job_of_an_old_ticket_fails_nothing(self, ward: Ward) -> None:
        task = await _wish(ward, "one", "routine")
        await _set(ward, task, ticket=2)
        context = JobContext(ward.db, f"analysis:{task['id']}:1", 4, "test")
        await jobs.on_run_failed(context, {"task_id": task["id"], "ticket": 1, "error": "x"})
        assert (await _again(ward, task))["state"] == "queued"
