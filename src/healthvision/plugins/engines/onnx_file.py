# SPDX-License-Identifier: Apache-2.0
"""A look into an ONNX file without loading it: is it plainly one, does it point to other files?

Walks the protobuf wire format (onnx.proto3) as far as tensors can be: graph, nodes, attributes,
sub-graphs, functions. Whatever another parser might read in another way is refused: groups, tags
of more than 32 bits, cut fields, messages written as numbers, onnxruntime's own format.
"""

from collections.abc import Iterator

from healthvision.domains.modelhub.ports import BadNetwork

_MAX_DEPTH = 64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIDTHS = {_FIXED64: 8, _FIXED32: 4}
_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _FUNCTION, _TENSOR, _SPARSE, _TRAINING = range(8)
_INSIDE: dict[int, dict[int, int]] = {  # message -> field number -> message
    _MODEL: {7: _GRAPH, 20: _TRAINING, 25: _FUNCTION},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _FUNCTION: {7: _NODE, 11: _ATTRIBUTE},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
    _TRAINING: {1: _GRAPH, 2: _GRAPH},
}
_IR_VERSION, _THE_GRAPH = 1, 7
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_ORT = b"ORTM"  # at byte 4 of onnxruntime's own format (flatbuffers)


class _NotProtobuf(ValueError):
    """The bytes are not plainly in the wire format."""


def has_external_data(data: bytes) -> bool:
    """Tell whether some tensor of the model keeps its values in another file.

    Raises BadNetwork for everything that is not plainly an ONNX ModelProto.
    """
    try:
        if data[4:8] == _ORT:
            raise _NotProtobuf
        if _points_out(memoryview(data), _MODEL, 0):
            return True
        kinds = {number: type(value) for number, value in _fields(memoryview(data))}
    except _NotProtobuf:
        kinds = {}
    if kinds.get(_IR_VERSION) is not int or kinds.get(_THE_GRAPH) is not memoryview:
        raise BadNetwork("onnxruntime cannot load it: the file is no plain ONNX model")
    return False


def _points_out(data: memoryview, message: int, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        return True  # nothing sane is as deep
    inside = _INSIDE.get(message, {})
    for number, value in _fields(data):
        if message == _TENSOR and number == _EXTERNAL_DATA:
            return True
        if message == _TENSOR and number == _DATA_LOCATION and value != 0:
            return True
        kind = inside.get(number)
        if kind is None:
            continue
        if not isinstance(value, memoryview):
            raise _NotProtobuf
        if _points_out(value, kind, depth + 1):
            return True
    return False


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview | None]]:
    """Give (field number, value) of a message; None for the value of a fixed-width field."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if number == 0 or key >= 1 << 32:
            raise _NotProtobuf
        value: int | memoryview | None = None
        if wire == _VARINT:
            value, at = _varint(data, at)
        elif wire == _BYTES:
            length, start = _varint(data, at)
            at = start + length
            value = data[start:at]
        elif wire in _WIDTHS:
            at += _WIDTHS[wire]
        else:
            raise _NotProtobuf
        if at > len(data):
            raise _NotProtobuf
        yield number, value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise _NotProtobuf
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80 and value < 1 << 64:
            return value, at
        if byte < 0x80:
            break
    raise _NotProtobuf
