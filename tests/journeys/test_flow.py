# SPDX-License-Identifier: Apache-2.0
"""How work flows: urgency, closing, late slices, our own outputs, cancel, retry, batches."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from healthvision.app.demo.receiver import Receiver, receiving
from healthvision.client import Client
from healthvision.client.models import Task
from healthvision.clinical.phantoms.chest import phantom
from healthvision.formats.nifti.export import from_volume
from tests.factories.dicom import ct_series
from tests.journeys.chests import (
    LARGE_NODULES,
    chest_slices,
    opened,
    slices,
    stored,
    task_of,
)
from tests.journeys.world import World

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
READY = "analysis.result_ready.v1"
BIG = replace(LARGE_NODULES, shape=(150, 320, 320), spacing=(1.4, 1.12, 1.12))


@pytest.fixture(scope="module")
def big() -> list[bytes]:
    """The slices of a chest that takes longer than a small one."""
    return slices(from_volume(phantom(851, BIG).volume), "FLOW-BIG")


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    """A client signed in as the administrator."""
    with opened(world) as found:
        yield found


@pytest.fixture
def receiver(client: Client) -> Iterator[Receiver]:
    """A subscribed receiver of result messages."""
    with receiving() as found:
        hook = client.add_webhook(found.url, [READY])
        found.secret = hook.secret or ""
        yield found
        client.unsubscribe(hook.id)


def running(world: World, client: Client, study: UUID) -> Task:
    """Wait until a study's analysis runs."""

    def begun() -> Task | None:
        tasks = client.tasks(study_id=study).items
        return next((t for t in tasks if t.state == "running"), None)

    task: Task = world.wait("a running task", begun, 120)
    return task


def arrived(receiver: Receiver) -> list[str]:
    """Return the studies of the messages in the order of their arrival."""
    return [str(a.document["data"]["study_id"]) for a in receiver.arrivals]


class TestUrgency:
    def test_stat_overtakes_a_running_and_a_waiting_routine_study(
        self, world: World, client: Client, receiver: Receiver, big: list[bytes]
    ) -> None:
        first = stored(client, big)
        waiting = stored(client, chest_slices(852, "FLOW-ROUTINE"))
        client.close_study(first)
        busy = running(world, client, first)
        client.close_study(waiting)
        urgent = stored(client, chest_slices(853, "FLOW-STAT", priority="STAT"))
        client.close_study(urgent)
        stat = task_of(world, client, urgent)
        assert stat.priority == "stat"
        assert busy.priority == "routine"
        wanted = {str(first), str(waiting), str(urgent)}
        world.wait("all messages", lambda: wanted <= set(arrived(receiver)), 180)
        order = arrived(receiver)
        assert order.index(str(urgent)) < order.index(str(waiting))
        assert all(a.signed for a in receiver.arrivals)
        assert len({a.id for a in receiver.arrivals}) == len(receiver.arrivals)
        assert stat.deadline_at is not None
        timings = (client.result(stat.result_id or "").model_extra or {})["timings"]
        assert timings["last_instance_at"] < timings["started_at"] < timings["finished_at"]


class TestClosing:
    def test_a_closed_study_starts_without_the_quiet_wait(
        self, world: World, client: Client
    ) -> None:
        slug = world.new_space()["slug"]
        world.ask("PATCH", f"/v1/spaces/{slug}", json={"quiet_s": 600})
        answer = client.stow(ct_series(24, PatientID=world.name()), space=slug)
        uid = answer.stored[0].url.split("/studies/")[1].split("/")[0]
        study = client.find_study(uid, space=slug)
        assert study is not None
        time.sleep(2)
        assert client.tasks(study_id=study.id).items == []
        client.close_study(study.id, space=slug)
        world.wait("the task", lambda: client.tasks(study_id=study.id).items, 30)

    def test_a_late_slice_makes_a_new_result_that_supersedes_the_old_one(
        self, world: World, client: Client
    ) -> None:
        *early, late = chest_slices(854, "FLOW-LATE")
        study = stored(client, early)
        client.close_study(study)
        old = task_of(world, client, study)
        assert stored(client, [late]) == study
        client.close_study(study)
        new = task_of(world, client, study, count=2)
        assert new.id != old.id
        assert old.result_id is not None
        assert new.result_id is not None
        before, after = client.result(old.result_id), client.result(new.result_id)
        assert (before.version, after.version) == (1, 2)
        assert after.supersedes == str(old.result_id)
        assert before.superseded_by == str(new.result_id)
        current = client.results(study_uid=after.study_uid, current=True).items
        assert [r.id for r in current] == [new.result_id]


class TestOwnOutputs:
    def test_our_seg_sr_and_pdf_coming_back_start_nothing(
        self, world: World, client: Client, tmp_path: Path
    ) -> None:
        study = UUID(world.chest["id"])
        result = client.result(task_of(world, client, study).result_id or "")
        files = [
            client.download_output(result.id, o.name, tmp_path / f"{o.name}.dcm")
            for o in result.outputs
            if o.kind in ("SEG", "SR", "PDF", "SC")
        ]
        assert len(files) >= 4
        tasks = {t.id for t in client.tasks(study_id=study).items}
        client.stow(files)
        client.close_study(study)
        with opened(world, world.stranger) as other:
            elsewhere = stored(other, [f.read_bytes() for f in files])
            other.close_study(elsewhere)
            time.sleep(8)
            assert other.tasks(study_id=elsewhere).items == []
        assert {t.id for t in client.tasks(study_id=study).items} == tasks


class TestTasks:
    def test_a_running_task_is_cancelled_and_then_done_by_retry(
        self, world: World, client: Client, big: list[bytes]
    ) -> None:
        study = stored(client, big)
        task = client.submit(study, "lung-ct", force=True)
        world.wait("the start", lambda: client.task(task.id).state == "running", 180)
        client.cancel_task(task.id)
        ended = client.wait_for_task(task.id, timeout_s=60)
        assert ended.state == "cancelled"
        assert ended.result_id is None
        again = client.retry_task(task.id)
        done = client.wait_for_task(again.id, timeout_s=180)
        assert done.state == "done", done
        assert done.result_id is not None

    def test_a_batch_names_its_broken_study_and_does_the_others(
        self, world: World, client: Client
    ) -> None:
        good, broken = UUID(world.chest["id"]), UUID(world.new_study(modality="SR")["id"])
        assert world.result
        batch = client.submit_batch([good, broken], application="lung-ct", title="two")
        batch = client.wait_for_batch(batch.id, timeout_s=180)
        by_study = {i.study_id: i for i in batch.items}
        assert (batch.total, batch.done, batch.failed) == (2, 1, 1)
        assert by_study[good].state == "done"
        assert by_study[good].result_id is not None
        assert by_study[broken].state == "failed"
        assert by_study[broken].error_code
        assert by_study[broken].error_detail


class TestWebhooks:
    def test_a_receiver_that_was_down_gets_each_event_once(
        self, world: World, client: Client
    ) -> None:
        with receiving() as probe:
            port = int(probe.url.split(":")[2].split("/")[0])
            url = probe.url
        hook = client.add_webhook(url, ["archive.study_complete.v1"])
        try:
            studies = {world.new_study()["id"] for _ in range(2)}

            def tried() -> bool:
                page = client.deliveries(hook.id).items
                return len(page) == 2 and max(d.attempts for d in page) >= 1

            world.wait("a failed attempt", tried, 60)
            with receiving(port) as receiver:
                receiver.secret = hook.secret or ""
                world.wait("both messages", lambda: len(receiver.arrivals) >= 2, 90)
                time.sleep(3)
                assert {str(a.document["subject"]) for a in receiver.arrivals} == studies
                assert len(receiver.arrivals) == 2
                assert all(a.signed for a in receiver.arrivals)
            states = {d.state for d in client.deliveries(hook.id).items}
            assert states == {"delivered"}
        finally:
            client.unsubscribe(hook.id)
