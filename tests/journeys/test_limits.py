# SPDX-License-Identifier: Apache-2.0
"""Published limits, each at its last allowed value and one beyond, and JSON that is a trap."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from pydicom.uid import generate_uid

from healthvision.app import schema
from healthvision.kernel.settings import CoreSettings
from tests.factories.dicom import ct_bytes
from tests.journeys.calls import MAKERS, SPARE
from tests.journeys.material import related
from tests.journeys.operations import Operation, body_schema, operations
from tests.journeys.world import Person, World, environment, make_people
from tests.support.platform import Platform, Process, platform

IMAGE_LIMIT = 200_000
REAL_LIMIT = 500_000_000
JSON_LIMIT = 4 * 1024 * 1024
CHUNK = 1024 * 1024


@dataclass
class Hospital:
    """Two API processes over one database; people of two organisations, tier 'standard'."""

    platform: Platform
    apis: list[Process]
    people: dict[str, Person]
    neighbour: Person

    def url(self, number: int, path: str) -> str:
        """Return the address of a path at one of the processes."""
        return f"http://127.0.0.1:{self.apis[number].port}{path}"


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("limits")
    settings = {
        "HV_ARCHIVE_MAX_IMAGE_BYTES": str(IMAGE_LIMIT),
        "HV_IDENTITY_ARGON2_MEMORY_KIB": "8192",
    }
    with platform(folder, **settings) as running:
        with environment(running.environment):
            schema.upgrade(CoreSettings().resolved_database_url())
            people = asyncio.run(make_people("east", ["viewer"], "standard"))
            service = asyncio.run(make_people("west", []))["admin"]
        apis = [running.add("api") for _ in range(2)]
        for api in apis:
            api.wait_ready()
        yield Hospital(running, apis, people, service)


class TestRate:
    def test_sixty_calls_over_two_processes_pass_and_the_next_waits(
        self, hospital: Hospital
    ) -> None:
        me = hospital.people["viewer"].headers
        with httpx.Client(timeout=30) as client:
            answers = [client.get(hospital.url(n % 2, "/v1/me"), headers=me) for n in range(60)]
            assert {a.status_code for a in answers} == {200}
            for number in (0, 1):
                over = client.get(hospital.url(number, "/v1/me"), headers=me)
                assert over.status_code == 429
                assert over.headers["content-type"] == "application/problem+json"
                assert 1 <= int(over.headers["retry-after"]) <= 60
                assert (over.json()["code"], over.json()["limit"]) == ("rate-limited", 60)
            for other in (hospital.people["admin"], hospital.neighbour):
                answer = client.get(hospital.url(0, "/v1/me"), headers=other.headers)
                assert answer.status_code == 200
            assert client.get(hospital.url(1, "/healthz")).status_code == 200

    def test_is_published(self, hospital: Hospital) -> None:
        answer = httpx.get(
            hospital.url(0, "/v1/limits"), headers=hospital.neighbour.headers, timeout=60
        )
        published = {row["name"]: row["value"] for row in answer.json()}
        wanted = {
            "json_body": JSON_LIMIT,
            "image_file": IMAGE_LIMIT,
            "batch": 100,
            "rate.standard.api": 60,
            "rate.service.api": 6000,
        }
        assert {name: published.get(name) for name in wanted} == wanted


def _padded(size: int) -> bytes:
    """Return a CT object of exactly this size, filled with trailing padding (PS3.10 7.2)."""
    base = ct_bytes()
    length = size - len(base) - 12
    even = length - length % 2
    head = b"\xfc\xff\xfc\xffOB\0\0" + even.to_bytes(4, "little")
    return base + head + bytes(even) + bytes(length % 2)


class TestUpload:
    @pytest.fixture
    def client(self, hospital: Hospital) -> Iterator[httpx.Client]:
        headers = hospital.neighbour.headers
        with httpx.Client(base_url=hospital.url(0, ""), headers=headers, timeout=60) as opened:
            yield opened

    def _agree(self, client: httpx.Client, size: int) -> Any:
        answer = client.post("/v1/uploads", json={"filename": "a.dcm", "size": size})
        assert answer.status_code == 201, answer.text
        return answer.json()["parts"][0]

    def _put(self, client: httpx.Client, part: Any, content: Any) -> httpx.Response:
        target = urlsplit(part["url"])
        path = f"{target.path}?{target.query}"
        return client.put(path, content=content, headers=part["headers"])

    def test_may_have_the_limit_and_not_a_byte_more(self, client: httpx.Client) -> None:
        part = self._agree(client, IMAGE_LIMIT)
        assert self._put(client, part, bytes(IMAGE_LIMIT)).status_code == 201
        over = client.post("/v1/uploads", json={"filename": "a.dcm", "size": IMAGE_LIMIT + 1})
        assert (over.status_code, over.json()["limit"]) == (413, IMAGE_LIMIT)

    @pytest.mark.parametrize(("more", "status"), [(1, 413), (-1, 422)])
    def test_must_have_the_agreed_size(self, client: httpx.Client, more: int, status: int) -> None:
        part = self._agree(client, 50_000)
        announced = self._put(client, part, bytes(50_000 + more))
        streamed = self._put(client, part, iter([bytes(25_000), bytes(25_000 + more)]))
        assert (announced.status_code, streamed.status_code) == (status, status)
        assert self._put(client, part, bytes(50_000)).status_code == 201

    def test_cannot_be_sent_twice(self, client: httpx.Client) -> None:
        part = self._agree(client, 1000)
        assert self._put(client, part, bytes(1000)).status_code == 201
        assert self._put(client, part, b"x" * 1000).status_code == 409

    def test_url_cannot_be_changed(self, client: httpx.Client) -> None:
        part = self._agree(client, 1000)
        for old, new in (("size=1000", "size=1001"), ("exp", "exq"), ("=", "=1")):
            changed = {**part, "url": part["url"].replace(old, new, 1)}
            assert changed != part, old
            answer = self._put(client, changed, bytes(1000))
            assert answer.status_code == 404, (new, answer.text)

    def test_instance_of_the_limit_is_stored_and_a_byte_more_refused(
        self, client: httpx.Client
    ) -> None:
        for size, good in ((IMAGE_LIMIT, True), (IMAGE_LIMIT + 1, False)):
            data = _padded(size)
            assert len(data) == size
            body, kind = related([data])
            answer = client.post(
                "/dicomweb/default/studies", content=body, headers={"Content-Type": kind}
            )
            assert (answer.status_code == 200) is good, answer.text
            assert good or answer.status_code in (409, 413), answer.text


class TestBatch:
    def test_a_hundred_studies_pass_and_one_more_is_refused(self, world: World) -> None:
        uids = [generate_uid() for _ in range(101)]
        name = world.name()
        body, kind = related([ct_bytes(study_uid=u, Modality="OT", PatientID=name) for u in uids])
        headers = {"Content-Type": kind}
        world.ask("POST", "/dicomweb/default/studies", content=body, headers=headers)
        query = {"patient_id": name, "limit": 200}
        ids = [s["id"] for s in world.ask("GET", "/v1/studies", params=query)["items"]]
        assert len(ids) == 101
        batch = world.ask("POST", "/v1/batches", json={"studies": ids[:100]})
        assert (batch["total"], len(batch["items"])) == (100, 100)
        over = world.http.post("/v1/batches", json={"studies": ids}, headers=world.admin.headers)
        assert (over.status_code, over.json()["limit"]) == (413, 100)


TRAPS = {
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "NaN": b'{"name": NaN}',
    "infinity": b'{"name": -Infinity}',
    "U+0000": b'{"name": "a\\u0000b"}',
    "lone surrogate": b'{"name": "\\ud800"}',
    "5000 digits": b'{"name": ' + b"9" * 5000 + b"}",
    "doubled key": b'{"name": "a", "name": "b"}',
    "not UTF-8": b'{"name": "\xff"}',
    "cut": b'{"name": "a"',
}
WITH_BODY = [o for o in operations() if body_schema(o) is not None]


def _whole_numbers(operation: Operation) -> list[str]:
    properties = (body_schema(operation) or {}).get("properties", {})
    return [n for n, told in properties.items() if told.get("type") in ("integer", "number")]


class TestJson:
    @pytest.mark.parametrize("trap", sorted(TRAPS))
    @pytest.mark.parametrize("operation", WITH_BODY, ids=lambda o: o.id)
    def test_traps_are_refused(self, operation: Operation, trap: str, world: World) -> None:
        path = operation.path
        for name in operation.names("path"):
            path = path.replace("{" + name + "}", "01a1fbc1-db89-7000-8e9a-2e2e53f44f68")
        headers = {**world.admin.headers, "Content-Type": "application/json"}
        answer = world.http.request(operation.method, path, content=TRAPS[trap], headers=headers)
        assert answer.status_code in (400, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"

    @pytest.mark.parametrize(
        "operation", [o for o in WITH_BODY if _whole_numbers(o)], ids=lambda o: o.id
    )
    def test_true_is_no_number(self, operation: Operation, world: World) -> None:
        call = SPARE.get(operation.id, MAKERS[operation.id])(world)
        for name in _whole_numbers(operation):
            for wrong in (True, False):
                body = {**call.json, name: wrong}
                path = operation.path.format(**call.path)
                answer = world.http.request(
                    operation.method, path, json=body, headers=world.admin.headers
                )
                assert answer.status_code == 422, (name, answer.text)

    def test_a_body_over_four_mebibytes_is_413(self, world: World) -> None:
        for size, status in ((JSON_LIMIT, 422), (JSON_LIMIT + 1, 413)):
            body = json.dumps({"name": ""}).encode()
            body = body[:-2] + b"a" * (size - len(body)) + body[-2:]
            headers = {**world.admin.headers, "Content-Type": "application/json"}
            answer = world.http.post("/v1/teams", content=body, headers=headers)
            assert (len(body), answer.status_code) == (size, status), answer.text[:300]


def _peak(process: Process) -> int:
    """Return the largest resident size of a process so far, in bytes."""
    assert process.popen is not None
    status = Path(f"/proc/{process.popen.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def _big(start: int, size: int, head: bytes) -> Iterator[bytes]:
    """Yield bytes start .. start + size of ``head`` followed by zeros."""
    end = start + size
    while start < end:
        length = min(CHUNK, end - start)
        yield (head[start : start + length]).ljust(length, b"\0")
        start += length


@pytest.mark.long
@pytest.mark.timeout(900)
class TestFiveHundredMegabytes:
    def _head(self) -> bytes:
        base = ct_bytes()
        length = REAL_LIMIT - len(base) - 12
        return base + b"\xfc\xff\xfc\xffOB\0\0" + length.to_bytes(4, "little")

    def test_pass_and_one_byte_more_is_refused_with_flat_memory(self, world: World) -> None:
        api = world.platform.processes[0]
        assert world.upload
        before, head = _peak(api), self._head()
        new = {"filename": "big.dcm", "size": REAL_LIMIT}
        upload = world.ask("POST", "/v1/uploads", json=new)
        for part in upload["parts"]:
            target = urlsplit(part["url"])
            body = _big(part["offset"], part["size"], head)
            path = f"{target.path}?{target.query}"
            sent = world.http.put(path, content=body, headers=part["headers"], timeout=300)
            assert sent.status_code == 201, sent.text
        world.ask("POST", f"/v1/uploads/{upload['id']}/complete", json={})

        def ended() -> Any:
            found = world.ask("GET", f"/v1/uploads/{upload['id']}")
            return found if found["state"] in ("done", "failed") else None

        done = world.wait("the upload", ended, 300)
        assert (done["state"], done["stored"]) == ("done", 1), done
        over = world.http.post(
            "/v1/uploads", json={**new, "size": REAL_LIMIT + 1}, headers=world.admin.headers
        )
        assert (over.status_code, over.json()["limit"]) == (413, REAL_LIMIT)
        assert _peak(api) - before < 200_000_000

    def test_plus_a_byte_over_stow_is_refused_with_flat_memory(self, world: World) -> None:
        api, head = world.platform.processes[0], self._head()
        assert world.upload
        before = _peak(api)
        headers = {**world.admin.headers, "Content-Type": "application/dicom"}
        answer = world.http.post(
            "/dicomweb/default/studies",
            content=_big(0, REAL_LIMIT + 1, head),
            headers=headers,
            timeout=300,
        )
        assert answer.status_code in (409, 413), answer.text
        assert _peak(api) - before < 200_000_000
