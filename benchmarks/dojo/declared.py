"""From a suite's functions and what is declared about them to the tools that the gate knows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from concertmaster.tools.declaration import Tool, declare

__all__ = ["Declared", "declare_all"]


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What is declared about one of the benchmark's functions, in the words of `declare`.

    `facts` takes the call's arguments and the environment instead of a tool context.
    """

    effect: Literal["read", "write", "irreversible"] = "irreversible"
    targets: tuple[str, ...] | None = None
    asks: tuple[str, ...] = ()
    trusted: bool | Callable[[Any], Any] = False
    label: Literal["public", "internal", "restricted"] = "internal"
    clearance: Literal["public", "internal", "restricted"] = "internal"
    facts: Callable[[Mapping[str, Any], Any], Any] | None = None


def declare_all(functions: list[Any], declared: Mapping[str, Declared]) -> dict[str, Tool]:
    """Return the suite's functions as declared tools.

    Raises:
        KeyError: a function has no declaration.
    """
    return {function.name: _declare(function, declared[function.name]) for function in functions}


def _declare(function: Any, about: Declared) -> Tool:
    return declare(
        _described(function),
        name=function.name,
        effect=about.effect,
        targets=about.targets,
        asks=about.asks,
        trusted=about.trusted,
        label=about.label,
        clearance=about.clearance,
        facts=about.facts,
    )


def _described(function: Any) -> Callable[..., Any]:
    """Return the function without the parameters that its environment fills in.

    It serves for its signature; the benchmark's own runtime makes the call.
    """

    def described(**arguments: Any) -> Any:
        raise NotImplementedError(function.name)

    fields = function.parameters.model_fields
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=field.annotation,
            default=inspect.Parameter.empty if field.is_required() else field.default,
        )
        for name, field in fields.items()
    ]
    described.__name__ = function.name
    described.__doc__ = function.full_docstring
    described.__annotations__ = {name: field.annotation for name, field in fields.items()}
    described.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return described
