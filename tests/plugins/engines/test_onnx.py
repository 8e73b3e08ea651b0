# SPDX-License-Identifier: Apache-2.0
"""ONNX files: loaded, run, refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from healthvision.domains.modelhub import adding
from healthvision.domains.modelhub.errors import ModelRefused
from healthvision.domains.modelhub.ports import BadNetwork
from healthvision.plugins.engines import onnx, torchscript
from healthvision.plugins.engines.onnx_file import has_external_data
from tests.support import onnx_models, own_models
from tests.support.onnx_models import attribute, block, node, number, outside_tensor


class TestOpen:
    def test_runs_a_graph(self) -> None:
        network = onnx.ENGINE.open(onnx_models.brighter(0.5), 1)
        out = network.run(np.full((1, 1, 2, 3, 4), 0.75, np.float32))
        assert out.shape == (1, 2, 2, 3, 4)
        np.testing.assert_allclose(out[0, 1], 5.0)

    def test_other_input_is_refused_by_the_network_not_by_a_crash(self) -> None:
        network = onnx.ENGINE.open(onnx_models.brighter(0.5), 1)
        with pytest.raises(BadNetwork):
            network.run(np.zeros((2, 2), np.float32))


class TestHasExternalData:
    @pytest.mark.parametrize("location", ["weights.bin", "../../etc/passwd", "/etc/passwd"])
    def test_of_the_graph(self, location: str) -> None:
        assert has_external_data(onnx_models.outside(location))

    def test_of_a_constant_in_a_graph_inside_a_node(self) -> None:
        constant = node("Constant", [], ["c"])
        constant += block(5, block(1, "value") + block(5, outside_tensor("v", "x", 1)))
        inner = block(1, constant)
        loop = node("Loop", ["n"], ["y"], attribute("body", inner))
        assert has_external_data(block(7, block(1, loop)))

    def test_of_a_function(self) -> None:
        constant = node("Constant", [], ["c"])
        constant += block(5, block(1, "value") + block(5, outside_tensor("v", "x", 1)))
        assert has_external_data(block(25, block(7, constant)))

    def test_not_of_a_whole_file(self) -> None:
        assert not has_external_data(onnx_models.brighter())
        assert not has_external_data(onnx_models.endless())

    @pytest.mark.parametrize(
        "changed",
        [
            lambda whole: b"no protobuf",
            lambda whole: b"",
            lambda whole: whole[:-1],
            lambda whole: b"\x0b\x0c" + whole,  # a group
            lambda whole: whole + b"\xba\x80\x80\x80\x90\x00\x00",  # bit 32 of the tag
            lambda whole: whole + b"\x00\x00",  # field number 0
            lambda whole: whole + b"\x3d\x00",  # cut
            lambda whole: whole + number(7, 1),  # a graph that is a number
            lambda whole: whole + b"\x70" + b"\xff" * 9 + b"\x7f",  # more than 64 bits
            lambda whole: whole[2:],  # without its version of the format
            lambda whole: b"\x18\x00\x1a\x00ORTM" + whole,
        ],
    )
    def test_what_is_not_plainly_onnx_is_refused(self, changed: Callable[[bytes], bytes]) -> None:
        data = changed(onnx_models.brighter())
        with pytest.raises(BadNetwork, match="no plain ONNX"):
            has_external_data(data)
        with pytest.raises(BadNetwork):
            onnx.ENGINE.open(data, 1)

    def test_a_location_of_more_than_32_bits_is_taken_for_outside(self) -> None:
        tensor = block(8, "v") + number(14, (1 << 32) + 1)
        assert has_external_data(onnx_models.brighter() + block(7, block(5, tensor)))

    def test_a_file_that_is_nested_without_end_is_taken_for_hostile(self) -> None:
        graph = b""
        for _ in range(40):
            graph = block(1, node("Loop", [], [], attribute("body", graph)))
        assert has_external_data(block(7, graph))


class TestTorchScript:
    def test_says_how_torch_is_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torchscript, "find_spec", lambda _name: None)
        assert "pip install torch" in torchscript.ENGINE.missing()
        with pytest.raises(BadNetwork, match="ONNX"):
            torchscript.ENGINE.open(b"", 1)

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_runs_an_archive_in_the_sandbox_when_torch_is_there(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")

        def brighter(x: Any) -> Any:
            up = (x - 0.5) * 20
            return torch.cat([-up, up], 1)

        folder = own_models.folder(
            tmp_path, engine={"kind": "torchscript", "weights": "model.ts"},
            budget={"memory_mb": 3072, "cpu_seconds": 60, "wall_seconds": 60, "threads": 1},
        )  # fmt: skip
        traced = torch.jit.trace(brighter, torch.zeros(1, 1, 8, 8, 8), check_trace=False)
        torch.jit.save(traced, str(folder / "model.ts"))
        _, trial = adding.check(folder)
        assert trial.findings == ("Bright",)
        (folder / "model.ts").write_bytes(b"no archive")
        with pytest.raises(ModelRefused, match="torch cannot load it"):
            adding.check(folder)
