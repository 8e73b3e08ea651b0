# SPDX-License-Identifier: Apache-2.0
"""A worker that is killed while it pushes to a PACS: the next one goes on where it stopped."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from pydicom.uid import CTImageStorage
from pynetdicom import AE, evt

from healthvision.app import accounts
from healthvision.kernel.settings import CoreSettings
from tests.support.platform import Platform, platform
from tests.support.postgres import free_port
from tests.support.small_ct import small_ct

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
IMAGES, KILL_AFTER = 80, (15, 40)


class Pacs:
    """A slow receiver that counts what it took, and answers when it is told to kill."""

    def __init__(self) -> None:
        self.port = free_port()
        self.taken: Counter[str] = Counter()
        self.reached = {n: Event() for n in KILL_AFTER}
        ae = AE("PACS")
        ae.add_supported_context(CTImageStorage)
        handlers: list[Any] = [(evt.EVT_C_STORE, self.store)]
        place = ("127.0.0.1", self.port)
        self.server: Any = ae.start_server(place, block=False, evt_handlers=handlers)

    def store(self, event: Any) -> int:
        time.sleep(0.03)
        self.taken[str(event.request.AffectedSOPInstanceUID)] += 1
        for number, reached in self.reached.items():
            if sum(self.taken.values()) >= number:
                reached.set()
        return 0x0000


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    made = Pacs()
    yield made
    made.server.shutdown()


@pytest.fixture
def hospital(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    with platform(tmp_path, HV_WORKER_STALE_S="3") as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


def _body(objects: list[bytes]) -> bytes:
    part = b"--b\r\nContent-Type: application/dicom\r\n\r\n"
    return b"".join(part + data + b"\r\n" for data in objects) + b"--b--\r\n"


def test_each_object_arrives_and_hardly_any_twice(hospital: Platform, pacs: Pacs) -> None:
    key = asyncio.run(accounts.demo_people(CoreSettings())).admin_key
    api = hospital.add("api")
    api.wait_ready(120)
    worker = hospital.add("worker")
    with httpx.Client(
        base_url=f"http://127.0.0.1:{api.port}", headers={"X-API-Key": key}, timeout=60
    ) as client:
        objects = small_ct("push", slices=IMAGES)
        kind = 'multipart/related; type="application/dicom"; boundary=b'
        for start in range(0, IMAGES, 20):
            answer = client.post(
                "/dicomweb/default/studies",
                content=_body(objects[start : start + 20]),
                headers={"Content-Type": kind},
            )
            assert answer.status_code == 200, answer.text
        ae = {"title": "PACS", "host": "127.0.0.1", "port": pacs.port, "operations": ["receive"]}
        assert client.post("/v1/remote-aes", json=ae).status_code == 201
        new = {
            "name": "PACS",
            "kind": "dicom",
            "config": {"remote_ae": "PACS"},
            "automatic": False,
            "profile": {"images": True},
        }
        made = client.post("/v1/destinations", json=new).json()
        assert client.post(f"/v1/destinations/{made['id']}/test").json()["ok"] is False  # no echo
        (study,) = client.get("/v1/studies").json()["items"]
        sent = client.post(f"/v1/studies/{study['id']}/send", json={"destination": made["id"]})
        path = f"/v1/destinations/{made['id']}/deliveries/{sent.json()['id']}"

        def kill() -> None:
            for reached in pacs.reached.values():
                if reached.wait(100):
                    worker.kill()
                    worker.start()

        killer = Thread(target=kill)
        killer.start()
        end = time.monotonic() + 200
        while (found := client.get(path).json())["state"] != "done":
            assert time.monotonic() < end, f"{found}\n{hospital.logs()}"
            time.sleep(0.5)
        killer.join()
    assert (found["sent"], found["total"]) == (IMAGES, IMAGES)
    assert len(pacs.taken) == IMAGES
    twice = sum(pacs.taken.values()) - IMAGES
    assert twice <= 21 * len(KILL_AFTER), twice  # what was acknowledged and not yet written
