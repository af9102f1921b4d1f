"""What a run's models read and wrote, as its trail has it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from concertmaster.contracts import AuditEvent, Usage
from concertmaster.orchestrator.desk import Desk

__all__ = ["chat_usage", "response_usage", "spent", "total"]

_COUNTS = ("input_tokens", "output_tokens", "cached_tokens")


async def spent(desk: Desk, run: str, after: int = 0) -> Usage:
    """Return the tokens that a run's models read and wrote; none where no model was asked.

    Args:
        desk: whose run it is.
        run: its id.
        after: only what came behind this record of the trail.
    """
    return total(await desk.services.trail.events(run=run, types=["model.called"], after=after))


def total(events: Iterable[AuditEvent]) -> Usage:
    """Return the tokens that the events of a run tell of."""
    usage = Usage()
    for event in events:
        if event.type == "model.called":
            usage = usage.plus(Usage(**{name: int(event.data.get(name) or 0) for name in _COUNTS}))
    return usage


def chat_usage(usage: Usage) -> dict[str, Any]:
    """Return tokens as chat completions have them."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def response_usage(usage: Usage) -> dict[str, Any]:
    """Return tokens as responses have them."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
