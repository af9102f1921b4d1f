"""LangChain's `create_agent` with its checkpointer in memory."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_core.tools import StructuredTool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import SecretStr

from peers.measuring import Run, serve
from peers.server import ANSWER, MESSAGE, TOOL
from peers.tool import file_note

__all__ = ["agent", "tool"]


def tool() -> StructuredTool:
    """Return the tool as LangChain has it."""
    return StructuredTool.from_function(coroutine=file_note, name=TOOL)


def agent(url: str, middleware: Sequence[Any] = (), **settings: Any) -> Run:
    """Return what runs an agent once, on a thread of its own."""
    model = ChatOpenAI(model="m", base_url=url, api_key=SecretStr("none"))
    made = create_agent(
        model, [tool()], middleware=middleware, checkpointer=InMemorySaver(), **settings
    )

    async def run(name: str, **given: Any) -> None:
        answer = await made.ainvoke(
            {"messages": [("user", MESSAGE)]}, {"configurable": {"thread_id": name}}, **given
        )
        called = [m for m in answer["messages"] if m.type == "tool"]
        if len(called) != 1 or called[0].status != "success":
            raise SystemExit(f"the tool was not called: {answer['messages']}")
        if answer["messages"][-1].text != ANSWER:
            raise SystemExit(f"unexpected answer: {answer['messages'][-1]}")

    return run


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Run]:
    """Make the agent."""
    yield agent(url)


if __name__ == "__main__":
    serve(importlib.metadata.version("langchain"), opened)
