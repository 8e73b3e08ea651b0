# SPDX-License-Identifier: Apache-2.0
"""A look into an ONNX file without loading it: does it point to other files?

Walks the protobuf wire format (onnx.proto3) only as far as tensors can be: graph, nodes,
attributes, sub-graphs, functions. A file that is no protobuf is left to onnxruntime to refuse.
"""

from collections.abc import Iterator

_MAX_DEPTH = 64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _FUNCTION, _TENSOR = range(6)
_SPARSE = 6
_INSIDE: dict[int, dict[int, int]] = {  # message -> field number -> message
    _MODEL: {7: _GRAPH, 25: _FUNCTION},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _FUNCTION: {7: _NODE, 11: _ATTRIBUTE},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14


class _NotProtobuf(ValueError):
    """The bytes are not in the wire format."""


def has_external_data(data: bytes) -> bool:
    """Tell whether some tensor of the model keeps its values in another file."""
    try:
        return _points_out(memoryview(data), _MODEL, 0)
    except _NotProtobuf:
        return False


def _points_out(data: memoryview, message: int, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        return True  # nothing sane is as deep
    inside = _INSIDE.get(message, {})
    for number, value in _fields(data):
        if message == _TENSOR and number == _EXTERNAL_DATA:
            return True
        if message == _TENSOR and number == _DATA_LOCATION and value == 1:
            return True
        kind = inside.get(number)
        if (
            kind is not None
            and isinstance(value, memoryview)
            and _points_out(value, kind, depth + 1)
        ):
            return True
    return False


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
        elif wire == _BYTES:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise _NotProtobuf
            yield number, data[at : at + length]
            at += length
        elif wire in (_FIXED64, _FIXED32):
            at += 8 if wire == _FIXED64 else 4
        else:
            raise _NotProtobuf


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise _NotProtobuf
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _NotProtobuf
