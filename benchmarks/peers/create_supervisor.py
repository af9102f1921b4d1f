"""`create_supervisor` over one agent: four model calls, since the supervisor asks twice as well."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.prebuilt import create_react_agent
from langgraph_supervisor import create_supervisor
from pydantic import SecretStr

from peers.measuring import Peer, serve
from peers.server import ANSWER, MESSAGE
from peers.tool import called, file_note


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Peer]:
    """Make the supervisor and its agent."""
    model = ChatOpenAI(model="m", base_url=url, api_key=SecretStr("none"))

    def build() -> Any:
        notes = create_react_agent(model, [file_note], name="notes")
        return create_supervisor([notes], model=model).compile(checkpointer=InMemorySaver())

    made = build()

    async def run(name: str) -> None:
        with called():
            answer = await made.ainvoke(
                {"messages": [("user", MESSAGE)]}, {"configurable": {"thread_id": name}}
            )
        if answer["messages"][-1].text != ANSWER:
            raise SystemExit(f"unexpected answer: {answer['messages'][-1]}")

    yield Peer(run, build=build)


if __name__ == "__main__":
    serve(importlib.metadata.version("langgraph-supervisor"), opened)
