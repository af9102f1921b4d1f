"""Whether a plain value fits a JSON Schema, told without repeating the value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["misfits", "schema_fault"]

_TOLD = 5


def misfits(schema: Mapping[str, Any], value: object) -> tuple[str, ...]:
    """Return what in the value breaks the schema, at most five findings; empty if it fits.

    Findings name places and rules, never values: values may be personal. A reference to another
    document is not fetched; it counts as broken.

    >>> misfits({"type": "object", "properties": {"n": {"type": "integer"}}}, {"n": "secret"})
    ('n: is not of type integer',)
    """
    from jsonschema.exceptions import best_match  # type: ignore[import-untyped]
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    checker = _checker(schema)(schema, registry=Registry())
    found: list[str] = []
    try:
        for error in checker.iter_errors(value):
            found.append(_told(best_match([error]) or error))
            if len(found) == _TOLD:
                break
    except re.error:
        return ("value: the schema holds a pattern that is no regular expression",)
    except Unresolvable:
        return ("value: the schema refers to something outside of itself",)
    return tuple(dict.fromkeys(found))


def schema_fault(schema: Mapping[str, Any]) -> str | None:
    """Return why this is no JSON Schema, or None if it is one."""
    from jsonschema.exceptions import SchemaError

    try:
        _checker(schema).check_schema(schema)
    except SchemaError as error:
        place = ".".join(str(p) for p in error.absolute_path) or "the schema"
        return f"{place}: {error.message[:200]}"
    return None


def _checker(schema: Mapping[str, Any]) -> Any:
    from jsonschema.validators import (  # type: ignore[import-untyped]
        Draft202012Validator,
        validator_for,
    )

    return validator_for(schema, default=Draft202012Validator)


def _told(error: Any) -> str:
    place = ".".join(str(p) for p in error.absolute_path) or "value"
    rule = error.validator
    match rule:
        case "type":
            wanted = error.validator_value
            names = wanted if isinstance(wanted, str) else " or ".join(map(str, wanted))
            return f"{place}: is not of type {names}"
        case "required":
            missing = [n for n in error.validator_value if n not in error.instance]
            return f"{place}: lacks {', '.join(map(str, missing))}"
        case "enum" | "const":
            return f"{place}: is none of the values allowed"
        case "additionalProperties" | "unevaluatedProperties":
            return f"{place}: has a key that is not declared"
        case _:
            return f"{place}: breaks the rule {rule!r}"
