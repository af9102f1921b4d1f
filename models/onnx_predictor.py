"""An ONNX file as a predictor: values in, by name or as one row; values out, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from concertmaster.contracts.model import PredictorSpec
from concertmaster.errors import ConfigError

__all__ = ["load_onnx"]

_TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
    "tensor(string)": "object",
}


def load_onnx(spec: PredictorSpec, file: Path) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return a function that asks the network.

    A network with inputs of the declared names gets each value by itself, as one row of one
    column; one with a single input of another name gets all values as one row, in their order.
    Outputs are taken by the declared names.

    Raises:
        ConfigError: the file is no ONNX, or its inputs and outputs are not the declared ones.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
    except Exception:
        raise ConfigError(f"needs an ONNX file, which {file.name} is not") from None
    inputs = {one.name: _TYPES.get(one.type) for one in session.get_inputs()}
    wanted = _wanted(spec, [one.name for one in session.get_outputs()])
    names = spec.columns
    if None in inputs.values():
        raise ConfigError(f"needs inputs of numbers or text, which {file.name} has not")
    if set(inputs) != set(names) and len(inputs) != 1:
        raise ConfigError(
            f"declares the inputs {', '.join(names)}; the file has {', '.join(inputs)}"
        )

    def ask(given: dict[str, Any]) -> dict[str, Any]:
        import numpy as np

        if set(inputs) == set(names):
            fed = {name: np.array([[given[name]]], dtype=inputs[name]) for name in names}
        else:
            ((only, kind),) = inputs.items()
            fed = {only: np.array([[given[name] for name in names]], dtype=kind)}
        found = session.run(list(wanted), fed)
        return {name: _plain(value) for name, value in zip(wanted, found, strict=True)}

    return ask


def _wanted(spec: PredictorSpec, outputs: list[str]) -> tuple[str, ...]:
    declared = spec.output.get("properties")
    wanted = tuple(declared) if isinstance(declared, dict) else ()
    unknown = [name for name in wanted if name not in outputs]
    if unknown or not wanted:
        named = ", ".join(unknown) or "nothing"
        raise ConfigError(f"declares the output {named}; the file has {', '.join(outputs)}")
    return wanted


def _plain(value: Any) -> Any:
    """Return one row's value: a number, a text, or a list of them."""
    if isinstance(value, list):
        return _plain(value[0]) if len(value) == 1 else [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): float(share) for key, share in value.items()}
    found = value.reshape(-1).tolist() if hasattr(value, "reshape") else [value]
    return found[0] if len(found) == 1 else found
