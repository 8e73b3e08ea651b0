# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's own Triton server, asked as a described model asks it.

It needs a Python of its own (``pytriton`` brings another numpy, and wants the system's Python):

    uv venv --python /usr/bin/python3 triton && \
    uv pip install --python triton/bin/python nvidia-pytriton==0.7.0 onnxruntime
    HV_TEST_TRITON_PYTHON=$PWD/triton/bin/python pytest tests/plugins/engines/test_real_triton.py

Skipped when that variable is not set.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import pytest

from healthvision.domains.modelhub import adding
from healthvision.domains.modelhub.description import TritonEngine
from healthvision.domains.modelhub.errors import EngineFailed
from healthvision.plugins.engines.onnx import ENGINE
from healthvision.plugins.engines.triton import TritonClient
from tests.support import onnx_models, own_models
from tests.support.postgres import free_port

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
PYTHON = os.environ.get("HV_TEST_TRITON_PYTHON", "")
SCRIPT = Path(__file__).parents[2] / "support" / "triton_server.py"
READY_S = 120.0


def _ready(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text(errors="replace")[-3000:]
        try:
            if httpx.get(f"{url}/v2/models/bright/ready", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise AssertionError(log.read_text(errors="replace")[-3000:])


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Triton server with the tiny network; yields its URL."""
    if not PYTHON:
        pytest.skip("HV_TEST_TRITON_PYTHON names no Python with pytriton")
    folder = tmp_path_factory.mktemp("triton")
    (folder / "model.onnx").write_bytes(onnx_models.brighter())
    ports = [free_port() for _ in range(3)]
    command = [PYTHON, "-P", str(SCRIPT), str(folder / "model.onnx"), *(str(p) for p in ports)]
    log = folder / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            command, stdout=out, stderr=out, cwd=folder, start_new_session=True
        )
    url = f"http://127.0.0.1:{ports[0]}"
    try:
        _ready(url, server, log)
        yield url
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)  # it and what it started
        server.wait()


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The administrator allows this machine."""
    monkeypatch.setenv("HV_MODELHUB_PRIVATE_ALLOW", "127.0.0.1")


def _engine(url: str, model: str = "bright") -> TritonEngine:
    return TritonEngine(kind="triton", url=url, model=model, input="x", output="y")


class TestRealServer:
    def test_answers_what_the_same_network_answers_here(self, triton: str) -> None:
        batch = np.random.default_rng(3).random((1, 1, 5, 6, 7), dtype=np.float32)
        there = TritonClient(_engine(triton)).infer({"input": batch})["output"]
        here = ENGINE.open(onnx_models.brighter(), 1).run(batch)
        assert there.dtype == np.float32
        np.testing.assert_array_equal(there, here)

    def test_an_unknown_model_is_a_failure_with_its_status(self, triton: str) -> None:
        with pytest.raises(EngineFailed, match="HTTP 4"):
            TritonClient(_engine(triton, "nothing")).infer({"input": np.zeros((1, 1, 2, 2, 2))})

    def test_a_model_on_it_passes_the_trial(self, triton: str, tmp_path: Path) -> None:
        engine = _engine(triton).model_dump(mode="json")
        _, trial = adding.check(own_models.folder(tmp_path / "m", engine=engine))
        assert (trial.repeatable, trial.responds) == (True, True)
        assert trial.findings == ("Bright",)
