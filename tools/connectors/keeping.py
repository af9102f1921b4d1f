"""Keeping connections to MCP servers open for as long as a desk is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from concertmaster.tools.connectors.remote import RemoteTool
from concertmaster.tools.connectors.sessions import hold, release
from concertmaster.tools.declaration import Tool

__all__ = ["kept_open"]


@asynccontextmanager
async def kept_open(tools: Iterable[Tool]) -> AsyncIterator[None]:
    """Have calls of these tools share connections, as far as the running loop makes them.

    None is opened before a call needs it. At the end all are closed, and processes that were
    started for them are gone. A call that nobody keeps a connection for opens one of its own.
    """
    remote = (tool.function for tool in tools)
    servers = {r.server for r in remote if isinstance(r, RemoteTool) and r.server.idle > 0}
    for server in servers:
        hold(server)
    try:
        yield
    finally:
        await asyncio.gather(*(release(server) for server in servers))
