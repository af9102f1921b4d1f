"""What tests of models ask for again and again."""

from __future__ import annotations

from typing import Any

SCHEMA: dict[str, Any] = {
    "title": "route",
    "type": "object",
    "properties": {"to": {"enum": ["a", "b"]}},
    "required": ["to"],
}
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}},
}
