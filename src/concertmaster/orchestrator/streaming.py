"""From what nodes tell to the documented stream events. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from concertmaster.contracts import StreamEvent
from concertmaster.contracts.events import (
    ActionChanged,
    ApprovalRequested,
    Hopped,
    RunStarted,
    StepStarted,
    TextDelta,
)
from concertmaster.orchestrator.run import Run

__all__ = ["as_event", "text_parts"]

_PART = 80


def as_event(told: Mapping[str, Any], ids: Mapping[str, str]) -> StreamEvent | None:
    """Return the stream event of what a node told, or None for what is not public."""
    match told.get("kind"):
        case "run_started":
            return RunStarted(**ids)
        case "hopped":
            return Hopped(**ids, to=told["to"], why=told["why"])
        case "step_started":
            return StepStarted(**ids, step=told["step"])
        case "action_changed":
            return ActionChanged(**ids, tool=told["tool"], status=told["status"], why=told["why"])
    return None


def text_parts(run: Run) -> Iterator[StreamEvent]:
    """Yield the approvals that a run waits for and its answer in parts of whole words."""
    ids = {"run": run.id, "thread": run.thread}
    for approval in run.pending:
        yield ApprovalRequested(**ids, approval=approval)
    part = ""
    for word in run.outcome.text.split(" "):
        if part and len(part) + len(word) >= _PART:
            yield TextDelta(**ids, text=part + " ")
            part = word
        else:
            part = f"{part} {word}" if part else word
    if part:
        yield TextDelta(**ids, text=part)
