# SPDX-License-Identifier: Apache-2.0
"""A Triton inference server over HTTP: KServe v2 inference with its binary tensor extension."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from healthvision.clinical.volume import Array
from healthvision.domains.modelhub.description import TritonEngine
from healthvision.domains.modelhub.errors import EngineFailed
from healthvision.plugins.engines.calling import MAX_JSON, Call, Reply, send

_HEAD_LENGTH = "inference-header-content-length"
_TYPES: dict[str, str] = {
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
    "UINT8": "<u1",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
}


class TritonClient:
    """Asks one model of a server; it is sent voxels and nothing about whose they are."""

    def __init__(self, spec: TritonEngine) -> None:
        self._spec = spec
        self.name = f"triton:{spec.model}"

    def infer(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer {'input': float32 array} with {'output': array}.

        Raises EngineFailed, EngineBusy.
        """
        batch = np.ascontiguousarray(values["input"], "<f4")
        return {"output": _tensor(send(self._call(batch)), self._spec.output)}

    def _call(self, batch: Array) -> Call:
        spec = self._spec
        data = batch.tobytes()
        head = json.dumps(
            {
                "inputs": [
                    {
                        "name": spec.input,
                        "shape": list(batch.shape),
                        "datatype": "FP32",
                        "parameters": {"binary_data_size": len(data)},
                    }
                ],
                "outputs": [{"name": spec.output, "parameters": {"binary_data": True}}],
            }
        ).encode()
        version = "" if spec.model_version is None else f"/versions/{spec.model_version}"
        headers = {
            "Content-Type": "application/octet-stream",
            "Inference-Header-Content-Length": str(len(head)),
        }
        url = f"{spec.url.rstrip('/')}/v2/models/{spec.model}{version}/infer"
        return Call("POST", url, headers, head + data)


def _tensor(reply: Reply, wanted: str) -> Array:
    """Read one output, binary or as JSON numbers; raises EngineFailed."""
    try:
        length = int(reply.headers.get(_HEAD_LENGTH, len(reply.body)))
        if not 0 < length <= MAX_JSON:
            raise EngineFailed(
                f"the answer's JSON is not between 1 and {MAX_JSON} bytes; a server that gives "
                "more has to answer with binary tensors"
            )
        head = json.loads(reply.body[:length])
        rest = memoryview(reply.body)[length:]
        for item in head["outputs"]:
            size = int(item.get("parameters", {}).get("binary_data_size", 0))
            if item["name"] == wanted:
                return _array(item, rest[:size])
            rest = rest[size:]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        raise EngineFailed("the answer is not as KServe v2 says") from None
    raise EngineFailed(f"the answer has no output {wanted!r}")


def _array(item: Mapping[str, Any], data: memoryview) -> Array:
    kind = np.dtype(_TYPES[item["datatype"]])
    shape = [int(n) for n in item["shape"]]
    if any(n < 0 for n in shape):
        raise ValueError("a negative size")
    if "data" in item:
        return np.asarray(item["data"], kind).reshape(shape)
    if math.prod(shape) * kind.itemsize != len(data):
        raise ValueError("another size than it says")
    return np.frombuffer(data, kind).reshape(shape).copy()
