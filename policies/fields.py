"""Which arguments and facts policies can see, read from their JSON Schema.

Cedar knows strings, integers, booleans, decimals and sets of these. Enumerations are seen as
what their values are. Everything else (objects, unions, nested lists, null) stays invisible and
is listed with the reason, so that a policy which names it can be told why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

__all__ = ["RESERVED_KEYS", "Field", "Fields", "Kind", "read_fields"]

Kind = Literal["string", "integer", "boolean", "decimal"]

RESERVED_KEYS = frozenset({"__entity", "__extn", "__expr"})
"""Keys that Cedar's JSON reads as entities or function calls; no value may carry them."""

_KINDS: Mapping[str, Kind] = MappingProxyType(
    {"string": "string", "integer": "integer", "boolean": "boolean", "number": "decimal"}
)
_MAX_REFERENCES = 8


@dataclass(frozen=True, kw_only=True)
class Field:
    """One value that policies can see. An optional one may be absent."""

    kind: Kind
    many: bool = False
    required: bool = False


@dataclass(frozen=True, kw_only=True)
class Fields:
    """The visible values by name, and why the others are not visible."""

    visible: Mapping[str, Field]
    hidden: Mapping[str, str]

    @property
    def names(self) -> frozenset[str]:
        """Every declared name, visible or not."""
        return frozenset(self.visible) | frozenset(self.hidden)


def read_fields(schema: Mapping[str, Any] | None) -> Fields:
    """Return what policies can see of an object with this JSON Schema; nothing if there is none."""
    visible: dict[str, Field] = {}
    hidden: dict[str, str] = {}
    properties = (schema or {}).get("properties") or {}
    required = set((schema or {}).get("required") or ())
    for name, raw in properties.items():
        if name in RESERVED_KEYS:
            hidden[name] = "a reserved name"
            continue
        found = _read(raw, schema or {})
        if isinstance(found, str):
            hidden[name] = found
            continue
        kind, many, nullable = found
        visible[name] = Field(kind=kind, many=many, required=name in required and not nullable)
    return Fields(visible=MappingProxyType(visible), hidden=MappingProxyType(hidden))


def _read(raw: Any, root: Mapping[str, Any]) -> tuple[Kind, bool, bool] | str:
    """Return kind, many and nullable, or the words for what it is instead."""
    schema, nullable = _without_null(_resolved(raw, root), root)
    if schema.get("type") == "array":
        items = schema.get("items")
        if not isinstance(items, Mapping) or "prefixItems" in schema:
            return "a list of mixed values"
        inner = _scalar(_resolved(items, root))
        return (inner, True, nullable) if inner else "a list of something else than plain values"
    kind = _scalar(schema)
    if kind:
        return kind, False, nullable
    if schema.get("type") == "object":
        return "an object"
    return "nothing but null" if schema.get("type") == "null" else "a union"


def _resolved(raw: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow local references and single-element `allOf`s."""
    for _ in range(_MAX_REFERENCES):
        if not isinstance(raw, Mapping):
            return {}
        reference = raw.get("$ref")
        if isinstance(reference, str):
            _, _, path = reference.partition("#/")
            section, _, name = path.partition("/")
            raw = (root.get(section) or {}).get(name)
        elif isinstance(raw.get("allOf"), Sequence) and len(raw["allOf"]) == 1:
            raw = raw["allOf"][0]
        else:
            return raw
    return {}


def _without_null(
    schema: Mapping[str, Any], root: Mapping[str, Any]
) -> tuple[Mapping[str, Any], bool]:
    types = schema.get("type")
    if isinstance(types, list):
        rest = [t for t in types if t != "null"]
        plain = {**schema, "type": rest[0]} if len(rest) == 1 else {}
        return plain, len(rest) != len(types)
    options = schema.get("anyOf") or schema.get("oneOf")
    if not isinstance(options, list):
        return schema, False
    found = [_resolved(option, root) for option in options]
    others = [option for option in found if option.get("type") != "null"]
    nullable = len(others) != len(found)
    if len(others) == 1:
        return others[0], nullable
    return {**schema, "anyOf": others}, nullable


def _scalar(schema: Mapping[str, Any]) -> Kind | None:
    options = schema.get("anyOf")
    if isinstance(options, list):
        # How pydantic writes `Decimal`: a number, or a string of one.
        types = [option.get("type") for option in options if isinstance(option, Mapping)]
        return "decimal" if types == ["number", "string"] else None
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if isinstance(values, list):
        return _common_kind(values)
    declared = schema.get("type")
    if declared == "string" and schema.get("format") == "decimal":
        return "decimal"
    return _KINDS.get(declared) if isinstance(declared, str) else None


def _common_kind(values: list[Any]) -> Kind | None:
    if values and all(isinstance(v, str) for v in values):
        return "string"
    if values and all(isinstance(v, bool) for v in values):
        return "boolean"
    if values and all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        return "integer"
    return None
