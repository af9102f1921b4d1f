"""The one tool, the same for all: it does next to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["SCHEMA", "called", "file_note"]

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"order": {"type": "string"}, "note": {"type": "string"}},
    "required": ["order", "note"],
}

_CALLS: ContextVar[list[str] | None] = ContextVar("calls", default=None)


async def file_note(order: str, note: str) -> dict[str, str]:
    """File a note on an order."""
    calls = _CALLS.get()
    if calls is not None:
        calls.append(order)
    return {"order": order, "filed": note}


@contextmanager
def called() -> Iterator[None]:
    """End the process if the tool is not called once in the block, in whatever task."""
    calls: list[str] = []
    token = _CALLS.set(calls)
    yield
    _CALLS.reset(token)
    if len(calls) != 1:
        raise SystemExit(f"the tool was called {len(calls)} times")
