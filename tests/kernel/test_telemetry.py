# SPDX-License-Identifier: Apache-2.0
"""The metrics listener of processes without an HTTP door."""

import shutil
import socket
import subprocess

import httpx
import pytest
from prometheus_client import Counter, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from healthvision.kernel.telemetry import JOBS, REGISTRY, metrics_listener
from tests.support.postgres import free_port


class TestMetricsListener:
    def test_shows_the_metrics_of_the_process_while_it_is_open(self) -> None:
        JOBS.labels("test.listener", "done").inc()
        port = free_port()
        with metrics_listener(port):
            text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        samples = [s for f in text_string_to_metric_families(text) for s in f.samples]
        assert any(s.labels.get("job") == "test.listener" for s in samples)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.1:{port}/metrics")

    def test_is_reached_over_loopback_only(self) -> None:
        port = free_port()
        with metrics_listener(port), socket.socket() as other:
            other.bind(("127.0.0.2", port))  # another address of this machine is still free

    def test_a_taken_port_does_not_stop_the_process(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            with metrics_listener(taken.getsockname()[1]):
                pass
        told = capsys.readouterr()
        assert "no metrics listener" in told.out + told.err

    def test_zero_opens_nothing(self) -> None:
        with metrics_listener(0):
            assert isinstance(JOBS, Counter)


class TestNames:
    def test_are_as_prometheus_wants_them(self) -> None:
        promtool = shutil.which("promtool")
        if promtool is None:
            pytest.skip("promtool is not installed")
        text = generate_latest(REGISTRY)
        done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True)
        assert done.returncode == 0, (done.stdout + done.stderr).decode()
