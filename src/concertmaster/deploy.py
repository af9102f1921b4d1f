"""Graphs for servers that load them by name, such as LangGraph's own through `langgraph.json`.

Such a server brings its own checkpoints, threads and authentication. The principal is its
authenticated user, otherwise anonymous. Calls with effects need the host that this project's own
`open` is, and are refused without it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from concertmaster.graphs.compile import Graph
from concertmaster.orchestrator.opening import open_desk

__all__ = ["support_desk"]


@asynccontextmanager
async def support_desk() -> AsyncIterator[Graph]:
    """Yield the graph of the workspace in CONCERTMASTER_WORKSPACE, the sample desk by default."""
    sample = Path(__file__).parent / "examples" / "support_desk"
    async with open_desk(os.environ.get("CONCERTMASTER_WORKSPACE", sample), recover=False) as desk:
        yield desk.graph
