# SPDX-License-Identifier: Apache-2.0
"""A process that is told to stop closes what it opened."""

import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from healthvision.kernel.leases import WorkerHeartbeat
from healthvision.kernel.settings import CoreSettings
from healthvision.kernel.worker import LONG_AGO


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


def _ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the platform serves with a worker (pytest's limit ends it)."""
    while process.poll() is None:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5)
            if answer.status_code == 200 and answer.json()["workers"] > 0:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError("the platform ended by itself")


class TestRunAll:
    @pytest.mark.parametrize(
        "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)]
    )
    def test_a_stop_ends_with_0_and_the_worker_signs_off(
        self, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        port = _free_port()
        monkeypatch.setenv("HV_PORT", str(port))
        monkeypatch.setenv("HV_DIMSE_ENABLED", "false")
        process = subprocess.Popen(
            [sys.executable, "-m", "healthvision", "run", "all"], stderr=subprocess.DEVNULL
        )
        try:
            _ready(port, process)
            process.send_signal(number)
            assert process.wait() == 0
        finally:
            process.kill()
        engine = create_engine(CoreSettings().resolved_database_url())
        with Session(engine) as session:
            (row,) = session.scalars(select(WorkerHeartbeat))
            assert row.seen_at == LONG_AGO
        engine.dispose()
