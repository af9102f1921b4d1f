"""`create_agent` with LangGraph's checkpointer for SQLite, all as it is by default."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from peers.create_agent import agent
from peers.measuring import Peer, serve


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Peer]:
    """Make the agent with its file."""
    async with AsyncSqliteSaver.from_conn_string(str(folder / "states.db")) as saver:
        yield Peer(agent(url, saver=saver), folder=folder)


if __name__ == "__main__":
    serve(importlib.metadata.version("langgraph-checkpoint-sqlite"), opened)
