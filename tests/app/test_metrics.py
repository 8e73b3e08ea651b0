# SPDX-License-Identifier: Apache-2.0
"""A worker process of its own shows its metrics."""

import time
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.platform import Process, platform
from tests.support.postgres import free_port


def _metrics(worker: Process, port: int) -> str:
    """Ask until the worker listens."""
    assert worker.popen is not None
    while worker.popen.poll() is None:  # pytest's own limit ends a worker that never listens
        try:
            return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=60).text
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(worker.log.read_text(errors="replace"))


class TestWorkerProcess:
    def test_offers_its_metrics_to_prometheus(self, tmp_path: Path) -> None:
        port = free_port()
        with platform(tmp_path, HV_METRICS_PORT=str(port)) as running:
            text = _metrics(running.add("worker"), port)
        samples = [s for f in text_string_to_metric_families(text) for s in f.samples]
        assert [s.value for s in samples if s.name == "hv_up" and s.labels["role"] == "worker"] == [
            1.0
        ]
        names = {f.name for f in text_string_to_metric_families(text)}
        assert {"hv_jobs", "hv_job_seconds", "hv_jobs_taken_over"} <= names
