"""Functions of a workspace that `models.yaml` names: loaded with the workspace, called later."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from concertmaster.contracts.model import ModelsFile
from concertmaster.errors import ConcertmasterError, ConfigError
from concertmaster.graphs.problems import Problem
from concertmaster.graphs.sources import Source
from concertmaster.models.spec import declared
from concertmaster.tools.toolbox import load_callable

__all__ = ["makers_of"]


def makers_of(
    folder: Path, file: ModelsFile, source: Source | None
) -> tuple[Mapping[str, Callable[..., Any]], list[Problem]]:
    """Return the functions that make models, by `module:function`, and what is wrong."""
    makers: dict[str, Callable[..., Any]] = {}
    problems = []
    for index, predictor in enumerate(file.predictors):
        if predictor.use.endswith(".onnx") or predictor.use in makers:
            continue
        given = (Path(),) if predictor.file else ()
        try:
            function = load_callable(folder, predictor.use)
            makers[predictor.use] = _checked(function, predictor.use, *given)
        except ConcertmasterError as error:
            told = f"predictor {predictor.name!r}: {error.message}"
            if source is not None:
                at = ("predictors", index, "use")
                problems.append(source.problem("predictor", at, told, hint=error.hint))
    for index, entry in enumerate(file.models):
        try:
            spec = declared(entry, folder)
        except ConfigError:
            continue  # the readiness gate tells of it
        if spec.provider != "workspace" or spec.model is None or spec.model in makers:
            continue
        try:
            makers[spec.model] = _checked(load_callable(folder, spec.model), spec.model)
        except ConcertmasterError as error:
            told = f"model {entry.name!r}: {error.message}"
            if source is not None:
                at = ("models", index, "use")
                problems.append(source.problem("model", at, told, hint=error.hint))
    return makers, problems


def _checked(function: Callable[..., Any], named: str, *given: Path) -> Callable[..., Any]:
    takes = "file" if given else ""
    hint = f"write def {named.rpartition(':')[2]}({takes}): and return the model"
    if inspect.iscoroutinefunction(function):
        raise ConfigError(f"{named} is async", hint=hint)
    try:
        inspect.signature(function).bind(*given)
    except (TypeError, ValueError):
        told = "does not take exactly the file" if given else "needs arguments"
        raise ConfigError(f"{named} {told}", hint=hint) from None
    return function
