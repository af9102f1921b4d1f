"""JSON Schemas of a workspace's files, for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from concertmaster.errors import ConfigError
from concertmaster.graphs.problems import closest
from concertmaster.graphs.workspace import FILES
from concertmaster.policies.trials import TestsFile

__all__ = ["json_schema"]

_DIALECT = GenerateJsonSchema.schema_dialect
_FILES: Mapping[str, type[BaseModel]] = {**FILES, "tests": TestsFile}
"""The files that are read with a workspace, and the tables of its policies' tests."""


def json_schema(name: str | None = None) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of one file of a workspace, or of all under `$defs`.

    Args:
        name: `workflow`, `intents`, `playbooks`, `models`, `principals` or `tests` (of
            policies); None for all of them.

    Raises:
        ConfigError: no file of a workspace has this name.

    >>> json_schema("intents")["title"]
    'intents.yaml'
    """
    if name is None:
        _, every = models_json_schema([(model, "validation") for model in _FILES.values()])
        files = {n: {"$ref": f"#/$defs/{model.__name__}"} for n, model in _FILES.items()}
        return _finished("A workspace", {"$defs": {**files, **every["$defs"]}})
    if name not in _FILES:
        raise ConfigError(
            f"no file of a workspace is called {name!r}",
            hint=closest(name, _FILES) or f"there are {', '.join(_FILES)}",
        )
    return _finished(f"{name}.yaml", _FILES[name].model_json_schema())


def _finished(title: str, schema: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = _without_examples(schema)
    return {"$schema": _DIALECT, **plain, "title": title}


def _without_examples(value: Any) -> Any:
    """Cut the runnable examples of docstrings out of the descriptions."""
    if isinstance(value, Mapping):
        cut = {key: _without_examples(inner) for key, inner in value.items()}
        told = cut.get("description")
        if isinstance(told, str):
            cut["description"] = told.split(">>>")[0].strip()
        return cut
    return [_without_examples(inner) for inner in value] if isinstance(value, list) else value
