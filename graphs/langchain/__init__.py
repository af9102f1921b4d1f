"""The gate for other people's graphs: LangChain's `create_agent`, raw `ToolNode`s, single tools."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concertmaster.graphs.langchain.acting import Acting
    from concertmaster.graphs.langchain.describing import visible
    from concertmaster.graphs.langchain.governance import Governance
    from concertmaster.graphs.langchain.middleware import GovernanceMiddleware
    from concertmaster.graphs.langchain.tool import GovernedTool, governed

_HOME = {
    "Acting": "acting",
    "Governance": "governance",
    "GovernanceMiddleware": "middleware",
    "GovernedTool": "tool",
    "governed": "tool",
    "visible": "describing",
}

__all__ = [
    "Acting",
    "Governance",
    "GovernanceMiddleware",
    "GovernedTool",
    "governed",
    "visible",
]


def __getattr__(name: str) -> Any:
    """Load a name when it is first used: only the middleware needs LangChain itself."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
