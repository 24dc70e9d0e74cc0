"""Find weights that an ONNX file takes from outside itself; reads the protobuf encoding only, never another file.

The digest of a file identifies a model only if all its weights are inside. ONNX Runtime reads external data relative to
the working directory, and without the package ``onnx`` nothing else here can read the graph.

Source: onnx.proto (field numbers), https://protobuf.dev/programming-guides/encoding (wire types).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

_CHILDREN: Final[Mapping[str, Mapping[int, str]]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
"""By kind of message, the fields that lead to a tensor."""
_TENSOR_NAME: Final = 8
_EXTERNAL_DATA: Final = 13
_DATA_LOCATION: Final = 14
_MAX_DEPTH: Final = 64

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5


def external_weights(content: bytes) -> list[str]:
    """Return the names of the tensors whose data are outside the file; raises ``ValueError`` if it is malformed."""
    return [name for name, is_external in _tensors(memoryview(content), "model", 0) if is_external]


def _tensors(message: memoryview, kind: str, depth: int) -> Iterator[tuple[str, bool]]:
    if depth > _MAX_DEPTH:
        raise ValueError("its graphs are nested too deeply")
    if kind == "tensor":
        yield _read_tensor(message)
        return
    children = _CHILDREN[kind]
    for number, value in _fields(message):
        if number in children:
            if isinstance(value, int):
                raise ValueError(f"field {number} of a {kind} is no message")
            yield from _tensors(value, children[number], depth + 1)


def _read_tensor(message: memoryview) -> tuple[str, bool]:
    name, is_external = "", False
    for number, value in _fields(message):
        if number == _TENSOR_NAME and not isinstance(value, int):
            name = bytes(value).decode("utf-8", "backslashreplace")
        is_external |= number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0)
    return name, is_external


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield each field's number and value: bytes for wire type 2, an integer for a varint, 0 for fixed widths."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire_type, value = key & 7, 0
        if wire_type in (_VARINT, _LENGTH):
            value, at = _varint(message, at)
        skipped = {_VARINT: 0, _EIGHT_BYTES: 8, _LENGTH: value, _FOUR_BYTES: 4}.get(wire_type)
        if skipped is None or at + skipped > len(message):
            raise ValueError("it is cut off or no protobuf message")
        yield key >> 3, message[at : at + skipped] if wire_type == _LENGTH else value
        at += skipped


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        value, at = value | (byte & 0x7F) << shift, at + 1
        if byte < 0x80:
            return value, at
    raise ValueError("it is cut off or no protobuf message")
