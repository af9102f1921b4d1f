"""What a governed call returns to the model, and what a duty takes out of it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.messages import ToolMessage
from langgraph.types import Command

from concertmaster.contracts import Duty, Redact, plain_text
from concertmaster.graphs.langchain.proposed import Proposed
from concertmaster.tools.plain import NotPlain, plain_json
from concertmaster.tools.withholding import withheld

__all__ = ["given", "recorded", "redacted", "refusal", "replayed", "told"]

_LONGEST_NAME = 80
_LARGEST = 2**20
_WITHHELD = "The call was made; its result is withheld, because it cannot be redacted."


def refusal(call: Proposed, reasons: Iterable[str]) -> ToolMessage:
    """Return what the model is told of a call that was not made."""
    why = "; ".join(reasons) or "no rule permits it"
    return told(call, f"{_name(call)} was not called: {why}", status="error")


def told(call: Proposed, text: str, *, status: Any = "success") -> ToolMessage:
    """Return a message in the place of a call's result."""
    return ToolMessage(
        content=plain_text(text), name=_name(call), tool_call_id=call.call_id or "", status=status
    )


def given(call: Proposed, output: Any) -> ToolMessage:
    """Return the message of a declared function's result, which is plain JSON."""
    content = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
    return ToolMessage(content=content, name=_name(call), tool_call_id=call.call_id or "")


def _name(call: Proposed) -> str:
    return plain_text(call.name)[:_LONGEST_NAME]


def recorded(result: Any) -> dict[str, Any]:
    """Return what the journal keeps of a result, to be returned when the call comes up again."""
    if isinstance(result, ToolMessage):
        try:
            content = plain_json(result.content, limit=_LARGEST)
        except NotPlain:
            return {"content": None, "status": result.status}
        return {"content": content, "status": result.status}
    return {"content": None, "status": "success"}


def replayed(call: Proposed, kept: Mapping[str, Any] | None) -> ToolMessage:
    """Return the recorded result of a call that took effect before."""
    content = (kept or {}).get("content")
    if content is None:
        return told(call, f"{_name(call)} was called before; its result is not repeated.")
    return ToolMessage(
        content=content,
        name=_name(call),
        tool_call_id=call.call_id or "",
        status=(kept or {}).get("status", "success"),
    )


def redacted(result: Any, duties: Sequence[Duty]) -> Any:
    """Return a result without the fields that must not be seen; withheld if it has no fields."""
    fields = frozenset(d.field for d in duties if isinstance(d, Redact))
    if not fields:
        return result
    if isinstance(result, ToolMessage):
        return _message(result, fields)
    if isinstance(result, list):
        return [redacted(item, duties) for item in result]
    if isinstance(result, Command):
        return _command(result, fields)
    return _WITHHELD if isinstance(result, str) else _without(result, fields)


def _message(message: ToolMessage, fields: frozenset[str]) -> ToolMessage:
    try:
        artifact = _without(plain_json(message.artifact), fields)
    except NotPlain:
        artifact = None
    return message.model_copy(
        update={"content": _content(message.content, fields), "artifact": artifact}
    )


def _content(content: Any, fields: frozenset[str]) -> Any:
    if isinstance(content, list):
        return [_block(block, fields) for block in content]
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return _WITHHELD
    if not isinstance(value, dict | list):
        return _WITHHELD
    return json.dumps(_without(value, fields), ensure_ascii=False)


def _block(block: Any, fields: frozenset[str]) -> Any:
    if isinstance(block, Mapping) and isinstance(block.get("text"), str):
        return {**block, "text": _content(block["text"], fields)}
    return {"type": "text", "text": _WITHHELD}


def _command(command: Command[Any], fields: frozenset[str]) -> Command[Any]:
    """Redact the messages of a command; what else it writes must be plain, or is left out."""
    update = command.update if isinstance(command.update, Mapping) else {}
    kept: dict[str, Any] = {}
    for key, value in update.items():
        if isinstance(value, list) and any(isinstance(m, ToolMessage) for m in value):
            kept[key] = [_message(m, fields) for m in value if isinstance(m, ToolMessage)]
            continue
        try:
            kept[key] = _without(plain_json(value), fields)
        except NotPlain:
            continue
    return replace(command, update=kept)


def _without(value: Any, fields: frozenset[str]) -> Any:
    return withheld(value, fields)[0]
