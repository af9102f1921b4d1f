"""ONNX files of one operation, written by hand: the package that writes them is not needed."""

from __future__ import annotations

from collections.abc import Sequence


def _number(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def _int(field: int, value: int) -> bytes:
    return _number(field << 3) + _number(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return _number(field << 3 | 2) + _number(len(raw)) + raw


def _tensor(name: str, width: int) -> bytes:
    shape = b"".join(_bytes(1, _int(1, size)) for size in (1, width))
    kind = _bytes(1, _int(1, 1) + _bytes(2, shape))
    return _bytes(1, name) + _bytes(2, kind)


def onnx_file(operation: str, inputs: Sequence[str], output: str, width: int = 1) -> bytes:
    """Return a network of 32-bit floats: `output = operation(inputs)`, rows of `width` values."""
    node = b"".join(_bytes(1, name) for name in inputs) + _bytes(2, output) + _bytes(4, operation)
    graph = (
        _bytes(1, node)
        + _bytes(2, "graph")
        + b"".join(_bytes(11, _tensor(name, width)) for name in inputs)
        + _bytes(12, _tensor(output, 1))
    )
    return _int(1, 8) + _bytes(7, graph) + _bytes(8, _bytes(1, "") + _int(2, 13))
