# SPDX-License-Identifier: Apache-2.0
"""A vendor's interface, played by a small server that shares the secret."""

import io
import json
from pathlib import Path

import numpy as np
import pytest

from healthvision.domains.modelhub.description import HttpEngine
from healthvision.domains.modelhub.errors import EngineBusy, EngineFailed
from healthvision.plugins.engines import vendor
from healthvision.plugins.engines.calling import Call, Reply
from healthvision.plugins.engines.vendor import VendorClient, signature, unpacked
from tests.plugins.engines.conftest import Asked, Server, Told

SECRET = b"a shared secret of thirty-two by"
BATCH = np.arange(8, dtype=np.float32).reshape(1, 1, 2, 4)


def _npy(values: object) -> bytes:
    out = io.BytesIO()
    np.save(out, np.asarray(values, "<f4"))
    return out.getvalue()


def _signed(asked: Asked, body: bytes, secret: bytes = SECRET) -> Told:
    mark = signature(secret, asked.headers["hv-request-id"], "answer", body)
    return Told(200, body, {"HV-Signature": mark})


@pytest.fixture
def client(server: Server, tmp_path: Path) -> VendorClient:
    """A client whose vendor is the server."""
    path = tmp_path / "secret"
    path.write_bytes(SECRET + b"\n")
    return VendorClient(HttpEngine(kind="http", url=f"{server.url}/v1/ask", secret_file=str(path)))


class TestInfer:
    def test_posts_a_signed_array_and_reads_a_signed_one(
        self, server: Server, client: VendorClient
    ) -> None:
        server.answer = lambda asked: _signed(asked, _npy(unpacked(asked.body) + 1))
        np.testing.assert_array_equal(client.infer({"input": BATCH})["output"], BATCH + 1)
        asked = server.asked[0]
        mark = signature(
            SECRET, asked.headers["hv-request-id"], asked.headers["hv-timestamp"], asked.body
        )
        assert asked.headers["hv-signature"] == mark
        names = {n for n in asked.headers if n.startswith("hv-")}
        assert names == {"hv-request-id", "hv-timestamp", "hv-signature"}

    def test_waits_for_work_that_takes_longer(self, server: Server, client: VendorClient) -> None:
        def answer(asked: Asked) -> Told:
            if asked.method == "POST":
                return Told(202, json.dumps({"status": "/v1/jobs/7"}).encode())
            return _signed(asked, _npy([[0.5]]))

        server.answer = answer
        assert client.infer({"input": BATCH})["output"].tolist() == [[0.5]]
        assert [(a.method, a.path) for a in server.asked] == [
            ("POST", "/v1/ask"),
            ("GET", "/v1/jobs/7"),
        ]

    def test_does_not_wait_for_ever(
        self, server: Server, client: VendorClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_MODELHUB_TIMEOUT_S", "0.3")
        server.answer = lambda _asked: Told(202, json.dumps({"status": "/v1/jobs/7"}).encode())
        with pytest.raises(EngineBusy):
            client.infer({"input": BATCH})

    def test_asking_again_gets_the_time_that_is_left(
        self, client: VendorClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limits: list[float | None] = []
        clock = iter([100.0, 121.0, 122.0])

        def late(call: Call, within_s: float | None = None) -> Reply:
            limits.append(within_s)
            if call.method == "GET":
                raise EngineBusy("late")
            return Reply(202, {}, b'{"status": "/v1/jobs/7"}')

        monkeypatch.setattr(vendor, "send", late)
        monkeypatch.setattr(vendor, "monotonic", lambda: next(clock))
        monkeypatch.setenv("HV_MODELHUB_TIMEOUT_S", "25")
        with pytest.raises(EngineBusy, match="late"):
            client.infer({"input": BATCH})
        assert limits == [None, 3.0]

    def test_a_signature_of_other_letters_is_refused(
        self, server: Server, client: VendorClient
    ) -> None:
        server.answer = lambda _asked: Told(200, _npy([1]), {"HV-Signature": "v1,\xe9\xff"})
        with pytest.raises(EngineFailed, match="not signed"):
            client.infer({"input": BATCH})

    @pytest.mark.parametrize("path", ["http://10.0.0.1/", "//10.0.0.1/", 7, None])
    def test_is_not_led_to_another_place(
        self, server: Server, client: VendorClient, path: object
    ) -> None:
        server.answer = lambda _asked: Told(202, json.dumps({"status": path}).encode())
        with pytest.raises(EngineFailed):
            client.infer({"input": BATCH})
        assert len(server.asked) == 1

    def test_an_answer_that_is_not_signed_is_refused(
        self, server: Server, client: VendorClient
    ) -> None:
        server.answer = lambda asked: _signed(asked, _npy([1]), b"another secret of many bytes")
        with pytest.raises(EngineFailed, match="not signed"):
            client.infer({"input": BATCH})

    def test_a_secret_that_is_too_short_is_refused(self, server: Server, tmp_path: Path) -> None:
        path = tmp_path / "short"
        path.write_bytes(b"short")
        spec = HttpEngine(kind="http", url=server.url, secret_file=str(path))
        with pytest.raises(EngineFailed, match="shorter"):
            VendorClient(spec).infer({"input": BATCH})
        assert server.asked == []


class TestUnpacked:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"\x93NUMPY\x01\x00",
            _npy([1, 2])[:-1],
            _npy([1, 2]).replace(b"(2,)", b"(9,)"),
            _npy([1, 2]).replace(b"<f4", b"|O8"),
        ],
        ids=["empty", "cut-head", "cut", "promises-more", "objects"],
    )
    def test_refuses_what_is_no_plain_array(self, body: bytes) -> None:
        with pytest.raises(EngineFailed):
            unpacked(body)
