"""Microsoft's Agent Framework on chat completions, its instrumentation off."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agent_framework import Agent, tool
from agent_framework.openai import OpenAIChatCompletionClient
from openai import AsyncOpenAI

from peers.measuring import Peer, serve
from peers.server import ANSWER, MESSAGE
from peers.tool import called, file_note


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Peer]:
    """Make the agent."""
    client = AsyncOpenAI(base_url=url, api_key="none")
    model = OpenAIChatCompletionClient(model="m", async_client=client)
    declared = tool(file_note)

    def build() -> Any:
        return Agent(model, tools=[declared])

    made = build()

    async def run(name: str) -> None:
        with called():
            answer = await made.run(MESSAGE)
        if answer.text != ANSWER:
            raise SystemExit(f"unexpected answer: {answer.text}")

    yield Peer(run, build=build)
    await client.close()


if __name__ == "__main__":
    serve(importlib.metadata.version("agent-framework-core"), opened)
