"""What models and policies see of a pinned tool: its arguments, not its server's prose. Pure.

A description is text of somebody else that would stand among the instructions of a model, and so
are titles, examples and comments within a schema. They are left out; what a model is told of a tool
and of its arguments is what the workspace declares.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from concertmaster.tools.connectors.pins import Pin

__all__ = ["fault_of", "offered_schema"]

_BY_NAME = frozenset({"properties", "$defs", "definitions", "dependentSchemas"})
_VALUES = frozenset(
    """type enum const default required dependentRequired format pattern $ref $schema
    minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength
    minItems maxItems uniqueItems minContains maxContains minProperties maxProperties""".split()
)
_WITHIN = frozenset(
    """items prefixItems contains additionalItems additionalProperties unevaluatedItems
    unevaluatedProperties propertyNames anyOf oneOf allOf not if then else""".split()
)
"""The keywords that say what fits. All others say something to a reader."""

_NAME = re.compile(r"[A-Za-z_][\w.-]{0,63}", re.ASCII)
_LONGEST_VALUE = 200
_DEEPEST = 16


def offered_schema(
    pin: Pin, *, described: Mapping[str, str], key: str | None, prose: bool = False
) -> dict[str, Any]:
    """Return the JSON Schema of a tool's arguments as models see it.

    Args:
        pin: the tool.
        described: what the workspace says of arguments, by name.
        key: the argument that takes the idempotency key; it is not a model's to fill in.
        prose: keep what the server says.
    """
    schema = dict(pin.input_schema) if prose else _bare(pin.input_schema)
    properties = {n: dict(p) for n, p in schema.get("properties", {}).items() if n != key}
    for name, text in described.items():
        properties[name]["description"] = text
    schema["properties"] = properties
    if "required" in schema:
        schema["required"] = [n for n in schema["required"] if n != key]
    return schema


def fault_of(pin: Pin, described: Mapping[str, str], key: str | None) -> str | None:
    """Return why a tool cannot be offered, or None if it can."""
    properties = pin.input_schema.get("properties", {})
    if not isinstance(properties, dict) or not all(
        isinstance(p, dict) for p in properties.values()
    ):
        return "its server gives no schema of its arguments"
    strange = _strange(pin.input_schema, 0)
    if strange:
        return f"its schema holds {strange}"
    unknown = sorted({*described, *([key] if key else ())} - set(properties))
    if unknown:
        there = ", ".join(sorted(properties)) or "none"
        return f"it has no argument {', '.join(unknown)}; there are: {there}"
    return None


def _bare(schema: Any) -> Any:
    """Return a schema without prose. Names of properties are no keywords, and stay."""
    if isinstance(schema, list):
        return [_bare(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept: dict[str, Any] = {}
    for name, value in schema.items():
        if name in _VALUES:
            kept[name] = value
        elif name in _BY_NAME and isinstance(value, Mapping):
            kept[name] = {inner: _bare(about) for inner, about in value.items()}
        elif name in _WITHIN:
            kept[name] = _bare(value)
    return kept


def _strange(schema: Any, depth: int) -> str | None:
    """Find prose where it cannot be taken out: in names and in allowed values."""
    if depth > _DEEPEST:
        return f"more than {_DEEPEST} levels"
    if isinstance(schema, list):
        return _first(schema, depth)
    if not isinstance(schema, Mapping):
        return None
    for name, value in schema.items():
        if name in _BY_NAME and isinstance(value, Mapping):
            if not all(_NAME.fullmatch(str(inner)) for inner in value):
                return "a name that is no name"
            strange = _first(list(value.values()), depth)
        elif name in _VALUES:
            values = value if isinstance(value, list) else [value]
            long = any(isinstance(v, str) and len(v) > _LONGEST_VALUE for v in values)
            strange = f"a value of more than {_LONGEST_VALUE} characters" if long else None
        else:
            strange = _strange(value, depth + 1) if name in _WITHIN else None
        if strange:
            return strange
    return None


def _first(schemas: list[Any], depth: int) -> str | None:
    return next((s for schema in schemas if (s := _strange(schema, depth + 1))), None)
