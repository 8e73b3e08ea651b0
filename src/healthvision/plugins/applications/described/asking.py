# SPDX-License-Identifier: Apache-2.0
"""One question to the network, wherever it runs, and what its answer must be."""

from collections.abc import Callable

import numpy as np

from healthvision.clinical.volume import Array
from healthvision.domains.modelhub.description import (
    InputSpec,
    ModelDescription,
    OutputSpec,
    SegmentationOutput,
)
from healthvision.domains.modelhub.ports import BadNetwork, Context, FileRunner, Network
from healthvision.domains.modelhub.shelf import remote_name

Ask = Callable[[Array], Array]
_LEAST = 1e-6


class ServerUnavailable(RuntimeError):
    """The inference server gave no answer; the text is a stable word."""


class OnServer:
    """A network that a server runs: asked through the parent of the sandbox."""

    def __init__(self, description: ModelDescription, context: Context) -> None:
        self._name = remote_name(description.id, description.version)
        self._infer = context.infer

    def run(self, batch: Array) -> Array:
        """Ask; raises ServerUnavailable with the reason."""
        if self._infer is None:
            raise ServerUnavailable("no-engine")
        try:
            found: object = self._infer(self._name, {"input": batch})["output"]
        except (RuntimeError, KeyError) as error:
            raise ServerUnavailable(str(error.args[0]) if error.args else "closed") from None
        if not isinstance(found, np.ndarray):
            raise BadNetwork("the server's answer is no array")
        return found


def opened(runner: FileRunner, weights: bytes, threads: int) -> Network:
    """Load a network from its file; raises BadNetwork."""
    reason = runner.missing()
    if reason:
        raise BadNetwork(reason)
    return runner.open(weights, threads)


def batch_of(values: Array, spec: InputSpec) -> Array:
    """Return (1, channels, axes...) or channels last, float32, contiguous."""
    axis = -1 if spec.channels_last else 0
    stacked = np.stack([values] * spec.channels, axis=axis)[None]
    return np.ascontiguousarray(stacked, np.float32)


def asking(network: Network, description: ModelDescription) -> Ask:
    """Return how one piece of image is asked about.

    The answer is a map (channels, axes...) for a segmentation and (channels,) for all others,
    with the activation already applied, checked to be numbers of the described shape. Raises
    BadNetwork.
    """
    spec, output = description.input, description.output

    def ask(values: Array) -> Array:
        answer = network.run(batch_of(values, spec))
        if answer.dtype.kind not in "fiu":
            raise BadNetwork(f"its output is of type {answer.dtype.name}")
        found = answer.astype(np.float32)
        if not bool(np.isfinite(found).all()):
            raise BadNetwork("its output holds values that are no numbers (NaN or infinite)")
        if isinstance(output, SegmentationOutput):
            return activated(_map(found, values.ndim, spec, output), output)
        return activated(_scores(found, output), output)

    return ask


def _map(found: Array, dimensions: int, spec: InputSpec, output: SegmentationOutput) -> Array:
    wanted = 1 if output.activation == "labels" else output.channels
    shape = found.shape
    if found.ndim == dimensions + 1 and output.activation == "labels" and shape[0] == 1:
        return found
    if found.ndim != dimensions + 2 or shape[0] != 1:
        raise BadNetwork(f"its output has the shape {list(shape)}, a map was described")
    inner: Array = found[0]
    if spec.channels_last:
        inner = np.moveaxis(inner, -1, 0)
    if inner.shape[0] != wanted:
        raise BadNetwork(f"its output has {inner.shape[0]} channels, {wanted} were described")
    return inner


def _scores(found: Array, output: OutputSpec) -> Array:
    assert not isinstance(output, SegmentationOutput)
    if found.size != output.channels:
        raise BadNetwork(f"its output has {found.size} values, {output.channels} were described")
    return found.reshape(-1)


def activated(found: Array, output: OutputSpec) -> Array:
    """Return probabilities, or the numbers themselves where nothing is to be done.

    Raises BadNetwork when what should be a probability is not between 0 and 1.
    """
    how = getattr(output, "activation", "none")
    if how == "softmax":
        raised = np.exp(found - found.max(axis=0, keepdims=True))
        out: Array = raised / raised.sum(axis=0, keepdims=True)
        return out
    if how == "sigmoid":
        out = 1 / (1 + np.exp(-np.clip(found, -60, 60)))
        return out
    if how == "probability" and (found.min() < -_LEAST or found.max() > 1 + _LEAST):
        raise BadNetwork("its output was described as probabilities and is not between 0 and 1")
    return found
