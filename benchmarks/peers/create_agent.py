"""LangChain's `create_agent` with its checkpointer in memory."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_core.tools import StructuredTool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import SecretStr

from peers.measuring import Peer, Run, serve
from peers.server import ANSWER, MESSAGE, TOOL
from peers.tool import file_note

__all__ = ["agent", "built", "tool"]


def tool() -> StructuredTool:
    """Return the tool as LangChain has it."""
    return StructuredTool.from_function(coroutine=file_note, name=TOOL)


def built(
    url: str, middleware: Sequence[Any] = (), saver: Any = None, **settings: Any
) -> Callable[[], Any]:
    """Return what makes an agent; they share the model and the tool."""
    model = ChatOpenAI(model="m", base_url=url, api_key=SecretStr("none"))
    tools = [tool()]

    def build() -> Any:
        kept = saver or InMemorySaver()
        return create_agent(model, tools, middleware=middleware, checkpointer=kept, **settings)

    return build


def agent(url: str, **settings: Any) -> Run:
    """Return what runs an agent once, on the thread that is named."""
    return _running(built(url, **settings)())


def _running(made: Any) -> Run:
    async def run(name: str, text: str = MESSAGE, **given: Any) -> None:
        answer = await made.ainvoke(
            {"messages": [("user", text)]}, {"configurable": {"thread_id": name}}, **given
        )
        called = [m for m in answer["messages"][-3:] if m.type == "tool"]
        if len(called) != 1 or called[0].status != "success":
            raise SystemExit(f"the tool was not called: {answer['messages'][-4:]}")
        if answer["messages"][-1].text != ANSWER:
            raise SystemExit(f"unexpected answer: {answer['messages'][-1]}")

    return run


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Peer]:
    """Make the agent."""
    yield Peer(agent(url), build=built(url))


if __name__ == "__main__":
    serve(importlib.metadata.version("langchain"), opened)
