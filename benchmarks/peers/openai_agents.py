"""The OpenAI Agents SDK on chat completions, its tracing off; it keeps nothing between runs."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agents import (  # noqa: TID251 - the SDK is called so, and alone in its environment
    Agent,
    OpenAIChatCompletionsModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

from peers.measuring import Peer, serve
from peers.server import ANSWER, MESSAGE
from peers.tool import called, file_note


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Peer]:
    """Make the agent."""
    set_tracing_disabled(True)
    client = AsyncOpenAI(base_url=url, api_key="none")
    model = OpenAIChatCompletionsModel(model="m", openai_client=client)
    tool = function_tool(file_note)

    def build() -> Any:
        return Agent(name="notes", model=model, tools=[tool])

    made = build()

    async def run(name: str) -> None:
        with called():
            answer = await Runner.run(made, MESSAGE)
        if answer.final_output != ANSWER:
            raise SystemExit(f"unexpected answer: {answer.final_output}")

    yield Peer(run, build=build)
    await client.close()


if __name__ == "__main__":
    serve(importlib.metadata.version("openai-agents"), opened)
