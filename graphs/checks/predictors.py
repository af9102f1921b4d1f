"""Predictors in `models.yaml`: files that are there and whole, forms that are schemas."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.contracts.schema import schema_fault
from concertmaster.errors import ConfigError
from concertmaster.graphs.checks.step_predictors import check_step_predictors
from concertmaster.graphs.checks.subject import Subject
from concertmaster.graphs.problems import Problem
from concertmaster.models.onnx_predictor import load_onnx
from concertmaster.models.predictor import file_of, whole

__all__ = ["check_predictors"]

_PART = "models"


def check_predictors(subject: Subject) -> Iterator[Problem]:
    """Look at every predictor; networks are loaded, functions are not called."""
    found = subject.workspace.spec.models.predictors
    names = [(p.name, (_PART, "predictors", i, "name")) for i, p in enumerate(found)]
    yield from subject.twice(names, "predictor")
    yield from check_step_predictors(subject)
    for index, spec in enumerate(found):
        at, whose = (_PART, "predictors", index), f"predictor {spec.name!r}"
        sound = True
        for key, schema in (("input", spec.input), ("output", spec.output)):
            fault = schema_fault(schema)
            if fault is None and not schema.get("properties"):
                fault = "it names no properties"
            if fault is not None:
                sound = False
                told = f"{whose}: its {key} is no schema of an object: {fault}"
                yield subject.error((*at, key), "predictor", told)
        needed = spec.input.get("required")
        missing = set(spec.columns) - set(needed if isinstance(needed, list) else ())
        if missing:
            told = f"{whose}: {', '.join(sorted(missing))} may be left out of its input"
            hint = "name every property under required: all of them are given to it"
            yield subject.error((*at, "input"), "predictor", told, hint)
        file = file_of(spec, subject.workspace.path)
        if file is not None:
            try:
                whole(spec, file)
                if sound and spec.use.endswith(".onnx"):
                    load_onnx(spec, file)
            except ConfigError as error:
                told = f"{whose} {error.message}"
                yield subject.error((*at, "use"), "predictor-file", told, error.hint)
