"""Tests for a value that can never come: a misspelt tool, intent, step, role or enumeration.

Cedar's validator knows types, not values: to it `context.intent == "refnd"` is sound. In a
`forbid` that would be a rule that never applies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from concertmaster.contracts import Confidentiality, ToolShape
from concertmaster.policies.trials.conditions import Path, Tree, paths
from concertmaster.policies.trials.setting import near

__all__ = ["Domains", "Miss", "misses"]

_LEVELS = frozenset(level.name for level in Confidentiality)


@dataclass(frozen=True, kw_only=True)
class Miss:
    """A value that can never come at a place of the context."""

    value: str
    message: str
    hint: str


@dataclass(frozen=True, kw_only=True)
class Domains:
    """Which texts can come where; None where anything may."""

    shapes: Mapping[str, ToolShape]
    steps: frozenset[str] | None = None
    intents: frozenset[str] | None = None
    workspace: str | None = None
    roles: frozenset[str] | None = None

    def values(self, path: Path, tools: frozenset[str]) -> frozenset[str] | None:
        """Return the texts that can come at a path, or in the set there; None if it is open."""
        shapes = [self.shapes[name] for name in tools]
        match path:
            case ("resource", "effect"):
                return frozenset(shape.effect for shape in shapes)
            case ("resource", "clearance"):
                return frozenset(shape.clearance.name for shape in shapes)
            case ("context", "label", "confidentiality"):
                return _LEVELS
            case ("context", "step"):
                return self.steps
            case ("context", "intent"):
                return self.intents
            case ("context", "workspace"):
                return None if self.workspace is None else frozenset({self.workspace})
            case ("context", "history", _, "done"):
                return frozenset(self.shapes)
            case ("context", "provenance", "trusted" | "untrusted" | "composed"):
                return frozenset().union(*(s.arguments.get("properties") or () for s in shapes))
            case ("context", "args" | "facts" as part, name):
                return _listed(part, name, shapes)
        return None


def misses(tree: Tree, tools: frozenset[str], domains: Domains) -> Iterator[Miss]:
    """Yield each test of a parsed policy for a text that can never come."""
    if not tools:
        return
    told = set()
    for path, value in _tests(tree.get("conditions")):
        miss = _miss(path, value, tools, domains)
        if miss and miss not in told:
            told.add(miss)
            yield miss


def _miss(path: Path, value: str, tools: frozenset[str], domains: Domains) -> Miss | None:
    where = ".".join(path)
    if path == ("principal", "roles"):
        # A host may bring people with other roles, so only what looks misspelt is told.
        close = get_close_matches(value, domains.roles or (), n=1, cutoff=0.75)
        if not close or value in (domains.roles or ()):
            return None
        message = f"nobody in principals.yaml has the role {value!r}"
        return Miss(value=value, message=message, hint=f"did you mean {close[0]!r}?")
    known = domains.values(path, tools)
    if known is None or value in known:
        return None
    return Miss(value=value, message=f"{where} is never {value!r}", hint=near(value, known))


def _tests(node: Any) -> Iterator[tuple[Path, str]]:
    """Yield the path and the text of each comparison and each look into a set."""
    if isinstance(node, list):
        for item in node:
            yield from _tests(item)
    elif isinstance(node, Mapping):
        for name, inner in node.items():
            if name in ("==", "!=", "contains", "containsAny", "containsAll"):
                for way, other in (
                    (inner["left"], inner["right"]),
                    (inner["right"], inner["left"]),
                ):
                    path = _whole(way)
                    yield from ((path, text) for text in _texts(other) if path)
            yield from _tests(inner)


def _whole(node: Any) -> Path | None:
    """Return the path that a node is, and not only holds."""
    found = paths(node)
    plain = isinstance(node, Mapping) and ("." in node or "Var" in node)
    return found[0] if plain and len(found) == 1 else None


def _texts(node: Any) -> list[str]:
    if not isinstance(node, Mapping):
        return []
    if "Set" in node:
        return [text for item in node["Set"] for text in _texts(item)]
    value = node.get("Value")
    return [value] if isinstance(value, str) else []


def _listed(part: str, name: str, shapes: list[ToolShape]) -> frozenset[str] | None:
    """Return the texts that all tools with this argument or fact allow for it."""
    found: set[str] = set()
    for shape in shapes:
        schema = (shape.arguments if part == "args" else shape.facts) or {}
        declared = (schema.get("properties") or {}).get(name)
        if declared is None:
            continue
        values = _enumerated(declared, schema)
        if values is None:
            return None
        found |= values
    return frozenset(found) if found else None


def _enumerated(declared: Any, schema: Mapping[str, Any]) -> frozenset[str] | None:
    if not isinstance(declared, Mapping):
        return None
    reference = declared.get("$ref")
    if isinstance(reference, str):
        _, _, name = reference.removeprefix("#/").partition("/")
        return _enumerated((schema.get("$defs") or {}).get(name), {})
    options = declared.get("anyOf")
    if isinstance(options, list):
        plain = [o for o in options if not (isinstance(o, Mapping) and o.get("type") == "null")]
        return _enumerated(plain[0], schema) if len(plain) == 1 else None
    if declared.get("type") == "array":
        return _enumerated(declared.get("items"), schema)
    values = [declared["const"]] if "const" in declared else declared.get("enum")
    if isinstance(values, list) and all(isinstance(v, str) for v in values):
        return frozenset(values)
    return None
