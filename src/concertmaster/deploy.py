"""Graphs for servers that load them by name, such as LangGraph's own through `langgraph.json`.

Such a server brings its own checkpoints, threads and authentication. The principal is its
authenticated user, otherwise anonymous. Calls with effects need the host that this project's own
`open` is, and are refused without it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from concertmaster.errors import ConfigError
from concertmaster.graphs.compile import Graph
from concertmaster.orchestrator.opening import open_desk

__all__ = ["support_desk"]


@asynccontextmanager
async def support_desk() -> AsyncIterator[Graph]:
    """Yield the graph of the workspace in CONCERTMASTER_WORKSPACE, the sample desk by default.

    A server enters this for each run and each look at a state. The workspace is opened the first
    time, stays open, and is closed with the server's event loop.

    Raises:
        ConfigError: another event loop of this process has it open.
    """
    sample = Path(__file__).parent / "examples" / "support_desk"
    yield await _graph_of(os.environ.get("CONCERTMASTER_WORKSPACE", str(sample)))


@dataclass
class _Kept:
    """A workspace that is open, or about to be. The end of an event loop cancels its tasks."""

    loop: asyncio.AbstractEventLoop
    graph: asyncio.Future[Graph]
    holding: asyncio.Task[None]


_kept: dict[str, _Kept] = {}


async def _graph_of(workspace: str) -> Graph:
    loop, kept = asyncio.get_running_loop(), _kept.get(workspace)
    if kept is None or kept.loop.is_closed() or kept.holding.done():
        graph: asyncio.Future[Graph] = loop.create_future()
        kept = _Kept(loop=loop, graph=graph, holding=loop.create_task(_hold(workspace, graph)))
        _kept[workspace] = kept
    if kept.loop is not loop:
        raise ConfigError(
            f"{workspace} is open in another event loop of this process",
            hint="run the server's jobs in one loop: BG_JOB_ISOLATED_LOOPS=false",
        )
    # Whoever came first may go away; those who wait for the same are not to suffer for it.
    return await asyncio.shield(kept.graph)


async def _hold(workspace: str, graph: asyncio.Future[Graph]) -> None:
    try:
        async with open_desk(workspace, recover=False) as desk:
            graph.set_result(desk.graph)
            await asyncio.Event().wait()
    except Exception as error:
        if graph.done():
            raise
        graph.set_exception(error)
    finally:
        graph.cancel()
