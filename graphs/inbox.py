"""The answers that inboxes send: LangChain's HITLResponse and Agent Inbox's older form. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from concertmaster.contracts import Answer, Approval, Approve, Edit, Reject, Respond

__all__ = ["read_answer"]


def read_answer(value: Any, approval: Approval) -> Answer | None:
    """Return the answer in a resume value, or None for anything that is not exactly one answer.

    Understood are `{"decisions": [{"type": "approve" | "edit" | "reject" | "respond", …}]}` and
    `[{"type": "accept" | "ignore" | "edit" | "response", "args": …}]`. An edit that names
    another tool is no answer.
    """
    if isinstance(value, Mapping) and isinstance(value.get("decisions"), list):
        return _only(value["decisions"], approval, _hitl)
    if isinstance(value, list):
        return _only(value, approval, _agent_inbox)
    return None


def _only(answers: list[Any], approval: Approval, read: Any) -> Answer | None:
    if len(answers) != 1 or not isinstance(answers[0], Mapping):
        return None
    found: Answer | None = read(answers[0], approval)
    return found


def _hitl(raw: Mapping[str, Any], approval: Approval) -> Answer | None:
    match raw.get("type"):
        case "approve":
            return Approve()
        case "reject":
            return Reject(reason=_text(raw.get("message")))
        case "respond":
            return Respond(text=_text(raw.get("message")))
        case "edit":
            return _edit(raw.get("edited_action"), "name", "args", approval)
    return None


def _agent_inbox(raw: Mapping[str, Any], approval: Approval) -> Answer | None:
    match raw.get("type"):
        case "accept":
            return Approve()
        case "ignore":
            return Reject(reason="ignored in the inbox")
        case "response":
            return Respond(text=_text(raw.get("args")))
        case "edit":
            return _edit(raw.get("args"), "action", "args", approval)
    return None


def _edit(raw: Any, name: str, arguments: str, approval: Approval) -> Answer | None:
    if not isinstance(raw, Mapping) or raw.get(name) != approval.action.tool:
        return None
    edited = raw.get(arguments)
    return Edit(arguments=dict(edited)) if isinstance(edited, Mapping) else None


def _text(value: Any) -> str:
    return value[:4000] if isinstance(value, str) else ""
