# SPDX-License-Identifier: Apache-2.0
"""Both clients against a small server that plays the parts of the API the story needs."""

import hashlib
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from healthvision.client import (
    ApiError,
    ApiKey,
    AsyncClient,
    Bearer,
    Client,
    ClientCredentials,
    ConnectionFailed,
    RetryPolicy,
    UploadFailed,
    WaitTimeout,
)
from healthvision.client.auth import Auth

Handler = Callable[[httpx.Request], httpx.Response]
FAST = RetryPolicy(attempts=3, first_s=0.001, patience_s=1.0)


def blocking(handler: Handler, auth: Auth | None = None) -> Client:
    return Client("http://hv", auth, retry=FAST, transport=httpx.MockTransport(handler))


def awaited(handler: Handler, auth: Auth | None = None) -> AsyncClient:
    return AsyncClient("http://hv", auth, retry=FAST, transport=httpx.MockTransport(handler))


def json_answer(body: Any, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers=headers)


@dataclass
class Script:
    """Answers in order, and what was asked."""

    answers: list[httpx.Response | Exception]
    seen: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.seen.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class TestClients:
    def test_have_the_same_methods_with_the_same_parameters(self) -> None:
        def methods(kind: type) -> dict[str, list[str]]:
            return {
                name: list(inspect.signature(value).parameters)
                for name, value in vars(kind).items()
                if not name.startswith("_")
            }

        assert methods(Client) == methods(AsyncClient)
        assert all(getattr(Client, name).__doc__ for name in methods(Client))


class TestRetry:
    def test_waits_as_asked_and_tries_again(self) -> None:
        busy = json_answer({"code": "busy"}, 503, **{"Retry-After": "0"})
        script = Script([busy, httpx.Response(429), json_answer({"version": "1"})])
        assert blocking(script).version().model_extra == {"version": "1"}
        assert len(script.seen) == 3

    async def test_works_the_same_on_an_event_loop(self) -> None:
        script = Script([httpx.ConnectError("no"), json_answer({"version": "1"})])
        assert (await awaited(script).version()).model_extra == {"version": "1"}

    def test_gives_up_with_the_servers_own_problem(self) -> None:
        problem = {"code": "busy", "detail": "too many tasks", "status": 503}
        script = Script([json_answer(problem, 503) for _ in range(3)])
        with pytest.raises(ApiError, match="too many tasks") as caught:
            blocking(script).version()
        assert (caught.value.status, caught.value.code) == (503, "busy")

    def test_does_not_wait_longer_than_its_patience(self) -> None:
        script = Script([httpx.Response(429, headers={"Retry-After": "3600"})])
        with pytest.raises(ApiError):
            blocking(script).version()

    def test_repeats_a_post_with_the_same_idempotency_key(self) -> None:
        study = uuid4()
        script = Script([httpx.ReadError("cut"), httpx.Response(204)])
        blocking(script).close_study(study)
        keys = {r.headers["idempotency-key"] for r in script.seen}
        assert len(script.seen) == 2 and len(keys) == 1

    def test_does_not_repeat_a_store_request_whose_answer_was_lost(self) -> None:
        script = Script([httpx.ReadError("cut")])
        with pytest.raises(ConnectionFailed):
            blocking(script).stow([b"bytes"])

    def test_a_page_of_a_proxy_is_an_error_too(self) -> None:
        script = Script([httpx.Response(404, text="<html>")])
        with pytest.raises(ApiError) as caught:
            blocking(script).version()
        assert caught.value.code == "http-error"


class TestAuth:
    @pytest.mark.parametrize(
        ("auth", "header", "value"),
        [
            (ApiKey("k1"), "x-api-key", "k1"),
            (Bearer("t1"), "authorization", "Bearer t1"),
        ],
    )
    def test_sends_what_it_was_given(self, auth: Auth, header: str, value: str) -> None:
        script = Script([json_answer({})])
        blocking(script, auth).version()
        assert script.seen[0].headers[header] == value

    def test_fetches_a_token_once_and_renews_it_when_refused(self) -> None:
        tokens = [json_answer({"access_token": f"t{i}", "expires_in": 300}) for i in (1, 2)]
        good, refused = json_answer({}), json_answer({"code": "unauthenticated"}, 401)
        script = Script([tokens[0], good, json_answer({}), refused, tokens[1], json_answer({})])
        client = blocking(script, ClientCredentials("id", "secret", scope="a b"))
        for _ in range(3):
            client.version()
        paths = [r.url.path for r in script.seen]
        assert paths.count("/oauth/token") == 2
        assert script.seen[-1].headers["authorization"] == "Bearer t2"
        assert b"grant_type=client_credentials" in script.seen[0].content

    def test_a_token_near_its_end_is_renewed_before_use(self) -> None:
        tokens = [json_answer({"access_token": "t", "expires_in": 1}) for _ in range(2)]
        auth = ClientCredentials("id", "secret")
        script = Script([tokens[0], json_answer({}), tokens[1], json_answer({})])
        client = blocking(script, auth)
        client.version()
        auth._until = 0.0
        client.version()
        assert len(script.seen) == 4

    def test_wrong_credentials_are_said_once(self) -> None:
        script = Script([json_answer({"error": "invalid_client"}, 401)])
        with pytest.raises(ApiError) as caught:
            blocking(script, ClientCredentials("id", "wrong")).version()
        assert caught.value.code == "invalid_client"

    def test_secrets_do_not_show_in_representations(self) -> None:
        shown = repr([ApiKey("s3cret"), Bearer("s3cret"), ClientCredentials("id", "s3cret")])
        assert "s3cret" not in shown


class TestStow:
    def test_streams_the_files_and_reads_the_answer(self, tmp_path: Path) -> None:
        file = tmp_path / "a.dcm"
        file.write_bytes(b"x" * 3_000_000)
        seen: list[tuple[int, int]] = []
        answer = {
            "00081198": {
                "vr": "SQ",
                "Value": [
                    {
                        "00081155": {"vr": "UI", "Value": ["1.2"]},
                        "00081197": {"vr": "US", "Value": [42752]},
                        "00741048": {
                            "vr": "SQ",
                            "Value": [{"00000902": {"vr": "LO", "Value": ["too large"]}}],
                        },
                    }
                ],
            },
            "00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.3"]}}]},
        }
        script = Script([json_answer(answer, 202)])
        got = blocking(script).stow(
            [file, b"second"], space="icu", progress=lambda done, total: seen.append((done, total))
        )
        request = script.seen[0]
        assert request.url.path == "/dicomweb/icu/studies"
        assert len(request.content) == int(request.headers["content-length"])
        assert request.content.count(b"Content-Type: application/dicom") == 2
        assert seen[-1][0] == seen[-1][1] == len(request.content)
        assert got.status == 202
        assert (got.stored[0].sop_uid, got.refused[0].sop_uid) == ("1.3", "1.2")
        assert (got.refused[0].reason, got.refused[0].detail) == (0xA700, "too large")

    async def test_streams_on_an_event_loop_too(self, tmp_path: Path) -> None:
        file = tmp_path / "a.dcm"
        file.write_bytes(b"\x00" * 2_500_000)
        bodies: list[bytes] = []

        async def handler(request: httpx.Request) -> httpx.Response:
            bodies.append(await request.aread())
            return json_answer({})

        client = AsyncClient("http://hv", transport=httpx.MockTransport(handler))
        await client.stow([file])
        assert bodies[0].count(0) == 2_500_000


@dataclass
class UploadServer:
    """Takes parts by signed URL; the first answer to part 1 is lost on the way back."""

    content: bytes
    upload: UUID = field(default_factory=uuid4)
    got: dict[int, bytes] = field(default_factory=dict)
    state: str = "waiting"
    lose: bool = True
    failed: str | None = None
    part: int = 400_000
    unsigned_headers: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        size = len(self.content)
        parts = [
            {
                "number": n,
                "offset": n * self.part,
                "size": min(self.part, size - n * self.part),
                "done": n in self.got,
                "method": "PUT",
                "url": f"http://store/blob/{n}?signature=s",
                "headers": {"Content-Type": "application/zip"},
            }
            for n in range(-(-size // self.part))
        ]
        return {
            "id": str(self.upload),
            "filename": "a.zip",
            "kind": "zip",
            "size": size,
            "state": self.state,
            "parts": parts,
            "stored": 3,
            "error": self.failed,
        }

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.url.host == "store":
            return self._put(int(path.rsplit("/", 1)[1]), request)
        if path.endswith("/complete"):
            assert b"".join(self.got[n] for n in sorted(self.got)) == self.content
            digest = json.loads(request.read())["sha256"]
            assert digest == hashlib.sha256(self.content).hexdigest()
            self.state = "failed" if self.failed else "done"
        return json_answer(self.document())

    def _put(self, number: int, request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers and "x-api-key" not in request.headers
        if number in self.got:
            return json_answer({"code": "object-exists"}, 409)
        self.got[number] = request.read()
        assert request.headers["content-length"] == str(len(self.got[number]))
        if number == 1 and self.lose:
            self.lose = False
            raise httpx.ReadError("the answer was lost")
        return httpx.Response(201)


@pytest.fixture
def content(tmp_path: Path) -> Path:
    file = tmp_path / "a.zip"
    file.write_bytes(bytes(range(256)) * 4000)
    return file


class TestUpload:
    def test_sends_all_parts_also_when_an_answer_is_lost(self, content: Path) -> None:
        server = UploadServer(content.read_bytes())
        seen: list[tuple[int, int]] = []
        got = blocking(server, ApiKey("k")).upload(
            content, progress=lambda done, total: seen.append((done, total))
        )
        assert (got.state, got.stored) == ("done", 3)
        assert seen[-1] == (1_024_000, 1_024_000)

    def test_resumes_with_the_missing_parts_only(self, content: Path) -> None:
        data = content.read_bytes()
        server = UploadServer(data, got={0: data[:400_000]}, lose=False)
        before = server.got[0]
        blocking(server).resume_upload(server.upload, content)
        assert server.got[0] is before and len(server.got) == 3

    def test_refuses_to_resume_with_another_file(self, content: Path) -> None:
        server = UploadServer(content.read_bytes() + b"more")
        with pytest.raises(UploadFailed, match="bytes"):
            blocking(server).resume_upload(server.upload, content)

    def test_says_why_it_failed(self, content: Path) -> None:
        server = UploadServer(content.read_bytes(), lose=False, failed="zip refused")
        with pytest.raises(UploadFailed, match="zip refused"):
            blocking(server).upload(content)


def task_document(status: str, result: UUID | None = None) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "study_id": str(uuid4()),
        "state": status,
        "result_id": result and str(result),
    }


def result_document(result: UUID) -> dict[str, Any]:
    return {
        "id": str(result),
        "study_uid": "1.2",
        "status": "complete",
        "summary": {"zh": "一", "en": "one"},
        "space_id": "s1",
        "outputs": [
            {"name": "report", "kind": "PDF"},
            {"name": "key-1.png", "kind": "PNG"},
            {"name": "seg", "kind": "SEG", "sop_instance_uid": "1.4", "series_uid": "1.3"},
        ],
    }


class TestWaitForResult:
    def test_listens_to_the_tasks_events(self) -> None:
        result, task = uuid4(), uuid4()
        stream = 'event: progress\ndata: {"state": "running"}\n\ndata: {"state": "done"}\n\n'
        script = Script(
            [
                json_answer(task_document("running")),
                httpx.Response(200, text=stream),
                json_answer(task_document("done", result)),
                json_answer(result_document(result)),
            ]
        )
        got = blocking(script).wait_for_result(task_id=task)
        assert got.summary.zh == "一"
        assert script.seen[1].headers["accept"] == "text/event-stream"

    async def test_asks_again_where_events_do_not_come_through(self) -> None:
        result, task = uuid4(), uuid4()
        script = Script(
            [
                json_answer(task_document("running")),
                httpx.Response(404),
                json_answer(task_document("running")),
                json_answer(task_document("done", result)),
                json_answer(result_document(result)),
            ]
        )
        got = await awaited(script).wait_for_result(task_id=task)
        assert got.id == str(result)

    def test_a_failed_task_is_an_error_with_its_reason(self) -> None:
        script = Script([json_answer({**task_document("failed"), "error_detail": "out of memory"})])
        with pytest.raises(ApiError, match="out of memory") as caught:
            blocking(script).wait_for_result(task_id=uuid4())
        assert caught.value.code == "task-failed"

    def test_gives_up_in_time(self) -> None:
        def never(_request: httpx.Request) -> httpx.Response:
            return json_answer({"items": [], "next": None, "total": 0})

        with pytest.raises(WaitTimeout):
            blocking(never).wait_for_result(study_uid="1.2", timeout_s=0.05)

    def test_wants_either_a_study_or_a_task(self) -> None:
        with pytest.raises(ValueError, match="either"):
            blocking(Script([])).wait_for_result()


class TestDownloadOutputs:
    def test_writes_each_output_from_where_it_lies(self, tmp_path: Path) -> None:
        result = uuid4()
        bodies = [httpx.Response(200, content=name) for name in (b"pdf", b"png", b"dicom")]
        script = Script([json_answer(result_document(result)), *bodies])
        paths = blocking(script).download_outputs(result, tmp_path / "out")
        assert [p.name for p in paths] == ["report", "key-1.png", "seg.dcm"]
        assert [p.read_bytes() for p in paths] == [b"pdf", b"png", b"dicom"]
        assert len(list((tmp_path / "out").iterdir())) == 3  # no part files
        asked = [r.url.raw_path.decode() for r in script.seen[1:]]
        assert asked == [
            f"/v1/results/{result}/export?format=pdf",
            f"/v1/results/{result}/key-images/key-1.png",
            "/dicomweb/s1/studies/1.2/series/1.3/instances/1.4",
        ]

    async def test_a_refused_download_leaves_no_file(self, tmp_path: Path) -> None:
        refused = json_answer({"code": "not-found", "detail": "no"}, 404)
        script = Script([json_answer(result_document(uuid4())), refused])
        target = tmp_path / "x"
        with pytest.raises(ApiError):
            await awaited(script).download_output(uuid4(), "key-1.png", target)
        assert list(tmp_path.iterdir()) == []

    def test_an_unknown_output_is_not_found(self, tmp_path: Path) -> None:
        script = Script([json_answer(result_document(uuid4()))])
        with pytest.raises(ApiError, match="no output"):
            blocking(script).download_output(uuid4(), "other", tmp_path / "x")


class TestLimits:
    def test_reads_the_published_list(self) -> None:
        script = Script([json_answer([{"name": "image", "value": 5e8, "unit": "By"}])])
        (limit,) = blocking(script).limits()
        assert (limit.name, limit.value, limit.unit) == ("image", 5e8, "By")


class TestReading:
    def test_a_verdict_and_the_file_of_a_report(self, tmp_path: Path) -> None:
        said: dict[str, Any] = {
            "id": str(uuid4()),
            "result_id": str(uuid4()),
            "study_id": str(uuid4()),
            "tracking_uid": "1.2",
            "decision": "modify",
            "reason_code": "",
            "reason": "",
            "reader_name": "Li Na",
            "active": True,
            "application": "lung-ct",
            "application_version": "0.1.0",
            "created_at": "2026-11-21T08:00:00Z",
        }
        script = Script([json_answer(said, 201), httpx.Response(200, content=b"%PDF-1.4")])
        client = blocking(script)
        verdict = client.give_verdict(
            said["result_id"], "modify", tracking_uid="1.2", changes={"label": "cyst"}
        )
        assert verdict.decision == "modify"
        assert json.loads(script.seen[0].content)["changes"] == {"label": "cyst"}
        target = client.export_report(uuid4(), tmp_path / "report.pdf")
        assert target.read_bytes() == b"%PDF-1.4"
        assert script.seen[1].url.params["format"] == "pdf"
