# SPDX-License-Identifier: Apache-2.0
"""Pushes: what causes them, what they send, and what happens when the receiver does not."""

import io
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

import httpx
import pydicom
import pytest
from sqlalchemy import update

from healthvision.domains.archive.events import StudyComplete
from healthvision.domains.integration import jobs
from healthvision.domains.integration.pushing import PUSH, QUEUE
from healthvision.domains.integration.tables import Push
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.formats.dicom.binary_seg import BINARY_CLASS, binary_uid
from healthvision.kernel import strictjson
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database
from healthvision.kernel.events import Event, publish
from healthvision.kernel.jobs import JobContext, JobRegistry
from healthvision.kernel.security import Actor
from tests.domains.integration.conftest import Analysed, FakeCourier
from tests.domains.integration.test_destinations import STRANGER, made
from tests.support.queue import InPlaceQueue


@dataclass(frozen=True, slots=True)
class ResultReady(Event):
    """The analysis room's fact, of which this room knows the topic only."""

    topic: ClassVar[str] = "analysis.result_ready.v1"
    task_id: UUID
    study_id: UUID
    space_id: UUID


async def tell(db: Database, actor: Actor, found: Analysed, space: SpaceRead) -> UUID:
    result_id = uuid4()
    event = ResultReady(
        org_id=actor.org_id,
        subject=result_id,
        task_id=found.task_id,
        study_id=found.study_id,
        space_id=space.id,
    )
    async with db.transaction() as session:
        await publish(session, actor, event)
    return result_id


async def step(db: Database, queue: InPlaceQueue, name: str = PUSH) -> None:
    """Run the waiting jobs up to and with one of a kind, and no retry of it."""
    registry = db.resources.get(JobRegistry)
    ran = ""
    while queue.waiting and ran != name:
        job = queue.waiting.pop(0)
        ran = job.name
        context = JobContext(db=db, job_id=job.id, attempt=1, worker_id="test")
        await registry.jobs[job.name].handler(context, strictjson.loads(job.payload))


async def deliveries(client: httpx.AsyncClient, destination: str) -> list[dict[str, Any]]:
    answer = await client.get(f"/v1/destinations/{destination}/deliveries")
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


class TestResultReady:
    async def test_the_profile_says_what_goes_out_and_nothing_goes_twice(
        self,
        client: httpx.AsyncClient,
        db: Database,
        actor: Actor,
        queue: InPlaceQueue,
        courier: FakeCourier,
        space: SpaceRead,
        analysed: Analysed,
    ) -> None:
        new = await made(client, commit=False)
        off = await made(client, name="off", enabled=False)
        by_hand = await made(client, name="by hand", automatic=False)
        await tell(db, actor, analysed, space)
        await queue.drain(db)
        seg, sr = (binary_uid(analysed.outputs[n]) for n in ("seg", "sr"))
        assert courier.sent == [seg, sr]
        assert pydicom.dcmread(io.BytesIO(courier.bodies[seg])).SOPClassUID == BINARY_CLASS
        (one,) = await deliveries(client, new["id"])
        assert (one["state"], one["total"], one["sent"]) == ("done", 2, 2)
        assert await deliveries(client, off["id"]) == await deliveries(client, by_hand["id"]) == []
        await tell(db, actor, analysed, space)  # a result with the same objects
        await queue.drain(db)
        assert courier.sent == [seg, sr]
        assert [d["state"] for d in await deliveries(client, new["id"])] == ["done", "done"]

    async def test_label_maps_go_as_they_are(
        self,
        client: httpx.AsyncClient,
        db: Database,
        actor: Actor,
        queue: InPlaceQueue,
        courier: FakeCourier,
        space: SpaceRead,
        analysed: Analysed,
    ) -> None:
        profile = {"seg": "labelmap", "sr": True, "key_images": True, "pdf": True, "images": True}
        await made(client, profile=profile)
        await tell(db, actor, analysed, space)
        await queue.drain(db)
        assert set(courier.sent) == set(analysed.outputs.values())

    async def test_results_of_another_space_stay(
        self,
        client: httpx.AsyncClient,
        db: Database,
        actor: Actor,
        queue: InPlaceQueue,
        courier: FakeCourier,
        space: SpaceRead,
        analysed: Analysed,
    ) -> None:
        await client.post("/v1/spaces", json={"slug": "research"})
        new = await made(client, spaces=["research"])
        await tell(db, actor, analysed, space)
        await queue.drain(db)
        assert await deliveries(client, new["id"]) == []


class TestStudyComplete:
    async def test_images_go_where_they_are_wanted_and_late_ones_follow(
        self,
        client: httpx.AsyncClient,
        db: Database,
        actor: Actor,
        queue: InPlaceQueue,
        courier: FakeCourier,
        space: SpaceRead,
        study: UUID,
    ) -> None:
        await made(client, name="results only")
        await made(client, profile={"images": True})
        for generation in (1, 2):
            event = StudyComplete(
                org_id=actor.org_id,
                subject=study,
                space_id=space.id,
                origin="dimse",
                last_instance_at="2026-03-04T05:06:07+00:00",
                reason="quiet",
                generation=generation,
            )
            async with db.transaction() as session:
                await publish(session, actor, event)
            await queue.drain(db)
        assert len(courier.sent) == len(set(courier.sent)) == 6


@pytest.fixture
async def path(
    client: httpx.AsyncClient, courier: FakeCourier, space: SpaceRead, study: UUID
) -> str:
    """A delivery of six images that waits."""
    new = await made(client, profile={"images": True}, commit=False)
    answer = await client.post(f"/v1/studies/{study}/send", json={"destination": new["id"]})
    assert answer.status_code == 202
    return f"/v1/destinations/{new['id']}/deliveries/{answer.json()['id']}"


class TestFailures:
    async def test_a_try_that_breaks_goes_on_where_it_stopped(
        self,
        client: httpx.AsyncClient,
        db: Database,
        queue: InPlaceQueue,
        courier: FakeCourier,
        path: str,
    ) -> None:
        courier.down, courier.after = 1, 2
        await step(db, queue)
        first = (await client.get(path)).json()
        assert (first["state"], first["sent"], first["attempts"]) == ("waiting", 2, 1)
        assert first["last_error"] == "it is down" and first["next_at"] is not None
        assert [j.delay_s for j in queue.waiting if j.name == PUSH] == [10.0]
        await step(db, queue)
        done = (await client.get(path)).json()
        assert (done["state"], done["sent"], done["last_error"]) == ("done", 6, "")
        assert len(courier.sent) == len(set(courier.sent)) == 6

    async def test_what_is_refused_is_listed_and_can_be_tried_again(
        self,
        client: httpx.AsyncClient,
        db: Database,
        queue: InPlaceQueue,
        courier: FakeCourier,
        path: str,
        study: UUID,
    ) -> None:
        refs = (await client.get(f"/v1/studies/{study}")).json()
        assert refs["id"] == str(study)
        await step(db, queue)
        assert (await client.post(f"{path}/retry")).status_code == 409
        body = {"destination": path.split("/")[3], "again": True}
        other = (await client.post(f"/v1/studies/{study}/send", json=body)).json()
        courier.refuses = {courier.sent[0]}
        await step(db, queue)
        again = path.rsplit("/", 1)[0] + f"/{other['id']}"
        found = (await client.get(again)).json()
        assert (found["state"], found["sent"], found["refused"]) == ("partly", 5, 1)
        assert found["objects"][0]["sop_uid"] == courier.sent[0]
        assert (found["objects"][0]["state"], found["objects"][0]["reason"]) == ("refused", "C000")
        courier.refuses = set()
        assert (await client.post(f"{again}/retry")).status_code == 202
        await step(db, queue)
        assert (await client.get(again)).json()["state"] == "done"
        assert len(courier.sent) == 13

    async def test_after_many_tries_it_is_given_up_visibly(
        self,
        client: httpx.AsyncClient,
        db: Database,
        queue: InPlaceQueue,
        courier: FakeCourier,
        path: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("HV_INTEGRATION_PUSH_TRIES", "3")
        courier.down = 3
        await queue.drain(db)
        listing = path.rsplit("/", 1)[0]
        (dead,) = (await client.get(f"{listing}?state=dead")).json()["items"]
        assert (dead["attempts"], dead["last_error"]) == (3, "it is down")
        assert (await client.post(f"{path}/retry")).json()["state"] == "waiting"
        await queue.drain(db)
        assert (await client.get(path)).json()["state"] == "done"

    async def test_a_run_that_died_is_taken_over_when_its_lease_is_over(
        self,
        client: httpx.AsyncClient,
        db: Database,
        queue: InPlaceQueue,
        courier: FakeCourier,
        path: str,
    ) -> None:
        async with db.transaction() as session:
            await session.execute(update(Push).values(state="sending", lease="dead worker"))
        await step(db, queue)
        assert len(courier.sent) == 6
        assert (await client.get(path)).json()["state"] == "done"

    async def test_while_the_lease_lives_nobody_else_sends(
        self,
        client: httpx.AsyncClient,
        db: Database,
        queue: InPlaceQueue,
        courier: FakeCourier,
        path: str,
    ) -> None:
        until = now() + timedelta(seconds=60)
        held = {"state": "sending", "lease": "another", "lease_until": until}
        async with db.transaction() as session:
            await session.execute(update(Push).values(**held))
        await step(db, queue)
        assert courier.sent == []
        assert [j.name for j in queue.waiting] == [PUSH]


class TestSend:
    async def test_a_stranger_and_the_switched_off_are_refused(
        self,
        client: httpx.AsyncClient,
        courier: FakeCourier,
        space: SpaceRead,
        study: UUID,
    ) -> None:
        new = await made(client, enabled=False)
        url, body = f"/v1/studies/{study}/send", {"destination": new["id"]}
        assert (await client.post(url, json=body, headers=STRANGER)).status_code == 404
        assert (await client.post(url, json=body)).status_code == 409
        body = {"destination": str(uuid4())}
        assert (await client.post(url, json=body)).status_code == 404

    async def test_the_study_tells_where_it_went(
        self, client: httpx.AsyncClient, path: str, study: UUID
    ) -> None:
        (one,) = (await client.get(f"/v1/studies/{study}/deliveries")).json()["items"]
        assert path.endswith(one["id"])
        answer = await client.get(f"/v1/studies/{study}/deliveries", headers=STRANGER)
        assert answer.status_code == 404


class TestJobs:
    def test_pushes_have_a_queue_of_their_own(self) -> None:
        assert jobs.queues() == {QUEUE: 2}
        assert {j.queue for j in jobs.JOBS if j.name == PUSH} == {QUEUE}
