"""What a function's signature says: the schema of its arguments, where its context goes."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from concertmaster.errors import ConfigError
from concertmaster.tools.context import ToolContext

__all__ = ["Described", "describe_function", "hints_of", "place_of", "returned_schema"]

_CONFIG = ConfigDict(
    extra="forbid", allow_inf_nan=False, protected_namespaces=(), arbitrary_types_allowed=False
)
_TYPED_DICT_HINT = "take TypedDict from typing_extensions, or use a pydantic model"


@dataclass(frozen=True, kw_only=True)
class Described:
    """What a target says of itself. With `plain`, it is called with the plain JSON arguments."""

    function: Callable[..., Any]
    name: str
    description: str
    arguments: type[BaseModel]
    context_parameter: str | None = None
    plain: bool = False
    source: tuple[str, int] | None = None


def describe_function(function: Callable[..., Any], name: str | None = None) -> Described:
    """Read name, description, schema and context parameter from a function.

    Raises:
        ConfigError: a parameter has no schema, or a default does not fit its type.
    """
    called = name or getattr(function, "__name__", None)
    if not isinstance(called, str):
        raise ConfigError(
            f"{type(function).__name__} object: it has no name", hint="give one: name='…'"
        )
    if inspect.isclass(function):
        raise ConfigError(f"{called} is a class", hint="declare a function that makes the call")
    fields, context = _fields(function, called)
    return Described(
        function=function,
        name=called,
        description=inspect.getdoc(function) or "",
        arguments=_model(called, fields),
        context_parameter=context,
        source=place_of(function),
    )


def place_of(function: Callable[..., Any] | None) -> tuple[str, int] | None:
    """Return the file and line of a function, or None for those without source."""
    code = getattr(inspect.unwrap(function), "__code__", None) if function else None
    return (code.co_filename, code.co_firstlineno) if code else None


def hints_of(function: Callable[..., Any], called: str) -> dict[str, Any]:
    """Return the resolved annotations of a function or of a callable object.

    Raises:
        ConfigError: an annotation names what cannot be found.
    """
    target = function if inspect.isroutine(function) else type(function).__call__
    target = getattr(function, "func", target)  # functools.partial
    try:
        return get_type_hints(target, include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise ConfigError(
            f"tool {called}: an annotation cannot be read: {error}",
            hint="name only types that the module itself imports, at its top level",
        ) from None


def returned_schema(function: Callable[..., Any]) -> tuple[TypeAdapter[Any], dict[str, Any]] | None:
    """Return validator and JSON Schema of an object that a function returns.

    None if its annotation names no properties (`dict`, `Mapping[str, Any]`, nothing at all).

    Raises:
        ConfigError: the annotation is no type with a schema.
    """
    called = getattr(function, "__name__", type(function).__name__)
    returned = _unwrapped(hints_of(function, called).get("return", Any))
    if returned is Any or returned is None or (get_origin(returned) or returned) in (dict, Mapping):
        return None
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(returned)
        schema = adapter.json_schema()
    except (PydanticUserError, PydanticSchemaGenerationError) as error:
        raise ConfigError(
            f"{called}: what it returns has no schema: {_first_line(error)}", hint=_TYPED_DICT_HINT
        ) from None
    return (adapter, schema) if schema.get("properties") else None


def _fields(function: Callable[..., Any], called: str) -> tuple[dict[str, Any], str | None]:
    hints = hints_of(function, called)
    fields: dict[str, Any] = {}
    context = None
    for parameter in inspect.signature(function).parameters.values():
        if _unwrapped(hints.get(parameter.name)) is ToolContext:
            context = parameter.name
        elif parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ConfigError(f"tool {called}: *args and **kwargs have no schema")
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            raise ConfigError(f"tool {called}: {parameter.name!r} cannot be given by name")
        elif parameter.name not in hints:
            raise ConfigError(f"tool {called}: annotate the parameter {parameter.name!r}")
        else:
            default = ... if parameter.default is parameter.empty else parameter.default
            field, hint = _field(parameter.name, hints[parameter.name])
            fields[field] = (hint, default)
    return fields, context


def _field(name: str, hint: Any) -> tuple[str, Any]:
    """Give a parameter a field name that pydantic accepts; its own name stays on the outside."""
    if name.startswith("_") or hasattr(BaseModel, name):
        return f"parameter_{name}", Annotated[hint, Field(alias=name)]
    return name, hint


def _model(called: str, fields: dict[str, Any]) -> type[BaseModel]:
    try:
        model: type[BaseModel] = create_model(called, __config__=_CONFIG, **fields)
        model.model_json_schema()
        defaulted = {n: f for n, f in fields.items() if not model.model_fields[n].is_required()}
        strict = ConfigDict(**{**_CONFIG, "validate_default": True})
        create_model(called, __config__=strict, **defaulted)()
    except ValidationError as error:
        wrong = ", ".join(str(e["loc"][0]) for e in error.errors(include_url=False))
        raise ConfigError(
            f"tool {called}: the default of {wrong} does not fit its type",
            hint="annotate a parameter that may be empty as `… | None`",
        ) from None
    except (PydanticUserError, PydanticSchemaGenerationError) as error:
        raise ConfigError(
            f"tool {called}: a parameter has no schema: {_first_line(error)}",
            hint=f"use plain types and pydantic models; {_TYPED_DICT_HINT}",
        ) from None
    return model


def _unwrapped(hint: Any) -> Any:
    """Take `Annotated` and `| None` off a type."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in (Union, types.UnionType):
        others = [a for a in get_args(hint) if a is not type(None)]
        return _unwrapped(others[0]) if len(others) == 1 else hint
    return hint


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200]
