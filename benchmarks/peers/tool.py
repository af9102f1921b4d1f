"""The one tool, the same for all: it does next to nothing."""

from __future__ import annotations

from typing import Any

__all__ = ["SCHEMA", "file_note"]

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"order": {"type": "string"}, "note": {"type": "string"}},
    "required": ["order", "note"],
}


async def file_note(order: str, note: str) -> dict[str, str]:
    """File a note on an order."""
    return {"order": order, "filed": note}
