# SPDX-License-Identifier: Apache-2.0
"""The worklist: its rows, their order, who sees them, and the stream of changes."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

from healthvision.domains.reading import streams
from healthvision.domains.reading.ordering import order_key_of, priority_of, rank_of
from healthvision.domains.reading.tables import WorklistFill, WorklistRow
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.schemas import SpaceCreate
from healthvision.kernel.clock import now
from tests.domains.reading.conftest import Clinic
from tests.factories.results import abstained
from tests.support.auth import HEADER

STRANGER = {HEADER: "stranger"}


class TestOrdering:
    def test_the_most_urgent_of_order_and_tasks_counts(self) -> None:
        assert priority_of("STAT", ["routine"]) == "stat"
        assert priority_of("", ["bulk"]) == "bulk"
        assert priority_of("", []) == "routine"
        assert priority_of("nonsense", ["urgent", "bulk"]) == "urgent"

    def test_a_running_clock_comes_before_a_new_study_and_done_comes_last(self) -> None:
        at = now()
        clock = order_key_of(at + timedelta(hours=5), at)
        assert clock < order_key_of(None, at) < order_key_of(None, at - timedelta(days=1))
        assert rank_of("bulk", done=False) < rank_of("stat", done=True)


class TestRows:
    async def test_show_an_open_task_with_its_clock_then_the_result(self, clinic: Clinic) -> None:
        study = await clinic.study()
        (row,) = await clinic.rows()
        assert (row["ai"]["state"], row["seconds_left"]) == ("none", None)
        assert row["patient_name"] == "Test^one"
        await clinic.post("/v1/tasks", {"study_id": str(study), "priority": "stat"})
        await clinic.refresh(study)
        (row,) = await clinic.rows()
        assert (row["ai"]["state"], row["priority"]) == ("pending", "stat")
        assert 0 < row["seconds_left"] <= 60
        await clinic.drain()
        (row,) = await clinic.rows()
        assert (row["ai"]["state"], row["seconds_left"]) == ("result", None)
        assert row["ai"]["finding"]["label"]["en"] == "Bright spot"
        assert row["verdict_state"] == "open"
        assert row["spaces"] == ["default"]

    async def test_the_most_severe_finding_is_shown(self, clinic: Clinic) -> None:
        await clinic.result()
        (row,) = await clinic.rows()
        finding = row["ai"]["finding"]
        assert finding["category"] == "lung-rads-v2022:4A"
        assert finding["confidence"]["value"] == 0.93
        assert row["ai"]["finding_count"] == 3

    async def test_what_is_unsure_is_shown_and_not_counted(self, clinic: Clinic) -> None:
        await clinic.unsure()
        (row,) = await clinic.rows()
        assert row["ai"]["finding"]["label"]["en"] == "unsure"
        assert row["ai"]["finding_count"] == 0
        assert row["ai"]["parts"][0]["finding_count"] == 0

    async def test_a_finding_is_shown_before_what_is_unsure(self, clinic: Clinic) -> None:
        await clinic.unsure(sure=1)
        (row,) = await clinic.rows()
        assert row["ai"]["finding"]["label"]["en"] != "unsure"
        assert row["ai"]["finding_count"] == 1

    async def test_abstained_failed_and_cancelled_are_no_results(self, clinic: Clinic) -> None:
        await clinic.result("a", of=abstained())
        failing = await clinic.bring("f")
        body = {"study_id": str(failing), "parameters": {"behave": "raise"}}
        await clinic.post("/v1/tasks", body)
        await clinic.drain()
        stopped = await clinic.bring("c")
        task = await clinic.post("/v1/tasks", {"study_id": str(stopped)})
        await clinic.post(f"/v1/tasks/{task['id']}/cancel", status=200)
        await clinic.drain()
        states = {r["patient_id"]: r["ai"]["state"] for r in await clinic.rows()}
        assert states == {"P-a": "abstained", "P-f": "failed", "P-c": "none"}

    async def test_a_raised_task_moves_its_study_up(self, clinic: Clinic) -> None:
        one, two = await clinic.study("one"), await clinic.study("two")
        tasks = [await clinic.post("/v1/tasks", {"study_id": str(s)}) for s in (one, two)]
        path = f"/v1/tasks/{tasks[1]['id']}"
        await clinic.ask("PATCH", path, {"priority": "stat"})
        for study in (one, two):
            await clinic.refresh(study)
        assert [r["study_id"] for r in await clinic.rows()] == [str(two), str(one)]

    async def test_a_deleted_study_goes_and_a_purged_one_leaves_nothing(
        self, clinic: Clinic
    ) -> None:
        study = await clinic.study()
        await clinic.ask("DELETE", f"/v1/studies/{study}", status=204)
        await clinic.drain()
        assert await clinic.rows() == []
        counts = await clinic.get("/v1/worklist/counts")
        assert counts["tabs"]["all"] == 0

    async def test_two_at_once_make_one_row(self, clinic: Clinic) -> None:
        study = await clinic.bring()
        await asyncio.gather(*(clinic.refresh(study) for _ in range(4)))
        (row,) = await clinic.rows()
        assert (row["study_id"], row["revision"]) == (str(study), 4)


class TestSearch:
    async def test_finds_by_words_state_day_and_modality(self, clinic: Clinic) -> None:
        await clinic.study("wang")
        await clinic.result("zhang")
        cases: list[tuple[dict[str, Any], list[str]]] = [
            ({"text": "wan"}, ["P-wang"]),
            ({"text": "p-zh"}, ["P-zhang"]),
            ({"text": "test nobody"}, []),
            ({"ai_state": "result"}, ["P-zhang"]),
            ({"ai_state": "none"}, ["P-wang"]),
            ({"priority": "stat"}, ["P-zhang"]),
            ({"modality": "MR"}, []),
            ({"date_from": "20260305"}, []),
            ({"date_to": "20260304", "modality": "CT", "text": "wang"}, ["P-wang"]),
            ({"verdict": "open"}, ["P-zhang"]),
            ({"tab": "done"}, []),
            ({"tab": "mine"}, []),
            ({"space": "default", "text": "zhang"}, ["P-zhang"]),
            ({"text": "100%_"}, []),
        ]
        for query, wanted in cases:
            assert [r["patient_id"] for r in await clinic.rows(**query)] == wanted, query
        await clinic.get("/v1/worklist", expect=404, space="nowhere")
        await clinic.get("/v1/worklist", expect=422, cursor="nonsense")

    async def test_pages_follow_each_other_in_both_orders(self, clinic: Clinic) -> None:
        names = {f"P-{n}" for n in ("a", "b", "c", "d", "e")}
        for name in sorted(names):
            await clinic.study(name[2:])
        for order in ("urgency", "newest"):
            seen: list[str] = []
            cursor: dict[str, Any] = {}
            while True:
                page = await clinic.get("/v1/worklist", limit=2, order=order, **cursor)
                seen += [r["patient_id"] for r in page["items"]]
                if page["next"] is None:
                    break
                cursor = {"cursor": page["next"]}
            assert len(seen) == 5
            assert set(seen) == names

    async def test_counts_agree_with_the_list(self, clinic: Clinic) -> None:
        await clinic.study("one")
        await clinic.result("two")
        counts = await clinic.get("/v1/worklist/counts")
        assert counts["tabs"] == {"all": 2, "todo": 2, "done": 0, "review": 0, "mine": 0}
        assert counts["ai"] == {"none": 1, "result": 1}
        assert counts["open_priority"] == {"stat": 1, "urgent": 0, "routine": 1, "bulk": 0}


class TestSight:
    async def test_strangers_see_nothing(self, clinic: Clinic) -> None:
        await clinic.result()
        answer = await clinic.ask("GET", "/v1/worklist", who="stranger")
        assert answer.json()["items"] == []
        counts = await clinic.ask("GET", "/v1/worklist/counts", who="stranger")
        assert counts.json()["tabs"]["all"] == 0

    async def test_a_restricted_space_hides_studies_and_priors(self, clinic: Clinic) -> None:
        open_study = await clinic.study("one")
        async with clinic.db.transaction() as session:
            new = SpaceCreate(slug="closed", restricted=True)
            await spaces.create(session, clinic.actor, new)
        hidden = await clinic.study("two")
        await clinic.ask("POST", f"/v1/studies/{hidden}/spaces", {"space": "closed"})
        await clinic.ask("DELETE", f"/v1/studies/{hidden}/spaces/default", status=204)
        await clinic.drain()
        answer = await clinic.ask("GET", "/v1/worklist", who="viewer")
        assert [r["study_id"] for r in answer.json()["items"]] == [str(open_study)]
        counts = await clinic.ask("GET", "/v1/worklist/counts", who="viewer")
        assert counts.json()["tabs"]["all"] == 1
        assert len(await clinic.rows()) == 2

    async def test_a_study_in_an_open_and_a_closed_space_is_seen_and_counted_once(
        self, clinic: Clinic
    ) -> None:
        async with clinic.db.transaction() as session:
            new = SpaceCreate(slug="closed", restricted=True)
            await spaces.create(session, clinic.actor, new)
        study = await clinic.study()
        await clinic.ask("POST", f"/v1/studies/{study}/spaces", {"space": "closed"})
        await clinic.drain()
        answer = await clinic.ask("GET", "/v1/worklist", who="viewer")
        assert [r["spaces"] for r in answer.json()["items"]] == [["default"]]
        counts = await clinic.ask("GET", "/v1/worklist/counts", who="viewer")
        assert counts.json()["tabs"]["all"] == 1
        await clinic.ask("DELETE", f"/v1/studies/{study}/spaces/default", status=204)
        await clinic.drain()
        counts = await clinic.ask("GET", "/v1/worklist/counts", who="viewer")
        assert counts.json()["tabs"]["all"] == 0

    async def test_earlier_studies_of_the_patient_are_counted(self, clinic: Clinic) -> None:
        first, second = await clinic.study("one"), await clinic.study("two")
        async with clinic.db.transaction() as session:
            one = await session.get(WorklistRow, first)
            two = await session.get(WorklistRow, second)
            assert one is not None
            assert two is not None
            two.patient_ref, two.study_date = one.patient_ref, "20260401"
        counts = {r["study_id"]: r["prior_count"] for r in await clinic.rows()}
        assert counts == {str(first): 0, str(second): 1}

    async def test_reading_it_is_recorded(self, clinic: Clinic) -> None:
        study = await clinic.study()
        await clinic.rows()
        events = (await clinic.get("/v1/audit/events", action="reading.worklist_read"))["items"]
        assert events[0]["detail"]["studies"] == [str(study)]


class TestFill:
    async def test_older_studies_are_taken_in_page_by_page(
        self, clinic: Clinic, monkeypatch: Any
    ) -> None:
        monkeypatch.setenv("HV_READING_FILL_PAGE", "2")
        for name in ("a", "b", "c"):
            await clinic.bring(name)
        assert await clinic.rows() == []
        from healthvision.domains.reading import projecting  # noqa: PLC0415

        org = clinic.actor.org_id
        assert await projecting._fill(clinic.db, org) == 2
        assert await projecting._fill(clinic.db, org) == 1
        assert await projecting._fill(clinic.db, org) == 0
        assert len(await clinic.rows()) == 3
        async with clinic.db.reading() as session:
            state = await session.get(WorklistFill, org)
        assert state is not None
        assert state.done_at is not None


async def _next(stream: Any, kind: str) -> dict[str, Any]:
    async for event in stream:
        if f"event: {kind}\n".encode() in event:
            data = event.split(b"data: ", 1)[1]
            return {**json.loads(data), "_id": int(event.split(b"\n", 1)[0][4:])}
    raise AssertionError("the stream ended")


class TestStream:
    async def test_goes_on_for_a_caller_who_may_only_read(
        self, clinic: Clinic, monkeypatch: Any
    ) -> None:
        monkeypatch.setenv("HV_READING_EVENTS_POLL_S", "0.01")
        monkeypatch.setenv("HV_READING_EVENTS_SECONDS", "0.5")
        study = await clinic.study("one")
        since = {"Last-Event-ID": "1"}
        told = await clinic.ask("GET", "/v1/worklist/events", who="viewer", headers=since)
        assert "event: study" in told.text
        assert str(study) in told.text

    async def test_tells_changes_resumes_and_hides_what_is_foreign(
        self, clinic: Clinic, monkeypatch: Any
    ) -> None:
        monkeypatch.setenv("HV_READING_EVENTS_POLL_S", "0.01")
        monkeypatch.setenv("HV_READING_EVENTS_SECONDS", "5")
        stranger = clinic.actor.in_org(UUID(int=1))
        stream = streams.worklist_events(clinic.db, clinic.actor, 0)
        start = (await _next(stream, "hello"))["_id"]
        study = await clinic.study("one")
        told = await _next(stream, "study")
        assert (told["study_id"], told["ai"]["state"]) == (str(study), "none")
        await clinic.ask("DELETE", f"/v1/studies/{study}", status=204)
        await clinic.drain()
        assert (await _next(stream, "gone"))["study_id"] == str(study)
        await stream.aclose()
        other = await clinic.study("two")
        again = streams.worklist_events(clinic.db, clinic.actor, start)
        assert (await _next(again, "study"))["study_id"] == str(other)
        await again.aclose()
        monkeypatch.setenv("HV_READING_EVENTS_SECONDS", "0.1")
        foreign = [e async for e in streams.worklist_events(clinic.db, stranger, start)]
        assert not any(b"study" in event for event in foreign)
