"""Concertmaster: a governed multi-agent framework on LangGraph.

>>> import concertmaster as cm
>>> async def main():
...     async with cm.open("examples/support_desk") as desk:
...         run = await desk.run("Where is order 1042?", principal="ana")
...         print(run.outcome.text)

Names are loaded when they are first used, so that importing the package stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concertmaster.contracts import (
        Approval,
        Approve,
        Edit,
        Outcome,
        Principal,
        Reject,
        Respond,
    )
    from concertmaster.errors import ConcertmasterError
    from concertmaster.graphs.langchain.acting import Acting
    from concertmaster.graphs.langchain.governance import Governance
    from concertmaster.graphs.langchain.middleware import GovernanceMiddleware
    from concertmaster.graphs.langchain.tool import governed
    from concertmaster.graphs.readiness import check
    from concertmaster.graphs.workspace import Workspace
    from concertmaster.notebook.approving import approve
    from concertmaster.notebook.showing import show
    from concertmaster.orchestrator.desk import Desk
    from concertmaster.orchestrator.opening import open_desk as open
    from concertmaster.orchestrator.run import Run
    from concertmaster.orchestrator.sync import SyncDesk as open_sync  # noqa: N813
    from concertmaster.serving.app import create_app
    from concertmaster.serving.settings import Settings
    from concertmaster.tools.connectors.mcp_server import McpServer
    from concertmaster.tools.context import ToolContext
    from concertmaster.tools.declaration import Tool, declare

__version__ = "0.1.0"

_HOME = {
    "Acting": ("concertmaster.graphs.langchain.acting", "Acting"),
    "Approval": ("concertmaster.contracts", "Approval"),
    "Approve": ("concertmaster.contracts", "Approve"),
    "ConcertmasterError": ("concertmaster.errors", "ConcertmasterError"),
    "Desk": ("concertmaster.orchestrator.desk", "Desk"),
    "Edit": ("concertmaster.contracts", "Edit"),
    "Governance": ("concertmaster.graphs.langchain.governance", "Governance"),
    "GovernanceMiddleware": (
        "concertmaster.graphs.langchain.middleware",
        "GovernanceMiddleware",
    ),
    "McpServer": ("concertmaster.tools.connectors.mcp_server", "McpServer"),
    "Outcome": ("concertmaster.contracts", "Outcome"),
    "Principal": ("concertmaster.contracts", "Principal"),
    "Reject": ("concertmaster.contracts", "Reject"),
    "Respond": ("concertmaster.contracts", "Respond"),
    "Run": ("concertmaster.orchestrator.run", "Run"),
    "Tool": ("concertmaster.tools.declaration", "Tool"),
    "ToolContext": ("concertmaster.tools.context", "ToolContext"),
    "Workspace": ("concertmaster.graphs.workspace", "Workspace"),
    "Settings": ("concertmaster.serving.settings", "Settings"),
    "approve": ("concertmaster.notebook.approving", "approve"),
    "check": ("concertmaster.graphs.readiness", "check"),
    "create_app": ("concertmaster.serving.app", "create_app"),
    "declare": ("concertmaster.tools.declaration", "declare"),
    "governed": ("concertmaster.graphs.langchain.tool", "governed"),
    "open": ("concertmaster.orchestrator.opening", "open_desk"),
    "open_sync": ("concertmaster.orchestrator.sync", "SyncDesk"),
    "show": ("concertmaster.notebook.showing", "show"),
}

__all__ = [
    "Acting",
    "Approval",
    "Approve",
    "ConcertmasterError",
    "Desk",
    "Edit",
    "Governance",
    "GovernanceMiddleware",
    "McpServer",
    "Outcome",
    "Principal",
    "Reject",
    "Respond",
    "Run",
    "Settings",
    "Tool",
    "ToolContext",
    "Workspace",
    "__version__",
    "approve",
    "check",
    "create_app",
    "declare",
    "governed",
    "open",
    "open_sync",
    "show",
]


def __getattr__(name: str) -> object:
    """Load a public name from its room when it is first used."""
    try:
        module, attribute = _HOME[name]
    except KeyError:
        raise AttributeError(f"module 'concertmaster' has no attribute {name!r}") from None
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
