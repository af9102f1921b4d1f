"""A response object, and the items in its output, from what a run came to. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from concertmaster.contracts import Approval, Outcome, RunRecord, Status, Usage
from concertmaster.serving.openai.citing import annotated
from concertmaster.serving.openai.completion import epoch
from concertmaster.serving.openai.names import ResponseName
from concertmaster.serving.openai.usage import response_usage

__all__ = ["Head", "approval_item", "message_item", "text_part"]

_STATUS: dict[Status, str] = {
    "queued": "queued",
    "running": "in_progress",
    # As in the protocol: what is asked of people is the output, and the turn is over.
    "awaiting_review": "completed",
    "answered": "completed",
    "escalated": "completed",
    "refused": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}


@dataclass(frozen=True, kw_only=True)
class Head:
    """What stays the same in a response while its run goes on.

    `thread` is its id as the client knows it, `previous` the response that it goes on after.
    """

    name: ResponseName
    record: RunRecord
    thread: str
    model: str
    previous: str | None = None
    background: bool | None = None

    def response(
        self,
        status: Status,
        output: list[dict[str, Any]],
        *,
        outcome: Outcome | None = None,
        usage: Usage | None = None,
    ) -> dict[str, Any]:
        """Return the object as it is with this status and output."""
        failed = outcome if status == "failed" else None
        return {
            "id": str(self.name),
            "object": "response",
            "created_at": epoch(self.record.created),
            "status": _STATUS[status],
            "background": self.background,
            "error": {"code": "server_error", "message": failed.text} if failed else None,
            "incomplete_details": None,
            "instructions": None,
            "model": self.model,
            "output": output,
            "parallel_tool_calls": False,
            "previous_response_id": self.previous,
            "conversation": {"id": self.thread},
            "store": True,
            "temperature": None,
            "top_p": None,
            "tool_choice": "auto",
            "tools": [],
            "text": {"format": {"type": "text"}},
            "truncation": "disabled",
            "usage": response_usage(usage) if usage is not None else None,
            "metadata": {"thread_id": self.thread, "run_id": self.record.id, "status": status},
        }


def approval_item(approval: Approval, label: str) -> dict[str, Any]:
    """Return a call that waits for people as the protocol asks for it.

    Args:
        approval: what is asked for.
        label: the workflow's name, which stands where the protocol names a server of tools.
    """
    return {
        "type": "mcp_approval_request",
        "id": approval.id,
        "server_label": label,
        "name": approval.action.tool,
        "arguments": json.dumps(approval.action.arguments, ensure_ascii=False),
    }


def message_item(id: str, text: str, outcome: Outcome | None) -> dict[str, Any]:
    """Return a whole message of the assistant with what it cites."""
    return {
        "type": "message",
        "id": id,
        "status": "completed",
        "role": "assistant",
        "content": [text_part(text, annotated(outcome))],
    }


def text_part(text: str, cited: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the text of a message."""
    return {"type": "output_text", "text": text, "annotations": cited, "logprobs": []}
