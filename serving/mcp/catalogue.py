"""The tools that MCP clients are offered: for each workflow one that asks, one that looks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from mcp.types import Tool, ToolAnnotations

from concertmaster.contracts.outcome import Status
from concertmaster.errors import ConfigError
from concertmaster.orchestrator.desk import Desk
from concertmaster.serving.host import Host

__all__ = ["LOOK", "check_names", "offered", "schemas", "tools_of"]

LOOK = "_status"

_ASK: dict[str, Any] = {
    "type": "object",
    "properties": {
        "message": {
            "type": "string",
            "minLength": 1,
            "description": "What the user wants, in the user's own words.",
        },
        "thread_id": {
            "type": "string",
            "minLength": 1,
            "maxLength": 96,
            "description": "The conversation that the message belongs to, as an earlier result"
            " named it; a new one without it.",
        },
    },
    "required": ["message"],
    "additionalProperties": False,
}
_LOOK: dict[str, Any] = {
    "type": "object",
    "properties": {
        "run_id": {
            "type": "string",
            "minLength": 1,
            "maxLength": 96,
            "description": "The run, as an earlier result named it.",
        }
    },
    "required": ["run_id"],
    "additionalProperties": False,
}
_TEXT = {"type": "string"}
_MAYBE = {"type": ["string", "null"]}
_RESULT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "run_id": _TEXT,
        "thread_id": _TEXT,
        "status": {"enum": list(get_args(Status))},
        "text": _TEXT,
        "owner": _MAYBE,
        "citations": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"number": {"type": "integer"}, "document": _TEXT, "title": _TEXT},
                "required": ["number", "document", "title"],
            },
        },
        "pending": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "approval_id": _TEXT,
                    "tool": _TEXT,
                    "arguments": {"type": "object"},
                    "needs": {"type": "array", "items": _TEXT},
                    "due": _MAYBE,
                },
                "required": ["approval_id", "tool", "arguments", "needs"],
            },
        },
    },
    "required": ["run_id", "thread_id", "status", "text", "citations", "pending"],
}


def tools_of(host: Host) -> list[Tool]:
    """Return the tools of all workflows."""
    return [tool for desk in host for tool in _tools(desk)]


def offered(host: Host, name: str) -> tuple[Desk, bool] | None:
    """Return the workflow behind a tool's name, and whether it looks; None if there is none."""
    for desk in host:
        if name in (desk.name, desk.name + LOOK):
            return desk, name != desk.name
    return None


def schemas(looks: bool) -> dict[str, Any]:
    """Return the schema of a tool's arguments."""
    return _LOOK if looks else _ASK


def check_names(host: Host) -> None:
    """Find workflows whose tools would have one name.

    Raises:
        ConfigError: there are some.
    """
    names = set(host.names)
    for name in names:
        if name + LOOK in names:
            raise ConfigError(
                f"the workflows {name!r} and {name + LOOK!r} cannot both be tools for MCP clients",
                hint=f"{name + LOOK!r} is the tool that looks at a run of {name!r}; rename one",
            )


def _tools(desk: Desk) -> Iterator[Tool]:
    workflow = desk.services.spec.workflow
    known = desk.services.toolbox.values()
    about = workflow.description or f"The workflow {desk.name}."
    yield Tool(
        name=desk.name,
        description=f"{about} Answers with citations, or acts under the rules of its owner. A run"
        f" that waits for people returns at once with the approvals it waits for; `{desk.name}"
        f"{LOOK}` tells how it stands. People decide approvals, not this client.",
        input_schema=_ASK,
        output_schema=_RESULT,
        annotations=ToolAnnotations(
            read_only_hint=not any(tool.consequential for tool in known),
            destructive_hint=any(tool.effect == "irreversible" for tool in known),
            idempotent_hint=False,
        ),
    )
    yield Tool(
        name=desk.name + LOOK,
        description=f"How a run of {desk.name} stands: its answer, or what it waits for.",
        input_schema=_LOOK,
        output_schema=_RESULT,
        annotations=ToolAnnotations(read_only_hint=True, idempotent_hint=True),
    )
