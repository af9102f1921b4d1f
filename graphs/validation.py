"""A file's values against its model: every misfit with its line and what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from concertmaster.graphs.problems import Problem, closest
from concertmaster.graphs.sources import Source

__all__ = ["place_of", "true_errors", "validate"]


def validate(model: type[BaseModel], source: Source) -> tuple[Any, list[Problem]]:
    """Return the model of a file's values, or None and everything that does not fit."""
    if not isinstance(source.value, dict):
        return None, [source.problem("type", (), f"{source.file.name} must be a mapping")]
    try:
        return model.model_validate(source.value), []
    except ValidationError as error:
        return None, list(_all_told(model, source, true_errors(error)))


def true_errors(error: ValidationError) -> list[Any]:
    """Return what is wrong, without lists that are too short only because of what is in them."""
    found = error.errors(include_url=False, include_input=True)
    within = {e["loc"][:n] for e in found for n in range(len(e["loc"]))}
    return [e for e in found if e["type"] != "too_short" or e["loc"] not in within]


def _all_told(model: type[BaseModel], source: Source, errors: list[Any]) -> Iterator[Problem]:
    """Yield one finding an error; of the ways to read one value, the one that was meant."""
    placed = [(place_of(source.value, e), e) for e in errors]
    places = [path for path, _ in placed]
    for path, error in placed:
        is_constant = error["type"] == "literal_error" and isinstance(error["input"], dict)
        is_shape = error["type"] == "model_type" and places.count(path) > 1
        if not is_constant and not is_shape:
            yield _told(model, source, path, error)


def place_of(value: Any, error: Any) -> tuple[str | int, ...]:
    """Return where an error stands in the file: pydantic's path also names types and members."""
    path: list[str | int] = []
    parts = error["loc"]
    for part in parts:
        if part in (value if isinstance(value, dict) else range(_length(value))):
            value = value[part]
            path.append(part)
    return (*path, parts[-1]) if error["type"] == "missing" else tuple(path)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list) else 0


def _told(
    model: type[BaseModel], source: Source, path: tuple[str | int, ...], error: Any
) -> Problem:
    where = ".".join(str(p) for p in path) or source.file.name
    hint = None
    match error["type"]:
        case "extra_forbidden":
            key = str(path[-1])
            message = f"{'.'.join(str(p) for p in path[:-1]) or 'the file'} has no key {key!r}"
            hint = closest(key, _keys(model, path[:-1]))
        case "missing":
            message = f"{where} is missing"
        case "literal_error":
            given = str(error["input"])[:60]
            message = f"{where} is {given!r}; allowed: {error['ctx']['expected']}"
            hint = closest(given, re.findall(r"'([^']*)'", error["ctx"]["expected"]))
        case _:
            message = f"{where}: {error['msg'].removeprefix('Value error, ')}"
    return source.problem("spec", path, message, hint=hint)


def _keys(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """Return the keys that are allowed at a path; what is no field is an index or a free key."""
    current: Any = model
    for part in path:
        fields = getattr(current, "model_fields", {})
        if part in fields:
            current = next(iter(_models(fields[part].annotation, set())), None)
    return list(getattr(current, "model_fields", {}))


def _models(annotation: Any, seen: set[Any]) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    found: list[type[BaseModel]] = []
    for argument in getattr(annotation, "__args__", ()):
        if argument not in seen:
            seen.add(argument)
            found += _models(argument, seen)
    return found
