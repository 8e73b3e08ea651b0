# SPDX-License-Identifier: Apache-2.0
"""Runs an ONNX file with onnxruntime on the processor; used inside the sandbox only."""

from typing import Any

import numpy as np
import onnxruntime as ort

from healthvision.clinical.volume import Array
from healthvision.domains.modelhub.ports import BadNetwork, Network
from healthvision.plugins.engines.onnx_file import has_external_data

_FLOATS: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
}


class OnnxNetwork:
    """A loaded ONNX graph with one input; its first output is the answer."""

    def __init__(self, session: Any) -> None:
        self._session = session
        inputs = session.get_inputs()
        if len(inputs) != 1:
            raise BadNetwork(f"the network has {len(inputs)} inputs; one is understood")
        self._name, kind = inputs[0].name, inputs[0].type
        if kind not in _FLOATS:
            raise BadNetwork(f"the network's input is {kind}; floating point is understood")
        self._kind = _FLOATS[kind]

    def run(self, batch: Array) -> Array:
        """Answer one batch; raises BadNetwork with the kind of failure, not its words."""
        try:
            answer = self._session.run(None, {self._name: batch.astype(self._kind)})[0]
        except MemoryError:
            raise
        except Exception as error:  # onnxruntime raises its own tree and plain RuntimeError
            raise BadNetwork(f"onnxruntime could not run it ({type(error).__name__})") from None
        if not isinstance(answer, np.ndarray):
            raise BadNetwork("its first output is no tensor")
        return answer


class OnnxRunner:
    """Loads ONNX files whose weights are all inside them."""

    def missing(self) -> str:
        """Nothing: onnxruntime is part of the installation."""
        return ""

    def open(self, weights: bytes, threads: int) -> Network:
        """Load a graph; raises BadNetwork."""
        if has_external_data(weights):
            raise BadNetwork(
                "it keeps weights in other files; store them inside the ONNX file "
                "(onnx.save_model with save_as_external_data=False)"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = max(1, threads)
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.load_model_format", "ONNX")
        try:
            session = ort.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
        except MemoryError:
            raise
        except Exception as error:  # onnxruntime raises its own tree and plain RuntimeError
            kind = type(error).__name__
            raise BadNetwork(f"onnxruntime cannot load it ({kind}); is it ONNX?") from None
        return OnnxNetwork(session)


ENGINE = OnnxRunner()
