# SPDX-License-Identifier: Apache-2.0
"""A Triton server, played by a small one that speaks KServe v2."""

import json
from pathlib import Path

import numpy as np
import pytest

from healthvision.domains.modelhub import adding
from healthvision.domains.modelhub.description import TritonEngine
from healthvision.domains.modelhub.errors import EngineBusy, EngineFailed, EngineNotFound
from healthvision.domains.modelhub.reading import read
from healthvision.domains.modelhub.service import Engines, Shelf
from healthvision.plugins.engines import triton
from healthvision.plugins.engines.triton import TritonClient
from tests.plugins.engines.conftest import Asked, Server, Told
from tests.support import own_models

BATCH = np.arange(8, dtype=np.float32).reshape(1, 1, 2, 2, 2)


def _client(server: Server, version: str | None = None) -> TritonClient:
    spec = TritonEngine(
        kind="triton", url=server.url, model="lungs", model_version=version, input="x", output="y"
    )
    return TritonClient(spec)


def _doubled(asked: Asked) -> Told:
    """Answer as Triton does: other outputs first, binary behind the head."""
    length = int(asked.headers["inference-header-content-length"])
    head = json.loads(asked.body[:length])
    item = head["inputs"][0]
    assert item["parameters"]["binary_data_size"] == len(asked.body) - length
    values = np.frombuffer(asked.body[length:], "<f4").reshape(item["shape"]) * 2
    other = np.zeros(3, "<i4").tobytes()
    outputs = [
        {"name": "z", "datatype": "INT32", "shape": [3],
         "parameters": {"binary_data_size": len(other)}},
        {"name": "y", "datatype": "FP32", "shape": list(values.shape),
         "parameters": {"binary_data_size": values.nbytes}},
    ]  # fmt: skip
    text = json.dumps({"model_name": "lungs", "outputs": outputs}).encode()
    body = text + other + values.astype("<f4").tobytes()
    return Told(200, body, {"Inference-Header-Content-Length": str(len(text))})


class TestInfer:
    @pytest.mark.parametrize("version", [None, "3"])
    def test_asks_one_model_and_reads_its_output(self, server: Server, version: str | None) -> None:
        server.answer = _doubled
        answer = _client(server, version).infer({"input": BATCH})["output"]
        np.testing.assert_array_equal(answer, BATCH * 2)
        path = "/v2/models/lungs/versions/3/infer" if version else "/v2/models/lungs/infer"
        assert [(a.method, a.path) for a in server.asked] == [("POST", path)]

    def test_reads_an_answer_in_plain_json(self, server: Server) -> None:
        said = {"outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 2], "data": [0.5, 2]}]}
        server.answer = lambda _asked: Told(200, json.dumps(said).encode())
        assert _client(server).infer({"input": BATCH})["output"].tolist() == [[0.5, 2.0]]

    @pytest.mark.parametrize(
        "item",
        [
            {"name": "other", "datatype": "FP32", "shape": [1], "data": [1]},
            {"name": "y", "datatype": "BYTES", "shape": [1], "data": ["x"]},
            {"name": "y", "datatype": "FP32", "shape": [1 << 40]},
            {"name": "y", "datatype": "FP32", "shape": [-1], "data": []},
            {"name": "y", "datatype": "FP32", "shape": [2], "data": [1]},
            {"name": "y", "datatype": "UINT8", "shape": [1], "data": [300]},
            {"name": "y", "datatype": "FP32", "shape": [float("inf")], "data": [1]},
            "nonsense",
        ],
    )
    def test_a_strange_answer_is_refused(self, server: Server, item: object) -> None:
        server.answer = lambda _asked: Told(200, json.dumps({"outputs": [item]}).encode())
        with pytest.raises(EngineFailed):
            _client(server).infer({"input": BATCH})

    def test_json_without_end_is_not_parsed(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(triton, "MAX_JSON", 100)
        item = {"name": "y", "datatype": "FP32", "shape": [99], "data": [0] * 99}
        server.answer = lambda _asked: Told(200, json.dumps({"outputs": [item]}).encode())
        with pytest.raises(EngineFailed, match="binary tensors"):
            _client(server).infer({"input": BATCH})

    @pytest.mark.parametrize(
        ("status", "problem"), [(503, EngineBusy), (400, EngineFailed), (302, EngineFailed)]
    )
    def test_says_whether_trying_again_helps(
        self, server: Server, status: int, problem: type[Exception]
    ) -> None:
        server.answer = lambda _asked: Told(status, b"", {"Location": "http://10.0.0.1/"})
        with pytest.raises(problem, match=str(status)):
            _client(server).infer({"input": BATCH})
        assert len(server.asked) == 1

    def test_a_private_address_needs_the_administrators_word(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_MODELHUB_PRIVATE_ALLOW", "")
        with pytest.raises(EngineFailed, match="HV_MODELHUB_PRIVATE_ALLOW"):
            _client(server).infer({"input": BATCH})
        assert server.asked == []

    def test_a_server_that_does_not_answer_is_given_up(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_MODELHUB_TIMEOUT_S", "0.000001")
        with pytest.raises(EngineBusy, match="no answer within"):
            _client(server).infer({"input": BATCH})


class TestModelOnAServer:
    def test_the_sandbox_asks_it_through_its_parent(self, server: Server, tmp_path: Path) -> None:
        def answer(asked: Asked) -> Told:
            doubled = _doubled(asked)
            length = int(doubled.headers["Inference-Header-Content-Length"])
            up = np.frombuffer(doubled.body[length + 12 :], "<f4") - 1
            shape = json.loads(doubled.body[:length])["outputs"][1]["shape"]
            both = np.stack([-up, up]).reshape(1, 2, *shape[2:]).tolist()
            said = {"name": "y", "datatype": "FP32", "shape": [1, 2, *shape[2:]], "data": both}
            return Told(200, json.dumps({"outputs": [said]}).encode())

        server.answer = answer
        engine = {"kind": "triton", "url": server.url, "model": "m", "input": "x", "output": "y"}
        proposal, trial = adding.check(own_models.folder(tmp_path, engine=engine))
        assert proposal.weights is None
        assert (trial.findings, trial.responds) == (("Bright",), True)
        assert len(server.asked) == 3

    def test_a_server_that_is_away_is_told_by_its_code(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_MODELHUB_PRIVATE_ALLOW", "127.0.0.1")
        engine = {"kind": "triton", "url": "http://127.0.0.1:9", "model": "m", "input": "x",
                  "output": "y"}  # fmt: skip
        shelf = Shelf(tmp_path / "models")
        engines = Engines(shelf=shelf)
        assert not engines
        shelf.put(read(own_models.folder(tmp_path / "m", engine=engine)).description, None)
        assert engines
        with pytest.raises(EngineBusy, match="connection failed"):
            engines.infer("model:bright-own@1.0.0", {"input": BATCH})
        with pytest.raises(EngineNotFound):
            engines.infer("model:bright-own@2.0.0", {"input": BATCH})
