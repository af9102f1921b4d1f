"""The Cedar schema of a workspace, generated from its tools.

entity User = { id, name?, authenticated, roles: Set<String>, groups: Set<String>, tenant? };
entity Tool = { effect, consequential, clearance };
action "refund_payment" appliesTo { principal: User, resource: Tool, context: {
    args: { … }, facts: { … }, step, workspace, intent?,
    label: { trusted, confidentiality, cleared },
    provenance: { principal, trusted, untrusted, composed, targets_trusted, content_trusted,
        asked },
    history: { run: { done, calls, consequential, refused }, thread: { the same } }
} };
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from concertmaster.contracts import ToolShape
from concertmaster.policies.fields import Field, Fields, read_fields

__all__ = ["USER_ATTRIBUTES", "Vocabulary", "vocabulary"]

_CEDAR_TYPES: Mapping[str, Mapping[str, Any]] = {
    "string": {"type": "String"},
    "integer": {"type": "Long"},
    "boolean": {"type": "Boolean"},
    "decimal": {"type": "Extension", "name": "decimal"},
}
_TEXT = Field(kind="string", required=True)
_MAYBE_TEXT = Field(kind="string")
_TEXTS = Field(kind="string", many=True, required=True)
_FLAG = Field(kind="boolean", required=True)

USER_ATTRIBUTES: Mapping[str, Field] = {
    "id": _TEXT,
    "name": _MAYBE_TEXT,
    "authenticated": _FLAG,
    "roles": _TEXTS,
    "groups": _TEXTS,
    "tenant": _MAYBE_TEXT,
}
_COUNT = Field(kind="integer", required=True)
_TOOL_ATTRIBUTES: Mapping[str, Field] = {
    "effect": _TEXT,
    "consequential": _FLAG,
    "clearance": _TEXT,
}
_LABEL_ATTRIBUTES: Mapping[str, Field] = {
    "trusted": _FLAG,
    "confidentiality": _TEXT,
    "cleared": _FLAG,
}
_PROVENANCE_ATTRIBUTES: Mapping[str, Field] = {
    "principal": _TEXTS,
    "trusted": _TEXTS,
    "untrusted": _TEXTS,
    "composed": _TEXTS,
    "targets_trusted": _FLAG,
    "content_trusted": _FLAG,
    "asked": _FLAG,
}
_PAST_ATTRIBUTES: Mapping[str, Field] = {
    "done": _TEXTS,
    "calls": _COUNT,
    "consequential": _COUNT,
    "refused": _COUNT,
}
_PASTS = ("run", "thread")
_CONTEXT = frozenset(
    {"args", "facts", "step", "workspace", "intent", "label", "provenance", "history"}
)


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """What policies of a workspace can speak of: the tools with their arguments and facts."""

    arguments: Mapping[str, Fields]
    facts: Mapping[str, Fields]

    def cedar_schema(self) -> dict[str, Any]:
        """Return the schema in Cedar's JSON form."""
        return {
            "": {
                "entityTypes": {
                    "User": {"shape": _record(USER_ATTRIBUTES)},
                    "Tool": {"shape": _record(_TOOL_ATTRIBUTES)},
                },
                "actions": {tool: self._action(tool) for tool in sorted(self.arguments)},
            }
        }

    def _action(self, tool: str) -> dict[str, Any]:
        context = _record({"step": _TEXT, "workspace": _TEXT, "intent": _MAYBE_TEXT})
        for name, record in (
            ("args", self.arguments[tool].visible),
            ("facts", self.facts[tool].visible),
            ("label", _LABEL_ATTRIBUTES),
            ("provenance", _PROVENANCE_ATTRIBUTES),
        ):
            context["attributes"][name] = _record(record)
        context["attributes"]["history"] = {
            "type": "Record",
            "attributes": {past: _record(_PAST_ATTRIBUTES) for past in _PASTS},
        }
        return {
            "appliesTo": {"principalTypes": ["User"], "resourceTypes": ["Tool"], "context": context}
        }

    def attributes(self, path: tuple[str, ...], tools: frozenset[str]) -> frozenset[str] | None:
        """Return the attributes that stand at a path for any of the tools; None if unknown.

        Paths begin with `principal`, `resource` or `context`.
        """
        match path:
            case ("principal",):
                return frozenset(USER_ATTRIBUTES)
            case ("resource",):
                return frozenset(_TOOL_ATTRIBUTES)
            case ("context",):
                return _CONTEXT
            case ("context", "args" | "facts" as part):
                source = self.arguments if part == "args" else self.facts
                return frozenset().union(*(source[tool].visible for tool in tools))
            case ("context", "label"):
                return frozenset(_LABEL_ATTRIBUTES)
            case ("context", "provenance"):
                return frozenset(_PROVENANCE_ATTRIBUTES)
            case ("context", "history"):
                return frozenset(_PASTS)
            case ("context", "history", "run" | "thread"):
                return frozenset(_PAST_ATTRIBUTES)
        return None

    def why_hidden(self, name: str, tools: frozenset[str]) -> str | None:
        """Return why policies cannot see an argument or fact of this name, if it is declared."""
        for source in (self.arguments, self.facts):
            for tool in sorted(tools):
                if name in source[tool].hidden:
                    return source[tool].hidden[name]
        return None


def vocabulary(shapes: Mapping[str, ToolShape]) -> Vocabulary:
    """Return what policies can speak of, given the declared tools."""
    return Vocabulary(
        arguments={name: read_fields(shape.arguments) for name, shape in shapes.items()},
        facts={name: read_fields(shape.facts) for name, shape in shapes.items()},
    )


def _record(attributes: Mapping[str, Field]) -> dict[str, Any]:
    return {
        "type": "Record",
        "attributes": {
            name: {**_cedar_type(field), "required": field.required}
            for name, field in sorted(attributes.items())
        },
    }


def _cedar_type(field: Field) -> dict[str, Any]:
    plain = dict(_CEDAR_TYPES[field.kind])
    return {"type": "Set", "element": plain} if field.many else plain
