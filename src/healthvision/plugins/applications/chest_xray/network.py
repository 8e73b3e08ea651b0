# SPDX-License-Identifier: Apache-2.0
"""The networks of the package, run by onnxruntime inside the sandbox's child."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import onnxruntime

from healthvision.clinical.volume import Array

PACKAGE = "healthvision.plugins.applications.chest_xray"
WEIGHTS = "lungs.onnx"
REFERENCE = "normals.npz"


@dataclass(frozen=True, eq=False, slots=True)
class Seen:
    """``lungs``: float32 (2, 256, 256), probabilities; ``embedding``: float32 (d,)."""

    lungs: Array
    embedding: Array


def read(name: str) -> bytes:
    """Return the bytes of a file of this package."""
    return resources.files(PACKAGE).joinpath(name).read_bytes()


def digest(name: str) -> str:
    """Return the SHA-256 of a file of this package."""
    return hashlib.sha256(read(name)).hexdigest()


@cache
def session(name: str) -> onnxruntime.InferenceSession:
    """Return a network of this package by its file, loaded once."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(read(name), options, ["CPUExecutionProvider"])


def see(pixels: Array) -> Seen:
    """Run the network on one frame (256, 256) of greys 0..1."""
    frame = np.ascontiguousarray(pixels, np.float32)[None, None]
    lungs, embedding = session(WEIGHTS).run(["lungs", "embedding"], {"frame": frame})
    return Seen(np.asarray(lungs[0]), np.asarray(embedding[0]))
