"""Arguments that a reviewer wrote, checked by the tool's own types. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from concertmaster.contracts import canonical
from concertmaster.errors import ApprovalError, ToolError
from concertmaster.serving.console.case import Case
from concertmaster.serving.console.characters import plain_json
from concertmaster.serving.console.fields import form_of, read

__all__ = ["Edited", "edited", "from_json"]

_LONGEST = 100_000


@dataclass(frozen=True, kw_only=True)
class Edited:
    """The arguments as the tool would take them; `text` is their JSON, for the next form."""

    arguments: dict[str, Any]
    text: str
    changed: bool


def edited(case: Case, form: Mapping[str, str]) -> Edited:
    """Return the arguments that the fields of a form bring.

    Raises:
        Unreadable: a field holds no value of its type.
        ToolError: the tool does not take them.
        ApprovalError: there is no such tool any more.
    """
    arguments = case.approval.action.arguments
    fields = form_of(_tool(case).schema(), arguments)
    return _checked(case, read(fields, form, arguments))


def from_json(case: Case, text: str) -> Edited:
    """Return the arguments that a confirmation brings; they are checked once more.

    Raises:
        ToolError: the tool does not take them, or they are no JSON.
        ApprovalError: there is no such tool any more, or nothing is changed.
    """
    tool = _tool(case)
    try:
        found = json.loads(text) if len(text) <= _LONGEST else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ToolError(f"{tool.name}: the arguments are no JSON object")
    checked = _checked(case, found)
    if not checked.changed:
        raise ApprovalError(
            "nothing is changed by this edit", hint="approve the call as it stands instead"
        )
    return checked


def _checked(case: Case, found: Mapping[str, Any]) -> Edited:
    arguments = _tool(case).validate(found)
    before = case.approval.action.arguments
    return Edited(
        arguments=arguments,
        text=plain_json(arguments),
        changed=canonical(arguments) != canonical(before),
    )


def _tool(case: Case) -> Any:
    if case.tool is None:
        raise ApprovalError(
            f"the workspace has no tool {case.approval.action.tool!r} any more",
            hint="reject the call, or respond in its place",
        )
    return case.tool
