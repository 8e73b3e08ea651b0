# SPDX-License-Identifier: Apache-2.0
"""A real Triton server with one ONNX model; run by a Python of its own that has pytriton.

    python triton_server.py MODEL.onnx HTTP_PORT GRPC_PORT METRICS_PORT

Nothing of this project is imported here: that Python has other libraries (see
``test_real_triton.py``).
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from pytriton.decorators import batch  # type: ignore[import-not-found]
from pytriton.model_config import ModelConfig, Tensor  # type: ignore[import-not-found]
from pytriton.triton import Triton, TritonConfig  # type: ignore[import-not-found]


def main(model: Path, http: int, grpc: int, metrics: int) -> None:
    """Serve until the process is stopped."""
    session = ort.InferenceSession(model.read_bytes(), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    @batch  # type: ignore[untyped-decorator]
    def infer(x: Any) -> dict[str, Any]:
        return {"y": session.run(None, {name: x})[0]}

    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=http,
        grpc_address="127.0.0.1",
        grpc_port=grpc,
        metrics_port=metrics,
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name="bright",
            infer_func=infer,
            inputs=[Tensor(name="x", dtype=np.float32, shape=(1, -1, -1, -1))],
            outputs=[Tensor(name="y", dtype=np.float32, shape=(2, -1, -1, -1))],
            config=ModelConfig(max_batch_size=1),
            strict=True,
        )
        triton.serve()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(a) for a in sys.argv[2:5]))
