"""Which model answers: declarations, the choice with its reason, asking; the intent classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concertmaster.models.registry import Chat, Choice, Models
    from concertmaster.models.reply import ModelUsage, Reply, ToolCall
    from concertmaster.models.spec import ModelSpec, parse_model

__all__ = [
    "Chat",
    "Choice",
    "ModelSpec",
    "ModelUsage",
    "Models",
    "Reply",
    "ToolCall",
    "parse_model",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from concertmaster.models import registry

    return getattr(registry, name)
