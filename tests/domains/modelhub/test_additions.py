# SPDX-License-Identifier: Apache-2.0
"""Models brought through the API: announced, sent, judged in a job, served or refused."""

import asyncio
import errno
import fcntl
import hashlib
import os
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, update

from healthvision.domains.audit import module as audit
from healthvision.domains.audit import service as audit_service
from healthvision.domains.audit.tables import AuditEvent
from healthvision.domains.identity.tables import Organisation
from healthvision.domains.modelhub import adding, additions, jobs
from healthvision.domains.modelhub import module as modelhub
from healthvision.domains.modelhub.adding import Trial
from healthvision.domains.modelhub.errors import AdditionsFull
from healthvision.domains.modelhub.service import Registry, Shelf, Stored
from healthvision.domains.modelhub.tables import ModelAddition
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database
from healthvision.kernel.errors import OutOfSpace
from healthvision.kernel.jobs import JobContext
from healthvision.kernel.module import Module
from healthvision.kernel.sandbox import SandboxFailed
from healthvision.kernel.security import Actor
from tests.domains.modelhub import packages
from tests.support import own_models
from tests.support.auth import HEADER, TableAuthenticator
from tests.support.queue import InPlaceQueue

ZIP = {"Content-Type": "application/zip"}
OTHER = {HEADER: "stranger"}
PASSED = Trial(
    ("Bright",), ("Volume 1 mL",), {"Bright": 9}, {}, 1.0, 100, repeatable=True, responds=True
)


@pytest.fixture
def modules() -> Sequence[Module]:
    return [audit.MODULE, modelhub.MODULE]


@dataclass
class Door:
    """The API as the administrator of the installation uses it."""

    client: httpx.AsyncClient
    db: Database
    queue: InPlaceQueue
    shelf: Shelf

    async def announced(self, data: bytes, **more: Any) -> Any:
        """Announce a package and return the addition."""
        said = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), **more}
        answer = await self.client.post("/v1/models", json=said)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def put(self, addition: Any, data: bytes) -> httpx.Response:
        """Send a package."""
        return await self.client.put(addition["package_path"], content=data, headers=ZIP)

    async def brought(self, data: bytes) -> Any:
        """Announce, send, judge, and return what became of it."""
        addition = await self.announced(data)
        sent = await self.put(addition, data)
        assert (sent.status_code, sent.json()["state"]) == (202, "received")
        await self.queue.drain(self.db)
        return (await self.client.get(f"/v1/model-additions/{addition['id']}")).json()

    async def log(self, action: str) -> list[tuple[UUID, str | None]]:
        """Return (organisation, subject) of an act in the log."""
        async with self.db.reading() as session:
            rows = await session.scalars(select(AuditEvent).where(AuditEvent.action == action))
            return [(row.org_id, row.subject) for row in rows]

    async def row(self, addition: Any) -> tuple[str, int]:
        """Return the state of an addition and how many trials of it did not come back."""
        async with self.db.reading() as session:
            mine = ModelAddition.id == UUID(addition["id"])
            row = (await session.scalars(select(ModelAddition).where(mine))).one()
            return row.state, row.begun

    def left(self) -> list[str]:
        """Return what still lies beside the models."""
        return sorted(p.name for p in (self.shelf.folder / ".incoming").iterdir())


@pytest.fixture
async def door(
    client: httpx.AsyncClient,
    db: Database,
    queue: InPlaceQueue,
    actor: Actor,
    stranger: Actor,
    authenticator: TableAuthenticator,
    tmp_path: Path,
) -> Door:
    """Two organisations; ``actor`` administers the installation."""
    shelf = Shelf(tmp_path / "models")
    db.resources.put(Registry, Registry([], shelf=shelf))
    authenticator.actors["chief"] = replace(
        actor, permissions=actor.permissions | {"installation:admin"}
    )
    client.headers[HEADER] = "chief"
    async with db.transaction() as session:
        for org_id in (actor.org_id, stranger.org_id):
            name = org_id.hex[-12:]
            session.add(Organisation(id=org_id, name=name, title=name, disabled_at=None))
    return Door(client, db, queue, shelf)


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dry run is taken for passed; what it does is tested with the shelf."""
    monkeypatch.setattr(adding, "try_out", lambda *_args: PASSED)


def _good(tmp_path: Path, **changes: Any) -> bytes:
    return packages.of_folder(own_models.folder(tmp_path / "m", **changes), "m/")


class TestBringing:
    async def test_a_model_is_tried_in_the_sandbox_and_served(
        self, door: Door, tmp_path: Path, actor: Actor, stranger: Actor
    ) -> None:
        done = await door.brought(_good(tmp_path))
        assert (done["state"], done["problem"]) == ("added", None)
        assert (done["model_id"], done["version"]) == ("bright-own", "1.0.0")
        trial = done["trial"]
        assert (trial["findings"], trial["repeatable"], trial["responds"]) == (
            ["Bright"], True, True,
        )  # fmt: skip
        listed = (await door.client.get("/v1/models/bright-own", headers=OTHER)).json()
        assert (listed["version"], listed["evidence_level"]) == ("1.0.0", "unmeasured")
        both = {(actor.org_id, "bright-own"), (stranger.org_id, "bright-own")}
        assert set(await door.log("modelhub.model_added")) == both
        assert await door.log("modelhub.model_announced") == [(actor.org_id, done["id"])]
        assert door.left() == []

    @pytest.mark.usefixtures("passed")
    async def test_switched_off_by_each_and_removed_for_all(
        self, door: Door, tmp_path: Path, actor: Actor, stranger: Actor
    ) -> None:
        await door.brought(_good(tmp_path))
        off = await door.client.patch("/v1/models/bright-own", json={"enabled": False})
        other = await door.client.get("/v1/models/bright-own", headers=OTHER)
        assert (off.json()["enabled"], other.json()["enabled"]) == (False, True)
        denied = await door.client.delete("/v1/models/bright-own", headers=OTHER)
        assert denied.status_code == 403
        gone = await door.client.delete("/v1/models/bright-own", params={"version": "1.0.0"})
        assert gone.json() == {"retired": [{"id": "bright-own", "version": "1.0.0"}]}
        for headers in ({}, OTHER):
            answer = await door.client.get("/v1/models/bright-own", headers=headers)
            assert answer.json()["code"] == "application-not-found"
        assert {o for o, _ in await door.log("modelhub.model_retired")} == {
            actor.org_id, stranger.org_id,
        }  # fmt: skip
        again = await door.client.delete("/v1/models/bright-own")
        assert (again.status_code, again.json()["code"]) == (404, "application-not-found")

    @pytest.mark.usefixtures("passed")
    async def test_what_cannot_be_noted_is_not_served(
        self, door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = _good(tmp_path)
        addition = await door.announced(data)
        await door.put(addition, data)
        with monkeypatch.context() as patch:

            async def fails(*_args: Any, **_more: Any) -> None:
                raise OSError("no log")

            patch.setattr(audit_service, "record", fails)
            with pytest.raises(OSError, match="no log"):
                await door.queue.drain(door.db)
        assert door.shelf.entries() == []
        assert door.left() == [f"{addition['id']}.zip"]
        await additions.check(
            door.db, next(iter(await door.log("modelhub.model_announced")))[0], UUID(addition["id"])
        )
        assert [e.state for e in door.shelf.entries()] == ["active"]

    @pytest.mark.usefixtures("passed")
    async def test_judged_twice_is_added_once(self, door: Door, tmp_path: Path) -> None:
        done = await door.brought(_good(tmp_path))
        org_id = (await door.log("modelhub.model_announced"))[0][0]
        await additions.check(door.db, org_id, UUID(done["id"]))
        assert len(await door.log("modelhub.model_added")) == 2  # one in each organisation


class TestRefusing:
    async def test_who_administers_an_organisation_only_may_not(
        self, door: Door, tmp_path: Path
    ) -> None:
        data = _good(tmp_path)
        said = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        plain = {HEADER: "actor"}
        answer = await door.client.post("/v1/models", json=said, headers=plain)
        assert (answer.status_code, answer.json()["permission"]) == (403, "installation:admin")
        addition = await door.announced(data)
        sent = await door.client.put(
            addition["package_path"], content=data, headers={**ZIP, **plain}
        )
        assert sent.status_code == 403

    async def test_a_stranger_finds_nothing(
        self, door: Door, stranger: Actor, authenticator: TableAuthenticator
    ) -> None:
        addition = await door.announced(b"x")
        authenticator.actors["stranger"] = replace(
            stranger, permissions=stranger.permissions | {"installation:admin"}
        )
        path = f"/v1/model-additions/{addition['id']}"
        seen = await door.client.get(path, headers=OTHER)
        sent = await door.client.put(f"{path}/package", content=b"x", headers={**OTHER, **ZIP})
        assert [a.status_code for a in (seen, sent)] == [404, 404]
        assert seen.json()["code"] == "model-addition-not-found"

    @pytest.mark.parametrize(
        ("sent", "reason"),
        [(b"abcd", "digest"), (b"abc", "size"), (b"abcde", "size"), (b"", "size")],
    )
    async def test_another_package_than_announced_may_be_sent_again(
        self, door: Door, sent: bytes, reason: str
    ) -> None:
        addition = await door.announced(b"abcX")
        answer = await door.put(addition, sent)
        assert (answer.status_code, answer.json()["reason"]) == (422, reason)
        assert answer.json()["code"] == "model-package-refused"
        assert door.left() == []
        assert (await door.put(addition, b"abcX")).status_code == 202

    async def test_a_package_comes_once_in_time_and_as_a_zip(self, door: Door) -> None:
        addition = await door.announced(b"abc")
        kind = await door.client.put(addition["package_path"], content=b"abc")
        assert kind.status_code == 415
        assert (await door.put(addition, b"abc")).status_code == 202
        again = await door.put(addition, b"abc")
        assert (again.status_code, again.json()["code"]) == (409, "model-addition-closed")
        late = await door.announced(b"abc")
        async with door.db.transaction() as session:
            past = now() - timedelta(seconds=1)
            await session.execute(update(ModelAddition).values(expires_at=past))
        assert (await door.put(late, b"abc")).json()["code"] == "model-addition-closed"

    async def test_more_than_the_limit_is_not_even_announced(self, door: Door) -> None:
        said = {"size": 1 << 40, "sha256": "0" * 64}
        answer = await door.client.post("/v1/models", json=said)
        assert (answer.status_code, answer.json()["code"]) == (413, "too-large")

    async def test_only_some_wait_to_be_judged_at_once(
        self, door: Door, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(additions, "MOST_HELD", 1)
        first, second = [await door.announced(b"x") for _ in range(2)]
        assert (await door.put(first, b"x")).status_code == 202
        full = await door.put(second, b"x")
        assert (full.status_code, full.json()["code"]) == (503, "model-additions-full")
        await door.queue.drain(door.db)
        assert (await door.put(second, b"x")).status_code == 202

    async def test_a_hostile_package_is_named_by_a_stable_word(self, door: Door) -> None:
        found = await door.brought(packages.link("model.onnx", "/etc/passwd"))
        assert (found["state"], found["model_id"]) == ("refused", None)
        assert found["problem"]["code"] == "model-package-refused"
        assert found["problem"]["reason"] == "link"
        assert door.left() == []
        refused = await door.log("modelhub.model_refused")
        assert [subject for _, subject in refused] == [found["id"]]

    @pytest.mark.usefixtures("passed")
    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"engine": {"kind": "onnx", "weights": "model.onnx", "sha256": "0" * 64}},
             "model-refused"),
            ({"engine": {"kind": "onnx", "weights": "../model.onnx"}},
             "model-description-invalid"),
            ({"id": "lung-ct"}, "model-exists"),
            ({"accepts": "Modality =="}, "rule-invalid"),
        ],
    )  # fmt: skip
    async def test_a_description_that_cannot_hold_is_refused(
        self, door: Door, tmp_path: Path, changes: dict[str, Any], code: str
    ) -> None:
        found = await door.brought(_good(tmp_path, **changes))
        assert (found["state"], found["problem"]["code"]) == ("refused", code)
        assert str(tmp_path) not in found["problem"]["detail"]

    async def test_no_place_of_the_server_is_told(self, door: Door, tmp_path: Path) -> None:
        found = await door.brought(packages.zipped({"readme.txt": b"x"}))
        assert found["problem"]["code"] == "model-description-invalid"
        assert str(tmp_path) not in found["problem"]["detail"]

    @pytest.mark.usefixtures("passed")
    @pytest.mark.parametrize(
        "engine",
        [
            {"kind": "triton", "url": "https://v.example", "model": "m", "input": "i",
             "output": "o"},
            {"kind": "http", "url": "https://v.example/x", "secret_file": "/etc/shadow"},
        ],
    )  # fmt: skip
    async def test_nobody_chooses_from_afar_where_images_go(
        self, door: Door, tmp_path: Path, engine: dict[str, str]
    ) -> None:
        found = await door.brought(_good(tmp_path, engine=engine))
        problem = found["problem"]
        assert (problem["code"], problem["reason"]) == ("model-refused", "server")

    async def test_what_passes_is_tried_again(
        self, door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_args: Any) -> Stored:
            raise OSError(errno.ENOSPC, "full")

        monkeypatch.setattr(adding, "try_out", lambda *_args: PASSED)
        monkeypatch.setattr(Shelf, "stage", full)
        data = _good(tmp_path)
        addition = await door.announced(data)
        await door.put(addition, data)
        with pytest.raises(OutOfSpace):
            await door.queue.drain(door.db)
        assert await door.row(addition) == ("checking", 0)
        assert door.left() == [f"{addition['id']}.zip"]


class TestDying:
    async def test_what_kills_the_worker_is_not_tried_for_ever(
        self, door: Door, tmp_path: Path, actor: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried: list[object] = []

        async def dies(*args: Any) -> None:
            tried.append(args)
            raise OSError("killed")

        async def nothing(*_args: Any) -> None:
            """Nobody is left to take it back."""

        monkeypatch.setattr(additions, "_add", dies)
        monkeypatch.setattr(additions, "_came_back", nothing)
        data = _good(tmp_path)
        addition = await door.announced(data)
        await door.put(addition, data)
        for begun in (1, 2):
            with pytest.raises(OSError, match="killed"):
                await additions.check(door.db, actor.org_id, UUID(addition["id"]))
            assert await door.row(addition) == ("checking", begun)
        await additions.check(door.db, actor.org_id, UUID(addition["id"]))
        found = (await door.client.get(f"/v1/model-additions/{addition['id']}")).json()
        assert (found["state"], found["problem"]["reason"]) == ("refused", "deadly")
        assert (len(tried), door.left()) == (2, [])

    async def test_a_stop_ends_the_trial_and_does_not_count(
        self, door: Door, tmp_path: Path, actor: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        began, ended = threading.Event(), threading.Event()

        def long(_proposal: Any, cancelled: Callable[[], bool]) -> Trial:
            began.set()
            while not cancelled():
                time.sleep(0.01)
            ended.set()
            raise SandboxFailed("cancelled", "stopped")

        monkeypatch.setattr(adding, "try_out", long)
        data = _good(tmp_path)
        addition = await door.announced(data)
        await door.put(addition, data)
        job = asyncio.create_task(additions.check(door.db, actor.org_id, UUID(addition["id"])))
        await asyncio.to_thread(began.wait)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        assert ended.is_set()
        assert await door.row(addition) == ("checking", 0)
        assert door.left() == [f"{addition['id']}.zip"]


class TestRoom:
    async def test_one_sender_at_a_time_and_a_dead_one_keeps_nobody_out(self, door: Door) -> None:
        addition = await door.announced(b"abc")
        folder = door.shelf.folder / ".incoming"
        folder.mkdir(parents=True)
        with (folder / f"{addition['id']}.part").open("wb") as other:
            other.write(b"something longer")
            fcntl.flock(other, fcntl.LOCK_EX)
            second = await door.put(addition, b"abc")
            assert (second.status_code, second.json()["code"]) == (409, "model-addition-closed")
        assert (await door.put(addition, b"abc")).status_code == 202
        assert (folder / f"{addition['id']}.zip").read_bytes() == b"abc"
        assert len(door.left()) == 1

    async def test_others_that_came_while_it_was_sent_are_counted(
        self, door: Door, actor: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(additions, "MOST_HELD", 1)
        first, second = [await door.announced(b"x") for _ in range(2)]

        async def body() -> AsyncIterator[bytes]:
            assert (await door.put(second, b"x")).status_code == 202
            yield b"x"

        chief = replace(actor, permissions=actor.permissions | {"installation:admin"})
        with pytest.raises(AdditionsFull):
            await additions.take(door.db, chief, UUID(first["id"]), body())
        assert await door.row(first) == ("waiting", 0)
        assert door.left() == [f"{second['id']}.zip"]

    async def test_without_room_nothing_is_taken(
        self, door: Door, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        addition = await door.announced(b"abc")
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=8))
            full = await door.put(addition, b"abc")
        assert (full.status_code, full.json()["code"]) == (507, "out-of-space")
        assert door.left() == []
        assert (await door.put(addition, b"abc")).status_code == 202

    async def test_what_was_left_behind_is_swept(
        self, door: Door, queue: InPlaceQueue, actor: Actor
    ) -> None:
        addition = await door.announced(b"abc")
        await door.put(addition, b"abc")
        given_up = {"org_id": str(actor.org_id), "addition_id": addition["id"]}
        await jobs.give_up_addition(JobContext(door.db, "j", 3, "w"), given_up)
        assert door.left() == []
        unsent = await door.announced(b"abc")
        folder = door.shelf.folder / ".incoming"
        (folder / "unpacked-x").mkdir()
        for name in ("unpacked-x/m", "a.part", "new.part"):
            (folder / name).write_bytes(b"x")
        for name in ("unpacked-x", "a.part"):
            os.utime(folder / name, (0, 0))
        long_ago = now() - timedelta(days=100)
        async with door.db.transaction() as session:
            await session.execute(
                update(ModelAddition).values(expires_at=long_ago).where(
                    ModelAddition.id == UUID(unsent["id"])
                )
            )  # fmt: skip
        await jobs.sweep_additions(JobContext(door.db, "j", 1, "w"))
        assert door.left() == ["new.part"]
        assert (await door.client.get(f"/v1/model-additions/{unsent['id']}")).status_code == 404
        assert await door.row(addition) == ("refused", 0)
        async with door.db.transaction() as session:
            await session.execute(update(ModelAddition).values(finished_at=long_ago))
        await jobs.sweep_additions(JobContext(door.db, "j", 2, "w"))
        assert (await door.client.get(f"/v1/model-additions/{addition['id']}")).status_code == 404
