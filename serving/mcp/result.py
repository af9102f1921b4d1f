"""A run as the result of a tool: text for models, the same as data for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcp.types import CallToolResult, TextContent

from concertmaster.contracts import Approval, Principal
from concertmaster.errors import ConcertmasterError, ConfigError, HomeError, StorageError
from concertmaster.orchestrator.desk import Desk
from concertmaster.orchestrator.run import Run
from concertmaster.serving.problems import status_of
from concertmaster.serving.threads import shown
from concertmaster.serving.visible import seen_pending

__all__ = ["refused", "result_of"]


async def result_of(desk: Desk, who: Principal, run: Run) -> CallToolResult:
    """Return what a caller is told of a run that it may see."""
    pending = await seen_pending(desk, who, run.id)
    outcome, goes_on = run.outcome, run.status in ("queued", "running")
    text = outcome.text
    if pending:
        text = _waits(pending)
    elif goes_on:
        text = text or f"This takes longer; `{desk.name}_status` tells how run {run.id} stands."
    data: dict[str, Any] = {
        "run_id": run.id,
        "thread_id": shown(who, run.thread),
        "status": run.status,
        "text": text,
        "owner": outcome.owner,
        "citations": [c.model_dump(mode="json") for c in outcome.citations],
        "pending": [_pending(approval) for approval in pending],
    }
    return CallToolResult(
        content=[TextContent(text=_told(text, data))],
        structured_content=data,
        is_error=run.status == "failed",
    )


def refused(error: ConcertmasterError) -> CallToolResult:
    """Return what a caller is told of an error that was raised on purpose."""
    speaks_to_operators = isinstance(error, HomeError | StorageError | ConfigError)
    if status_of(error) == 500 or speaks_to_operators:
        told = "this cannot be done at present; the operator finds the cause in the log"
    else:
        told = f"{error.message} ({error.hint})" if error.hint else error.message
    return CallToolResult(content=[TextContent(text=told)], is_error=True)


def _waits(pending: Sequence[Approval]) -> str:
    lines = [
        f"Waiting for approval {a.id}: {a.action.tool}, by {' and '.join(_needs(a))}."
        for a in pending
    ]
    return "\n".join(lines)


def _pending(approval: Approval) -> dict[str, Any]:
    return {
        "approval_id": approval.id,
        "tool": approval.action.tool,
        "arguments": approval.action.arguments,
        "needs": _needs(approval),
        "due": approval.due,
    }


def _needs(approval: Approval) -> list[str]:
    return [n.role if n.count == 1 else f"{n.count} of {n.role}" for n in approval.needs]


def _told(text: str, data: dict[str, Any]) -> str:
    """Return the text with its sources, for clients that show nothing else."""
    sources = dict.fromkeys((c["number"], c["title"]) for c in data["citations"])
    lines = [text, *(f"[{number}] {title}" for number, title in sources)]
    return "\n".join([*lines, f"(run {data['run_id']}, thread {data['thread_id']})"])
