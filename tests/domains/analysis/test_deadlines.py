# SPDX-License-Identifier: Apache-2.0
"""How deadlines were kept, counted per day and priority; the list of late tasks."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import inspect, select, update

from healthvision.domains.analysis.tables import Task
from healthvision.kernel.clock import new_id
from tests.domains.analysis.conftest import Ward
from tests.support.auth import HEADER

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
DAYS: dict[str, Any] = {"first_day": "2026-03-03", "last_day": "2026-03-05"}
TASKS: tuple[tuple[str, str, timedelta, bool], ...] = (  # priority, state, due after noon, missed
    ("urgent", "failed", timedelta(0), False),
    ("stat", "done", timedelta(0), False),
    ("stat", "done", timedelta(minutes=1), False),
    ("stat", "done", timedelta(minutes=2), True),
    ("stat", "failed", timedelta(days=1), True),
    ("routine", "queued", timedelta(minutes=5), False),
    ("routine", "running", timedelta(minutes=6), True),
    ("routine", "done", timedelta(hours=9), False),  # 21:00 UTC is the next day in China
    ("routine", "cancelled", timedelta(minutes=7), False),
    ("routine", "done", timedelta(days=9), False),
)


@pytest.fixture
async def busy(ward: Ward) -> Ward:
    """A hospital with tasks whose deadlines are known."""
    done = await ward.analysed()
    async with ward.db.transaction() as session:
        model = await session.scalar(select(Task))
        assert model is not None
        assert str(model.id) == done["id"]
        columns = {c.key for c in Task.__table__.columns} - {"id", "task_key"}
        same = {name: getattr(model, name) for name in columns}
        for number, (priority, state, after, missed) in enumerate(TASKS):
            values: dict[str, Any] = {"priority": priority, "state": state}
            values |= {"deadline_at": NOON + after, "deadline_missed": missed}
            session.add(Task(**{**same, **values}, id=new_id(), task_key=f"due-{number}"))
    return ward


class TestDeadlines:
    async def test_counts_kept_missed_and_open_by_day_and_priority(self, busy: Ward) -> None:
        report = await busy.get("/v1/analysis/deadlines", **DAYS)
        counts = {
            (d["day"], d["priority"]): (d["kept"], d["missed"], d["failed"], d["open"])
            for d in report["days"]
        }
        assert counts == {
            ("2026-03-04", "stat"): (2, 1, 0, 0),
            ("2026-03-04", "routine"): (1, 1, 0, 1),
            ("2026-03-04", "urgent"): (0, 0, 1, 0),
            ("2026-03-05", "stat"): (0, 1, 0, 0),
        }
        assert report["stat_seconds"] < report["routine_seconds"]

    async def test_days_are_those_of_the_callers_zone(self, busy: Ward) -> None:
        report = await busy.get("/v1/analysis/deadlines", **DAYS, utc_offset_minutes=480)
        routine = {d["day"]: d["kept"] for d in report["days"] if d["priority"] == "routine"}
        assert routine == {"2026-03-04": 0, "2026-03-05": 1}

    async def test_a_result_whose_notice_has_not_left_is_open(self, busy: Ward) -> None:
        async with busy.db.transaction() as session:
            waiting = update(Task).where(Task.priority == "stat").values(notice="waiting")
            await session.execute(waiting)
        report = await busy.get("/v1/analysis/deadlines", **DAYS)
        first = next(d for d in report["days"] if d["priority"] == "stat")
        assert (first["kept"], first["missed"], first["open"]) == (0, 1, 2)

    async def test_an_application_can_be_looked_at_alone(self, busy: Ward) -> None:
        other = await busy.get("/v1/analysis/deadlines", **DAYS, application="another")
        assert other["days"] == []

    @pytest.mark.parametrize(
        "days",
        [
            {"first_day": "2026-03-05", "last_day": "2026-03-04"},
            {"first_day": "2026-01-01", "last_day": "2026-04-30"},
            {"first_day": "yesterday"},
            {"last_day": "0001-01-03"},
            {"last_day": "9999-12-31"},
            {"first_day": "0001-01-01", "last_day": "0001-01-02", "utc_offset_minutes": 840},
            {"first_day": "9999-12-31", "last_day": "9999-12-31", "utc_offset_minutes": -840},
        ],
    )
    async def test_a_wrong_period_is_told(self, ward: Ward, days: dict[str, Any]) -> None:
        await ward.get("/v1/analysis/deadlines", expect=422, **days)

    async def test_a_stranger_counts_nothing_of_ours(self, busy: Ward) -> None:
        answer = await busy.client.get(
            "/v1/analysis/deadlines", params=DAYS, headers={HEADER: "stranger"}
        )
        assert answer.json()["days"] == []


class TestLateTasks:
    async def test_late_ones_of_a_day_are_listed(self, busy: Ward) -> None:
        asked: dict[str, Any] = {"late": True, "due_from": "2026-03-04T00:00:00Z"}
        all_late = await busy.get("/v1/tasks", **asked)
        assert {t["deadline_missed"] for t in all_late["items"]} == {True}
        assert len(all_late["items"]) == 3
        one_day = await busy.get("/v1/tasks", **asked, due_before="2026-03-05T00:00:00Z")
        assert {t["priority"] for t in one_day["items"]} == {"stat", "routine"}
        stat = await busy.get("/v1/tasks", **asked, priority="stat", state="failed")
        assert len(stat["items"]) == 1

    @pytest.mark.parametrize("name", ["due_from", "due_before"])
    @pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-14:00"])
    async def test_a_time_no_calendar_holds_is_told(self, ward: Ward, name: str, at: str) -> None:
        await ward.get("/v1/tasks", expect=422, **{name: at})

    async def test_are_found_by_an_index(self, ward: Ward) -> None:
        async with ward.db.transaction() as session:
            indexes = await session.run_sync(
                lambda s: inspect(s.connection()).get_indexes("analysis_tasks")
            )
        assert ["org_id", "deadline_at"] in [i["column_names"] for i in indexes]
