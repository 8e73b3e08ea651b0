# SPDX-License-Identifier: Apache-2.0
"""Tasks, results, rules and batches through the door."""

import asyncio
import csv
import io
import itertools
import json
import zipfile
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from healthvision.domains.analysis import history, repository, service
from healthvision.domains.archive import service as archive
from healthvision.domains.audit.tables import AuditEvent
from healthvision.kernel.clock import FixedClock, now, use_clock
from healthvision.kernel.events import EventRow
from tests.domains.analysis.conftest import Ward
from tests.support.auth import HEADER, TableAuthenticator

STRANGER = {HEADER: "stranger"}


def _told(stream: str) -> list[dict[str, Any]]:
    return [json.loads(x[6:]) for x in stream.splitlines() if x.startswith("data: ")]


async def _topics(ward: Ward) -> list[str]:
    async with ward.db.reading() as session:
        rows = (await session.scalars(select(EventRow.topic))).all()
    return [topic for topic in rows if topic.startswith("analysis.")]


class TestTasks:
    async def test_an_equal_key_gives_the_same_task_and_force_a_new_version(
        self, ward: Ward
    ) -> None:
        first = await ward.analysed()
        forced = await ward.post("/v1/tasks", {"study_id": first["study_id"], "force": True})
        assert forced["id"] != first["id"]
        assert forced["task_key"] == first["task_key"]
        await ward.drain()
        second = await ward.get(f"/v1/tasks/{forced['id']}")
        old = await ward.get(f"/v1/results/{first['result_id']}")
        new = await ward.get(f"/v1/results/{second['result_id']}")
        assert (old["item"]["version"], new["item"]["version"]) == (1, 2)
        assert old["result"]["superseded_by"] == new["item"]["id"]
        assert new["result"]["supersedes"] == old["item"]["id"]
        path = f"/v1/results/{new['item']['id']}/compare"
        both = await ward.get(path, **{"with": old["item"]["id"]})
        assert both["before"]["version"] == 1
        assert both["same_inputs"]
        assert [f["change"] for f in both["findings"]] == ["same"]
        current = await ward.get("/v1/results", current=True)
        assert [r["id"] for r in current["items"]] == [new["item"]["id"]]

    async def test_priority_can_be_raised_while_waiting(self, ward: Ward) -> None:
        study = await ward.bring()
        task = await ward.post("/v1/tasks", {"study_id": str(study)})
        assert task["priority"] == "routine"
        assert 0 < task["seconds_left"] <= 300
        path = f"/v1/tasks/{task['id']}"
        raised = (await ward.client.patch(path, json={"priority": "stat"})).json()
        assert raised["seconds_left"] <= 60
        assert [j.queue for j in ward.queue.waiting][-1] == "analysis-stat"
        await ward.drain()
        done = await ward.get(path)
        assert (done["state"], done["attempts"]) == ("done", 1)
        late = await ward.client.patch(path, json={"priority": "bulk"})
        assert (late.status_code, late.json()["code"]) == (409, "task-finished")

    async def test_a_cancelled_task_can_be_retried(self, ward: Ward) -> None:
        study = await ward.bring()
        task = await ward.post("/v1/tasks", {"study_id": str(study)})
        path = f"/v1/tasks/{task['id']}"
        assert (await ward.post(f"{path}/cancel", status=200))["state"] == "cancelled"
        await ward.drain()
        assert (await ward.get(path))["result_id"] is None
        assert (await ward.post(f"{path}/retry", status=200))["state"] == "queued"
        await ward.drain()
        assert (await ward.get(path))["state"] == "done"

    async def test_a_missed_deadline_is_told_once(self, ward: Ward) -> None:
        study = await ward.bring()
        task = await ward.post("/v1/tasks", {"study_id": str(study), "priority": "stat"})
        with use_clock(FixedClock(now())) as clock:
            assert isinstance(clock, FixedClock)
            clock.advance(61)
            for _ in range(2):
                async with ward.db.transaction() as session:
                    await service.note_missed_deadlines(session)
            assert (await ward.get(f"/v1/tasks/{task['id']}"))["seconds_left"] < 0
        assert (await _topics(ward)).count("analysis.deadline_missed.v1") == 1

    async def test_more_open_tasks_than_the_maximum_are_refused(
        self, ward: Ward, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_ANALYSIS_MAX_OPEN_TASKS", "1")
        await ward.post("/v1/tasks", {"study_id": str(await ward.bring("one"))})
        body = {"study_id": str(await ward.bring("two"))}
        refused = await ward.client.post("/v1/tasks", json=body)
        assert (refused.status_code, refused.json()["code"]) == (429, "too-many-tasks")
        assert refused.headers["retry-after"] == "30"
        assert (await ward.get("/v1/analysis/limits"))["open_tasks"] == 1

    @pytest.mark.parametrize(
        "change",
        [{"priority": "soon"}, {"seed": True}, {"seed": -1}, {"nothing": 1}, {"study_id": "x"}],
    )
    async def test_wrong_input_is_refused(self, ward: Ward, change: dict[str, Any]) -> None:
        body = {"study_id": str(uuid4()), **change}
        answer = await ward.client.post("/v1/tasks", json=body)
        assert answer.status_code == 422

    async def test_events_tell_each_step_to_those_who_were_away(self, ward: Ward) -> None:
        task = await ward.analysed()
        path = f"/v1/tasks/{task['id']}/events"
        whole = _told((await ward.client.get(path)).text)
        assert [t["revision"] for t in whole] == list(range(1, task["revision"] + 1))
        states = [state for state, _ in itertools.groupby(t["state"] for t in whole)]
        assert states == ["queued", "running", "done"]
        assert {t["result_id"] for t in whole if t["state"] != "done"} == {None}
        assert whole[0]["finished_at"] is None and whole[0]["started_at"] is None
        assert whole[-1] == task
        rest = (await ward.client.get(path, headers={"Last-Event-ID": "1"})).text
        assert _told(rest) == whole[1:]

    async def test_progress_written_by_a_worker_is_a_step(self, ward: Ward) -> None:
        made = await ward.post("/v1/tasks", {"study_id": str(await ward.bring("one"))})
        task_id = UUID(made["id"])
        async with ward.db.transaction() as session:
            row = await repository.task_of_job(session, task_id)
            assert row is not None
            row.state, row.fence, row.revision = "running", 7, row.revision + 1
            await session.flush()
            assert await repository.note_progress(session, task_id, 7, 0.4, "lungs")
            assert not await repository.note_progress(session, task_id, 6, 0.9, "late")
            steps = await history.steps_after(session, row.org_id, task_id, 0)
        assert [(s.revision, s.told["state"], s.told["progress"]) for s in steps] == [
            (1, "queued", 0.0),
            (2, "running", 0.0),
            (3, "running", 0.4),
        ]

    async def test_events_resume_after_the_last_one_seen(self, ward: Ward) -> None:
        task = await ward.analysed()
        path = f"/v1/tasks/{task['id']}/events"
        whole = (await ward.client.get(path)).text
        assert f"id: {task['revision']}\n" in whole
        assert '"state":"done"' in whole
        rest = await ward.client.get(path, headers={"Last-Event-ID": str(task["revision"])})
        assert rest.headers["content-type"].startswith("text/event-stream")
        assert "data:" not in rest.text

    async def test_events_end_with_the_credential(
        self, ward: Ward, authenticator: TableAuthenticator
    ) -> None:
        made = await ward.post("/v1/tasks", {"study_id": str(await ward.bring("one"))})
        authenticator.actors["brief"] = ward.actor
        path = f"/v1/tasks/{made['id']}/events"
        watching = asyncio.ensure_future(ward.client.get(path, headers={HEADER: "brief"}))
        await asyncio.sleep(1)
        assert not watching.done()
        del authenticator.actors["brief"]  # what revoking a key does
        told = _told((await asyncio.wait_for(watching, 60)).text)
        assert [t["state"] for t in told] == ["queued"]

    async def test_every_look_is_in_the_log_once_a_window(self, ward: Ward) -> None:
        task = await ward.analysed()
        batch = await ward.post("/v1/batches", {"studies": [task["study_id"]]})
        paths = (
            f"/v1/tasks/{task['id']}",
            "/v1/tasks",
            f"/v1/batches/{batch['id']}",
            "/v1/batches",
        )
        for path in paths * 3:
            await ward.get(path)
        await ward.client.get(f"/v1/tasks/{task['id']}/events")
        await ward.post("/v1/tasks", {"study_id": task["study_id"]}, status=200)
        async with ward.db.reading() as session:
            rows = (await session.scalars(select(AuditEvent).order_by(AuditEvent.id))).all()
        looks = [(r.action, r.subject) for r in rows if r.category == "access"]
        study = task["study_id"]
        assert [x for x in looks if x[0].startswith("analysis.") and "images" not in x[0]] == [
            ("analysis.task_read", study),
            ("analysis.tasks_listed", None),
            ("analysis.batch_read", batch["id"]),
            ("analysis.batches_listed", None),
            ("analysis.task_read", study),  # an equal task was asked for: no read of a door
        ]


class TestStrangers:
    async def test_see_nothing_of_another_organisation(self, ward: Ward) -> None:
        task = await ward.analysed()
        rule = (await ward.get("/v1/rules"))[0]["id"]
        batch = await ward.post("/v1/batches", {"studies": [task["study_id"]]})
        result = task["result_id"]
        for path in (
            f"/v1/tasks/{task['id']}",
            f"/v1/tasks/{task['id']}/events",
            f"/v1/results/{result}",
            f"/v1/results/{result}/export?format=pdf",
            f"/v1/results/{result}/key-images/key-1",
            f"/v1/results/{result}/compare?with={result}",
            f"/v1/studies/{task['study_id']}/results",
            f"/v1/rules/{rule}",
            f"/v1/batches/{batch['id']}",
            f"/v1/batches/{batch['id']}/summary",
        ):
            answer = await ward.client.get(path, headers=STRANGER)
            assert answer.status_code == 404, path
        for path in ("/v1/tasks", "/v1/results", "/v1/batches"):
            assert (await ward.client.get(path, headers=STRANGER)).json()["items"] == []
        assert (await ward.client.get("/v1/rules", headers=STRANGER)).json() == []
        used = (await ward.client.get("/v1/analysis/limits", headers=STRANGER)).json()
        assert used["open_tasks"] == 0
        body = {"study_id": task["study_id"]}
        submitted = await ward.client.post("/v1/tasks", json=body, headers=STRANGER)
        assert submitted.status_code == 404
        for verb in ("cancel", "retry"):
            path = f"/v1/tasks/{task['id']}/{verb}"
            assert (await ward.client.post(path, headers=STRANGER)).status_code == 404


class TestResults:
    async def test_are_found_by_what_is_in_them(self, ward: Ward) -> None:
        task = await ward.analysed()
        ids = [task["result_id"]]
        for hit in (
            {"code": "52988006"},
            {"study": task["study_id"]},
            {"patient_id": "P-one"},
            {"application": "bright", "application_version": "1.0.0", "status": "complete"},
            {"study_date_from": "20260304", "study_date_to": "20260304"},
            {"confidence_min": 0.05, "code": "52988006"},
            {"made_from": "2020-01-01T00:00:00Z"},
        ):
            assert [r["id"] for r in (await ward.get("/v1/results", **hit))["items"]] == ids, hit
        for miss in (
            {"code": "1"},
            {"category": "4A"},
            {"confidence_min": 0.99},
            {"patient_id": "P-two"},
            {"study_date_from": "20260305"},
        ):
            assert (await ward.get("/v1/results", **miss))["items"] == [], miss

    async def test_pages_do_not_overlap(self, ward: Ward) -> None:
        made = {(await ward.analysed(name))["result_id"] for name in ("one", "two", "three")}
        first = await ward.get("/v1/results", limit=2)
        second = await ward.get("/v1/results", limit=2, cursor=first["next"])
        assert {r["id"] for r in first["items"] + second["items"]} == made
        assert second["next"] is None
        assert (await ward.client.get("/v1/results?cursor=xx")).status_code == 422

    async def test_can_be_exported_in_every_format(self, ward: Ward) -> None:
        result = (await ward.analysed())["result_id"]
        got = {}
        for form in ("json", "csv", "pdf", "html", "dicom", "fhir"):
            answer = await ward.client.get(f"/v1/results/{result}/export?format={form}")
            assert answer.status_code == 200, answer.text
            got[form] = answer.content
        assert json.loads(got["json"])["id"] == result
        assert got["csv"].decode("utf-8-sig").count("\n") >= 2
        assert got["pdf"].startswith(b"%PDF")
        assert b"<html" in got["html"]
        with zipfile.ZipFile(io.BytesIO(got["dicom"])) as packed:
            assert set(packed.namelist()) == {"seg.dcm", "sr.dcm", "pdf.dcm", "key-1.dcm"}
        assert json.loads(got["fhir"])["resourceType"] == "Bundle"
        picture = await ward.client.get(f"/v1/results/{result}/key-images/key-1")
        assert picture.content.startswith(b"\x89PNG")

    async def test_every_access_is_recorded(self, ward: Ward) -> None:
        task = await ward.analysed()
        await ward.get(f"/v1/results/{task['result_id']}")
        await ward.client.get(f"/v1/results/{task['result_id']}/export?format=json")
        await ward.get(f"/v1/studies/{task['study_id']}/results")
        async with ward.db.reading() as session:
            rows = (await session.scalars(select(AuditEvent))).all()
        actions = [r.action for r in rows]
        assert actions.count("analysis.result_read") == 2
        assert "analysis.result_exported" in actions
        assert "analysis.images_read" in actions
        told = ("analysis.result_read", "analysis.result_exported")
        of_results = [r for r in rows if r.action in told]
        assert {r.subject for r in of_results} == {task["study_id"]}  # found by "who saw it?"
        assert {json.loads(r.detail or "{}").get("result") for r in of_results} == {
            task["result_id"]
        }

    async def test_go_with_their_study(self, ward: Ward) -> None:
        task = await ward.analysed()
        async with ward.db.transaction() as session:
            await archive.delete_study(session, ward.actor, UUID(task["study_id"]))
        await ward.drain()
        assert (await ward.get("/v1/results"))["items"] == []
        await ward.get(f"/v1/results/{task['result_id']}", expect=404)


class TestRules:
    async def test_the_default_rule_runs_what_fits(self, ward: Ward) -> None:
        study = await ward.bring()
        await ward.close(study)
        tasks = (await ward.get("/v1/tasks"))["items"]
        assert [(t["source"], t["state"]) for t in tasks] == [("rule", "done")]
        topics = await _topics(ward)
        assert topics.count("analysis.task_created.v1") == 1
        assert topics.count("analysis.result_ready.v1") == 1

    async def test_a_rule_switched_off_runs_nothing(self, ward: Ward) -> None:
        rule = (await ward.get("/v1/rules"))[0]
        assert rule["is_default"]
        assert (await ward.client.delete(f"/v1/rules/{rule['id']}")).status_code == 204
        await ward.close(await ward.bring())
        assert (await ward.get("/v1/tasks"))["items"] == []

    async def test_the_most_urgent_rule_gives_the_priority(self, ward: Ward) -> None:
        rule = {"name": "er", "expression": "PatientID == 'P-one'", "priority": "stat"}
        await ward.post("/v1/rules", rule)
        await ward.close(await ward.bring("one"))
        await ward.close(await ward.bring("two"))
        tasks = (await ward.get("/v1/tasks"))["items"]
        assert [t["priority"] for t in tasks] == ["routine", "stat"]

    async def test_are_checked_and_tested_when_saved(self, ward: Ward) -> None:
        bad = {"name": "a", "expression": "Modality = 'CT'"}
        refused = await ward.client.post("/v1/rules", json=bad)
        assert (refused.status_code, refused.json()["code"]) == (422, "rule-invalid")
        assert refused.json()["column"] == 10
        tested = {
            "name": "a",
            "expression": "Modality == 'CT'",
            "tests": [{"attributes": {"Modality": "MR"}, "expect": True}],
        }
        refused = await ward.client.post("/v1/rules", json=tested)
        assert refused.json()["code"] == "analysis-rule-test-failed"
        tested["tests"] = [{"attributes": {"Modality": "CT"}, "expect": True}]
        rule = await ward.post("/v1/rules", tested)
        path = f"/v1/rules/{rule['id']}"
        broken = await ward.client.patch(path, json={"expression": "Modality == 'MR'"})
        assert broken.json()["code"] == "analysis-rule-test-failed"
        assert (await ward.client.post("/v1/rules", json=tested)).status_code == 409

    async def test_a_dry_run_submits_nothing(self, ward: Ward) -> None:
        await ward.bring("one")
        await ward.bring("two")
        wish = {"expression": "PatientID == 'P-two'"}
        found = await ward.post("/v1/rules/dry-run", wish, status=200)
        assert (found["studies"], found["matched"]) == (2, 1)
        assert found["items"][0]["applications"] == ["bright"]
        assert (await ward.get("/v1/tasks"))["items"] == []


class TestBatches:
    async def test_name_what_is_broken(self, ward: Ward) -> None:
        good, mri = await ward.bring("one"), await ward.bring("two", modality="MR")
        ghost = uuid4()
        batch = await ward.post("/v1/batches", {"studies": [str(good), str(mri), str(ghost)]})
        early = await ward.client.get(f"/v1/batches/{batch['id']}/summary")
        assert (early.status_code, early.json()["code"]) == (409, "batch-not-done")
        await ward.drain()
        done = await ward.get(f"/v1/batches/{batch['id']}")
        assert (done["total"], done["done"], done["failed"], done["finished"]) == (3, 1, 2, True)
        codes = [item["error_code"] for item in done["items"]]
        assert codes == [None, "no-application-fits", "study-not-found"]
        path = f"/v1/batches/{batch['id']}/summary"
        told = await ward.get(path)
        assert (told["total"], told["failed"]) == (3, 2)
        pdf = (await ward.client.get(f"{path}?format=pdf")).content
        assert pdf.startswith(b"%PDF")
        text = (await ward.client.get(f"{path}?format=csv")).content.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text)))
        assert len({len(row) for row in rows}) == 1
        assert any(str(ghost) in row for row in rows)

    async def test_a_hundred_pass_and_one_more_is_refused(self, ward: Ward) -> None:
        ids = [str(uuid4()) for _ in range(101)]
        refused = await ward.client.post("/v1/batches", json={"studies": ids})
        assert (refused.status_code, refused.json()["code"]) == (413, "batch-too-large")
        assert refused.json()["limit"] == 100
        assert (await ward.post("/v1/batches", {"studies": ids[:100]}))["total"] == 100
