# SPDX-License-Identifier: Apache-2.0
"""Tiny ONNX files, written as protobuf by hand (onnx.proto3), so that no library is needed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

FLOAT, INT64, BOOL = 1, 7, 9


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while True:
        out.append((value & 0x7F) | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def number(field_: int, value: int) -> bytes:
    """A field that is a number."""
    return _varint(field_ << 3) + _varint(value)


def block(field_: int, data: bytes | str) -> bytes:
    """A field that is text, bytes or a message."""
    raw = data.encode() if isinstance(data, str) else data
    return _varint(field_ << 3 | 2) + _varint(len(raw)) + raw


def tensor(name: str, values: npt.ArrayLike, kind: int = FLOAT) -> bytes:
    """A TensorProto with its values inside."""
    array = np.asarray(values, {FLOAT: "<f4", INT64: "<i8", BOOL: "?"}[kind])
    dims = b"".join(number(1, n) for n in array.shape)
    return dims + number(2, kind) + block(8, name) + block(9, array.tobytes())


def outside_tensor(name: str, location: str, count: int) -> bytes:
    """A TensorProto whose values are in another file."""
    entry = block(1, "location") + block(2, location)
    return number(1, count) + number(2, FLOAT) + block(8, name) + block(13, entry) + number(14, 1)


def attribute(name: str, value: int | Sequence[int] | bytes) -> bytes:
    """An AttributeProto: a number, numbers, or a graph."""
    if isinstance(value, bytes):
        return block(1, name) + block(6, value) + number(20, 5)
    if isinstance(value, int):
        return block(1, name) + number(3, value) + number(20, 2)
    return block(1, name) + b"".join(number(8, v) for v in value) + number(20, 7)


def node(kind: str, inputs: Sequence[str], outputs: Sequence[str], *attributes: bytes) -> bytes:
    """A NodeProto."""
    parts = [block(1, i) for i in inputs] + [block(2, o) for o in outputs] + [block(4, kind)]
    return b"".join(parts + [block(5, a) for a in attributes])


def value(name: str, dims: Sequence[int | str], kind: int = FLOAT) -> bytes:
    """A ValueInfoProto; a text is a size that is not fixed."""
    sizes = [block(1, number(1, d) if isinstance(d, int) else block(2, d)) for d in dims]
    shape = block(2, b"".join(sizes))
    return block(1, name) + block(2, block(1, number(1, kind) + shape))


@dataclass
class Graph:
    """A graph in the making."""

    inputs: list[bytes]
    outputs: list[bytes]
    nodes: list[bytes] = field(default_factory=list)
    tensors: list[bytes] = field(default_factory=list)

    def encoded(self) -> bytes:
        """Return the GraphProto."""
        parts = [block(1, n) for n in self.nodes] + [block(2, "g")]
        parts += [block(5, t) for t in self.tensors]
        parts += [block(11, i) for i in self.inputs] + [block(12, o) for o in self.outputs]
        return b"".join(parts)


def model(graph: Graph) -> bytes:
    """Return the ModelProto (IR 8, opset 13)."""
    return number(1, 8) + block(7, graph.encoded()) + block(8, block(1, "") + number(2, 13))


def _map(dimensions: int) -> list[int | str]:
    return [1, 1, *(f"n{i}" for i in range(dimensions))]


def brighter(threshold: float = 0.5, *, dimensions: int = 3) -> bytes:
    """A segmentation: two channels of logits, the second above where x > threshold."""
    dims = _map(dimensions)
    graph = Graph([value("x", dims)], [value("y", [1, 2, *dims[2:]])])
    graph.tensors += [tensor("t", threshold), tensor("k", 20.0)]
    graph.nodes += [
        node("Sub", ["x", "t"], ["d"]),
        node("Mul", ["d", "k"], ["up"]),
        node("Neg", ["up"], ["down"]),
        node("Concat", ["down", "up"], ["y"], attribute("axis", 1)),
    ]
    return model(graph)


def mean_logit(scale: float = 4.0, *, dimensions: int = 2) -> bytes:
    """A classification: one logit, scale * (mean - 0.5)."""
    graph = Graph([value("x", _map(dimensions))], [value("y", [1, 1])])
    graph.tensors += [tensor("half", 0.5), tensor("k", scale), tensor("shape", [1, 1], INT64)]
    graph.nodes += [
        node("ReduceMean", ["x"], ["m"], attribute("keepdims", 0)),
        node("Sub", ["m", "half"], ["d"]),
        node("Mul", ["d", "k"], ["s"]),
        node("Reshape", ["s", "shape"], ["y"]),
    ]
    return model(graph)


def deaf() -> bytes:
    """A map that is the same for every image."""
    dims = _map(3)
    graph = Graph([value("x", dims)], [value("y", [1, 2, *dims[2:]])])
    graph.tensors += [tensor("zero", 0.0), tensor("one", 1.0)]
    graph.nodes += [
        node("Mul", ["x", "zero"], ["z"]),
        node("Add", ["z", "one"], ["o"]),
        node("Concat", ["z", "o"], ["y"], attribute("axis", 1)),
    ]
    return model(graph)


def nan(dimensions: int = 3) -> bytes:
    """A map of two channels that holds no numbers."""
    dims = _map(dimensions)
    graph = Graph([value("x", dims)], [value("y", [1, 2, *dims[2:]])])
    graph.tensors.append(tensor("zero", 0.0))
    graph.nodes += [
        node("Mul", ["x", "zero"], ["z"]),
        node("Div", ["z", "z"], ["n"]),
        node("Concat", ["n", "n"], ["y"], attribute("axis", 1)),
    ]
    return model(graph)


def greedy(gigabytes: int) -> bytes:
    """Wants an array of so many gigabytes and touches all of it."""
    dims = _map(3)
    graph = Graph([value("x", dims)], [value("y", [1, 2, *dims[2:]])])
    graph.tensors.append(tensor("shape", [gigabytes, 1 << 28], INT64))
    graph.tensors.append(tensor("one", [1.0]))
    graph.nodes += [
        node("Expand", ["one", "shape"], ["big"]),
        node("ReduceSum", ["big"], ["s"], attribute("keepdims", 0)),
        node("Add", ["x", "s"], ["z"]),
        node("Concat", ["z", "z"], ["y"], attribute("axis", 1)),
    ]
    return model(graph)


def endless() -> bytes:
    """Loops for longer than anybody waits."""
    dims = _map(3)
    body = Graph(
        [value("i", [], INT64), value("go", [], BOOL), value("a", dims)],
        [value("go2", [], BOOL), value("b", dims)],
    )
    body.nodes += [node("Identity", ["go"], ["go2"]), node("Sin", ["a"], ["b"])]
    graph = Graph([value("x", dims)], [value("y", [1, 2, *dims[2:]])])
    graph.tensors += [tensor("n", 1 << 60, INT64), tensor("yes", True, BOOL)]
    graph.nodes += [
        node("Loop", ["n", "yes", "x"], ["z"], attribute("body", body.encoded())),
        node("Concat", ["z", "z"], ["y"], attribute("axis", 1)),
    ]
    return model(graph)


def outside(location: str) -> bytes:
    """Keeps its weights in another file."""
    dims = _map(3)
    graph = Graph([value("x", dims)], [value("y", dims)])
    graph.tensors.append(outside_tensor("w", location, 4))
    graph.nodes.append(node("Identity", ["x"], ["y"]))
    return model(graph)


def mixing(channels: int, seed: int = 0, *, winners: tuple[int, int] | None = None) -> bytes:
    """A segmentation of so many channels: each a line through the voxel's value, by chance.

    Of ``winners`` one wins where the value is well over zero, the other where it is well under.
    """
    dims = _map(3)
    drawn = np.random.default_rng(seed).normal(size=(2, channels, 1, 1, 1, 1))
    if winners is not None:
        drawn[0, list(winners)] = 20 * np.array([1, -1]).reshape(2, 1, 1, 1, 1)
    graph = Graph([value("x", dims)], [value("y", [1, channels, *dims[2:]])])
    graph.tensors += [tensor("w", drawn[0].reshape(channels, 1, 1, 1, 1))]
    graph.tensors += [tensor("b", drawn[1].reshape(channels))]
    graph.nodes.append(node("Conv", ["x", "w", "b"], ["y"]))
    return model(graph)


def scores(channels: int, size: int, seed: int = 0) -> bytes:
    """A classification into probabilities: a line through every pixel, by chance."""
    drawn = np.random.default_rng(seed).normal(size=(size * size, channels)) / size**2
    graph = Graph([value("x", [1, 1, size, size])], [value("y", [1, channels])])
    graph.tensors += [tensor("w", drawn), tensor("flat", [1, size * size], INT64)]
    graph.nodes += [
        node("Reshape", ["x", "flat"], ["f"]),
        node("MatMul", ["f", "w"], ["z"]),
        node("Sigmoid", ["z"], ["y"]),
    ]
    return model(graph)
