# SPDX-License-Identifier: Apache-2.0
"""Runs a TorchScript file when torch is installed; used inside the sandbox only.

``torch.jit.load`` builds the archive's own program; it can compute whatever it wants, so the
walls of the sandbox are what counts.
"""

import importlib
import io
from importlib.util import find_spec
from typing import Any

import numpy as np

from healthvision.clinical.volume import Array
from healthvision.domains.modelhub.ports import BadNetwork, Network

MISSING = (
    "torch is not installed: uv pip install torch --index-url https://download.pytorch.org/whl/cpu "
    "(or export the model to ONNX, which needs nothing)"
)


class TorchNetwork:
    """A loaded TorchScript module with one input."""

    def __init__(self, torch: Any, module: Any) -> None:
        self._torch, self._module = torch, module

    def run(self, batch: Array) -> Array:
        """Answer one batch; raises BadNetwork."""
        tensor = self._torch.from_numpy(np.ascontiguousarray(batch, np.float32))
        try:
            with self._torch.inference_mode():
                answer = self._module(tensor)
        except RuntimeError:
            raise BadNetwork("torch could not run it") from None
        if isinstance(answer, tuple | list):
            answer = answer[0]
        if not isinstance(answer, self._torch.Tensor):
            raise BadNetwork("its output is no tensor")
        found: Array = answer.detach().float().cpu().numpy()
        return found


class TorchScriptRunner:
    """Loads TorchScript archives; torch is looked up only when one is used."""

    def missing(self) -> str:
        """Say how torch is installed when it is not there."""
        return "" if find_spec("torch") is not None else MISSING

    def open(self, weights: bytes, threads: int) -> Network:
        """Load an archive; raises BadNetwork."""
        if self.missing():
            raise BadNetwork(MISSING)
        torch: Any = importlib.import_module("torch")
        torch.set_num_threads(max(1, threads))
        try:
            module = torch.jit.load(io.BytesIO(weights), map_location="cpu").eval()
        except RuntimeError:
            raise BadNetwork("torch cannot load it; is it TorchScript?") from None
        return TorchNetwork(torch, module)


ENGINE = TorchScriptRunner()
