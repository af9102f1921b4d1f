"""What the JSON Schema of a tool's arguments says of one value: its default, its choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Schemas"]

_NONE: Mapping[str, Any] = {}
_MAX_REFERENCES = 10


class Schemas:
    """The schemas of a tool's arguments, references followed.

    Args:
        root: the JSON Schema of the object that holds the arguments.
    """

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    def declares(self, name: str) -> bool:
        """Tell whether a tool has the argument; without any schema it may have all."""
        return not self._root or self.property(self._root, name) is not None

    def argument(self, name: str) -> Mapping[str, Any]:
        """Return the schema of an argument; an empty one if there is none."""
        return self.property(self._root, name) or _NONE

    def property(self, schema: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
        """Return the schema of a declared key, or None."""
        for variant in self._variants(schema):
            known = variant.get("properties")
            if isinstance(known, Mapping) and isinstance(known.get(name), Mapping):
                return self._followed(known[name])
        return None

    def items(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the schema of a list's items."""
        for variant in self._variants(schema):
            if isinstance(variant.get("items"), Mapping):
                return self._followed(variant["items"])
        return _NONE

    def is_default(self, value: Any, schema: Mapping[str, Any]) -> bool:
        """Tell whether a value is the declared default; true is not 1."""
        return "default" in schema and _same(value, schema["default"])

    def is_choice(self, value: str, schema: Mapping[str, Any]) -> bool:
        """Tell whether a value is one of those that the schema lists."""
        return any(
            isinstance(variant.get("enum"), list) and value in variant["enum"]
            for variant in self._variants(schema)
        )

    def _followed(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        for _ in range(_MAX_REFERENCES):
            reference = schema.get("$ref")
            if not isinstance(reference, str) or not reference.startswith("#/"):
                return schema
            target: Any = self._root
            for name in reference[2:].split("/"):
                target = target.get(name) if isinstance(target, Mapping) else None
            if not isinstance(target, Mapping):
                return schema
            schema = {**target, **{k: v for k, v in schema.items() if k != "$ref"}}
        return schema

    def _variants(self, schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        schema = self._followed(schema)
        found = [schema]
        for word in ("anyOf", "oneOf", "allOf"):
            options = schema.get(word)
            if isinstance(options, list):
                found += [
                    self._followed(option) for option in options if isinstance(option, Mapping)
                ]
        return found


def _same(value: Any, default: Any) -> bool:
    if isinstance(value, bool) != isinstance(default, bool):
        return False
    if isinstance(value, Mapping):
        return (
            isinstance(default, Mapping)
            and value.keys() == default.keys()
            and all(_same(inner, default[key]) for key, inner in value.items())
        )
    if isinstance(value, list | tuple):
        return (
            isinstance(default, list | tuple)
            and len(value) == len(default)
            and all(map(_same, value, default))
        )
    return bool(value == default)
