# SPDX-License-Identifier: Apache-2.0
"""The supplied HAProxy configuration in front of two real API processes."""

import base64
import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from healthvision.app import accounts
from healthvision.kernel.settings import CoreSettings
from tests.support.platform import Platform, platform
from tests.support.postgres import free_port
from tests.support.services import program

pytestmark = pytest.mark.service
CONFIG = Path(__file__).parents[2] / "deploy" / "haproxy" / "haproxy.cfg"


@dataclass(frozen=True)
class Gateway:
    port: int
    url: str
    platform: Platform
    api_key: str
    log: Path


def _certificate(folder: Path) -> Path:
    key, cert, both = folder / "k.pem", folder / "c.pem", folder / "both.pem"
    command = [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    both.write_text(cert.read_text() + key.read_text())
    return both


def _api_key(environment: dict[str, str]) -> str:
    import asyncio  # noqa: PLC0415

    before = {k: os.environ.get(k) for k in environment}
    os.environ.update(environment)
    try:
        made = asyncio.run(
            accounts.bootstrap(CoreSettings(), "gate", "gate@example.invalid", "Gate", None)
        )
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
    return str(made["api_key"])


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    haproxy = program("haproxy")
    folder = tmp_path_factory.mktemp("gateway")
    pem, port = _certificate(folder), free_port()
    with platform(folder) as running:
        key = _api_key(running.environment)
        running.environment["HV_TRUSTED_PROXIES"] = "127.0.0.1"
        apis = [running.add("api") for _ in range(2)]
        for api in apis:
            api.wait_ready()
        settings = {
            "HV_TLS_PEM": str(pem),
            "HV_BIND": f"127.0.0.1:{port}",
            "HV_API_1": f"127.0.0.1:{apis[0].port}",
            "HV_API_2": f"127.0.0.1:{apis[1].port}",
        }
        log = folder / "gateway.log"
        with log.open("wb") as out:
            proxy = subprocess.Popen(
                [haproxy, "-db", "-f", str(CONFIG)],
                env={**os.environ, **settings},
                stdout=out,
                stderr=out,
            )
        try:
            _wait(port)
            yield Gateway(port, f"https://127.0.0.1:{port}", running, key, log)
        finally:
            proxy.terminate()
            proxy.wait()


def _wait(port: int) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        try:
            answer = httpx.get(f"https://127.0.0.1:{port}/healthz", verify=False, timeout=10)
            if answer.status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise AssertionError("the gateway does not answer")


def _get(gateway: Gateway, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{gateway.url}{path}", verify=False, headers=headers, timeout=60)


def _log_line(gateway: Gateway, request_id: str) -> str:
    """Return the gateway's line about one request."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for line in gateway.log.read_text().splitlines():
            if f" id={request_id} " in line:
                return line
        time.sleep(0.1)
    raise AssertionError(gateway.log.read_text()[-3000:])


def _token(claims: dict[str, object], algorithm: str = "EdDSA") -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(claims)}.c2lnbmF0dXJl"


class TestTls:
    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2])
    def test_refuses_tls_before_1_3(self, gateway: Gateway, version: ssl.TLSVersion) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = version
        with (
            pytest.raises(ssl.SSLError),
            socket.create_connection(("127.0.0.1", gateway.port)) as plain,
        ):
            context.wrap_socket(plain)

    def test_speaks_tls_1_3(self, gateway: Gateway) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", gateway.port)) as plain,
            context.wrap_socket(plain) as secure,
        ):
            assert secure.version() == "TLSv1.3"


class TestRequests:
    def test_an_api_key_passes_and_the_answer_has_a_request_id(self, gateway: Gateway) -> None:
        answer = _get(gateway, "/v1/me", **{"X-API-Key": gateway.api_key})
        assert answer.status_code == 200
        assert answer.headers["x-request-id"]
        assert "max-age" in answer.headers["strict-transport-security"]

    def test_the_callers_request_id_is_kept(self, gateway: Gateway) -> None:
        answer = _get(gateway, "/healthz", **{"X-Request-Id": "caller-0001"})
        assert answer.headers["x-request-id"] == "caller-0001"

    def test_metrics_are_not_shown_outside(self, gateway: Gateway) -> None:
        assert _get(gateway, "/metrics").status_code == 404

    @pytest.mark.parametrize(
        "token",
        [
            _token({"sub": "x"}),
            _token({"sub": "x", "exp": 1_000_000_000}),
            _token({"sub": "x", "exp": "never"}),
            _token({"sub": "x", "exp": 9_999_999_999}, "none"),
            _token({"sub": "x", "exp": 9_999_999_999}, "HS256"),
        ],
    )
    def test_a_token_that_does_not_end_is_refused_by_the_gateway(
        self, gateway: Gateway, token: str
    ) -> None:
        answer = _get(gateway, "/v1/me", Authorization=f"Bearer {token}")
        assert answer.status_code == 401
        assert "token does not end" in answer.json()["detail"]

    def test_a_forged_token_with_an_end_is_refused_by_the_api(self, gateway: Gateway) -> None:
        token = _token({"sub": "x", "exp": 9_999_999_999})
        answer = _get(gateway, "/v1/me", Authorization=f"Bearer {token}")
        assert answer.status_code == 401
        assert "token does not end" not in answer.json()["detail"]

    def test_a_slow_header_is_cut(self, gateway: Gateway) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        begun = time.monotonic()
        with (
            socket.create_connection(("127.0.0.1", gateway.port)) as plain,
            context.wrap_socket(plain) as secure,
        ):
            secure.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ")
            secure.settimeout(15)
            received = secure.recv(4096)
        assert received == b"" or b" 408 " in received
        assert time.monotonic() - begun < 12

    @pytest.mark.parametrize("path", ["/v1/tasks", "/oauth/token"])
    def test_a_body_that_trickles_is_cut(self, gateway: Gateway, path: str) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        head = f"POST {path} HTTP/1.1\r\nHost: a\r\nX-API-Key: {gateway.api_key}\r\n"
        with (
            socket.create_connection(("127.0.0.1", gateway.port)) as plain,
            context.wrap_socket(plain) as secure,
        ):
            secure.sendall(f"{head}Content-Length: 5000\r\n\r\n".encode())
            secure.settimeout(0.5)
            received = b""
            for _ in range(100):  # one byte each half a second: never idle
                secure.sendall(b"{")
                try:
                    received = secure.recv(4096)
                    break
                except TimeoutError:
                    continue
        assert b" 408 " in received

    def test_one_dead_api_is_passed_by(self, gateway: Gateway) -> None:
        gateway.platform.processes[0].kill()
        answers = [_get(gateway, "/healthz").status_code for _ in range(10)]
        gateway.platform.processes[0].start()
        assert answers.count(200) >= 9


class TestLog:
    @pytest.mark.parametrize("path", ["/v1/me", "/metrics", "/dicomweb/default/studies"])
    def test_tells_method_path_and_status_and_no_query_or_header(
        self, gateway: Gateway, path: str
    ) -> None:
        request_id = f"log-{path.count('/')}-{time.monotonic_ns()}"
        answer = _get(
            gateway,
            f"{path}?PatientName=PLANTED-NAME&sig=PLANTED-SIGNATURE",
            **{"X-Request-Id": request_id, "X-API-Key": gateway.api_key},
        )
        line = _log_line(gateway, request_id)
        assert line.endswith(f" GET {path}")
        assert f" {answer.status_code} " in line
        told = gateway.log.read_text()
        assert "PLANTED" not in told
        assert gateway.api_key not in told


class TestClientAddress:
    def test_is_the_one_the_gateway_saw_in_the_audit_log(self, gateway: Gateway) -> None:
        transport = httpx.HTTPTransport(verify=False, local_address="127.0.0.2")
        request_id = f"address-{time.monotonic_ns()}"
        headers = {"X-API-Key": gateway.api_key}
        claimed = {**headers, "X-Forwarded-For": "203.0.113.9", "X-Request-Id": request_id}
        with httpx.Client(base_url=gateway.url, transport=transport, timeout=60) as client:
            for _ in range(2):  # the second reads what was recorded of the first
                answer = client.get("/v1/audit/events", headers=claimed)
                assert answer.status_code == 200, answer.text
        mine = [e for e in answer.json()["items"] if e["request_id"] == request_id]
        assert mine
        assert {e["address"] for e in mine} == {"127.0.0.2"}
