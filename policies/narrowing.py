"""What a set of policies reads of the context, so that nothing else has to be put to Cedar.

Every attribute of a request costs time, whether a policy looks at it or not. Attributes that no
policy of a tool reads cannot change its decisions; they are left out of the request and of the
schema that it is checked against.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cedarpy import Schema

__all__ = ["Path", "View", "narrowed", "paths_read", "view_of"]

Path = tuple[str, ...]
"""The attributes from the context on; the empty path is the context as a whole."""


@dataclass(frozen=True)
class View:
    """What the policies of one tool get to see: the schema with only what they read of it."""

    schema: Schema
    attributes: Mapping[str, Any]

    def shown(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Return a context without what no policy reads."""
        return _shown(context, self.attributes)


def view_of(schema: Mapping[str, Any], tool: str, texts: Iterable[str]) -> View:
    """Return what these policies read of a workspace's schema when a call of the tool comes."""
    from cedarpy import Schema

    space = schema[""]
    applies = space["actions"][tool]["appliesTo"]
    context = applies["context"]
    attributes = narrowed(context["attributes"], paths_read(texts))
    action = {"appliesTo": {**applies, "context": {**context, "attributes": attributes}}}
    small = {"": {**space, "actions": {tool: action}}}
    return View(schema=Schema.from_json_str(json.dumps(small)), attributes=attributes)


def paths_read(texts: Iterable[str]) -> frozenset[Path]:
    """Return the paths of the context that the policies read or test for."""
    from cedarpy import policies_to_json_str

    found: set[Path] = set()
    for text in texts:
        parsed = json.loads(policies_to_json_str(text))
        for tree in (*parsed["staticPolicies"].values(), *parsed["templates"].values()):
            for condition in tree["conditions"]:
                found.update(_paths(condition["body"]))
    return frozenset(found)


def narrowed(
    attributes: Mapping[str, Any], paths: frozenset[Path], at: Path = ()
) -> dict[str, Any]:
    """Return those attributes of a record's schema that stand on one of the paths."""
    kept: dict[str, Any] = {}
    for name, about in attributes.items():
        here = (*at, name)
        if any(here[: len(p)] == p for p in paths):
            kept[name] = about
        elif any(p[: len(here)] == here for p in paths):
            inner = about.get("attributes")
            kept[name] = (
                {**about, "attributes": narrowed(inner, paths, here)}
                if inner is not None
                else about
            )
    return kept


def _shown(values: Mapping[str, Any], attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _shown(values[name], about["attributes"]) if "attributes" in about else values[name]
        for name, about in attributes.items()
        if name in values
    }


def _paths(node: Any) -> Iterator[Path]:
    if isinstance(node, list):
        for item in node:
            yield from _paths(item)
    elif isinstance(node, dict):
        path = _path(node)
        if path is not None:
            yield path
            return
        for item in node.values():
            yield from _paths(item)


def _path(node: Any) -> Path | None:
    """Return the path of a chain of accesses that begins at the context; None for all else."""
    names: list[str] = []
    while isinstance(node, dict) and len(node) == 1:
        ((kind, inner),) = node.items()
        if kind == "Var":
            return tuple(reversed(names)) if inner == "context" else None
        if kind not in (".", "has") or not isinstance(inner, dict) or "left" not in inner:
            return None
        attr = inner["attr"]
        names.extend(reversed(attr) if isinstance(attr, list) else [attr])
        node = inner["left"]
    return None
