"""What may be told of an event outside: names that are declared, figures, and no words.

The trail holds reasons, ids of people and names that a model made up. What goes to monitoring is
what the workspace declares, plus numbers; a name that is not declared is told as `unknown`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from concertmaster.contracts import AuditEvent
from concertmaster.telemetry.conventions import provider

if TYPE_CHECKING:
    from concertmaster.orchestrator.desk import Desk

__all__ = ["UNKNOWN", "Names", "closed", "facts", "failure", "number"]

UNKNOWN = "unknown"

_CLOSED = ("decision", "status", "method", "at_limit", "code", "error", "kind", "answer")
"""Keys whose values come from our own code; they must still look like a name."""
_FIGURES = (
    "attempt characters confidence hop in_scope kept_messages position sentences sufficient"
    " supported tokens input_tokens output_tokens cost calls"
).split()
_NAME = re.compile(r"[A-Za-z][\w.\-]{0,59}", re.ASCII)
_OURS = re.compile(r"[a-z]+-[0-9a-f]{6,64}")


@dataclass(frozen=True, kw_only=True)
class Names:
    """What a workspace declares. `models` has provider and model of each, by its name."""

    workflow: str
    steps: frozenset[str] = frozenset()
    tools: frozenset[str] = frozenset()
    intents: frozenset[str] = frozenset()
    models: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, desk: Desk) -> Names:
        """Return the names of an opened workspace."""
        services = desk.services
        flow = services.spec.workflow
        chats = [chat.spec for chat in services.models.chats]
        return cls(
            workflow=desk.name,
            steps=frozenset(step.id for step in flow.steps),
            tools=frozenset(services.toolbox.names),
            intents=frozenset(i.name for i in services.spec.intents.intents),
            models={s.name: (provider(s.provider), s.model or s.name) for s in chats},
        )

    def tool(self, name: object) -> str:
        """Return the tool's name if there is such a tool."""
        return name if isinstance(name, str) and name in self.tools else UNKNOWN

    def step(self, name: object) -> str:
        """Return the step's name if there is such a step, or it is one of the ends."""
        ends = ("finish", "refuse", "escalate")
        return name if isinstance(name, str) and (name in self.steps or name in ends) else UNKNOWN

    def model(self, name: object) -> tuple[str, str]:
        """Return provider and model of a declared model."""
        return self.models.get(str(name), (UNKNOWN, UNKNOWN))


def facts(event: AuditEvent, names: Names) -> dict[str, Any]:
    """Return what may be told of an event's data, by names that begin with `concertmaster.`."""
    data, told = event.data, dict[str, Any]()
    for key in _CLOSED:
        if (name := closed(data.get(key), "")) != "":
            told[key] = name
    for key in _FIGURES:
        if isinstance(value := data.get(key), int | float):
            told[key] = value
    if isinstance(data.get("tool"), str):
        told["tool"] = names.tool(data["tool"])
    if isinstance(data.get("intent"), str):
        told["intent"] = data["intent"] if data["intent"] in names.intents else UNKNOWN
    if isinstance(data.get("to"), str):
        told["to"] = names.step(data["to"])
    if isinstance(approval := data.get("approval"), str) and _OURS.fullmatch(approval):
        told["approval"] = approval
    if isinstance(evidence := data.get("evidence"), list) and event.type == "retrieval.done":
        told["passages"] = len(evidence)
    if isinstance(policies := data.get("policies"), list):
        told["policies"] = [p for p in policies if isinstance(p, str)][:20]
    if isinstance(needs := data.get("needs"), list) and needs:
        roles = [n.get("role") for n in needs if isinstance(n, Mapping)]
        told["roles"] = [role for role in roles if isinstance(role, str)][:20]
    return {f"concertmaster.{key}": value for key, value in told.items()}


def failure(event: AuditEvent) -> str | None:
    """Return the kind of failure that an event tells of, as `error.type` has it."""
    data = event.data
    match event.type:
        case "step.failed":
            kind = data.get("error") or data.get("code")
        case "model.failed":
            kind = data.get("kind") or "unavailable"
        case "effect.failed":
            kind = "tool_failed"
        case "effect.in_doubt":
            kind = "in_doubt"
        case "tool.called":
            kind = "tool_failed" if data.get("status", data.get("outcome")) == "failed" else None
        case "run.ended":
            kind = data.get("error") or ("failed" if data.get("status") == "failed" else None)
        case _:
            return None
    return None if kind is None else closed(kind, "other")


def number(value: object) -> int:
    """Return a number; 0 for what is none."""
    return int(value) if isinstance(value, int | float) else 0


def closed(value: object, otherwise: str) -> str:
    """Return a value of a closed set of ours; something else if it does not look like one.

    >>> closed("answered", "other"), closed("ana@shop.example", "other")
    ('answered', 'other')
    """
    return value if isinstance(value, str) and _NAME.fullmatch(value) else otherwise
