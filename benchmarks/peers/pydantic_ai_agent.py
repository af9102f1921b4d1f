"""Pydantic AI, not instrumented; it keeps nothing between runs."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from peers.measuring import Peer, serve
from peers.server import ANSWER, MESSAGE
from peers.tool import called, file_note


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Peer]:
    """Make the agent."""
    client = AsyncOpenAI(base_url=url, api_key="none")
    model = OpenAIChatModel("m", provider=OpenAIProvider(openai_client=client))

    def build() -> Any:
        return Agent(model, tools=[file_note])

    made = build()

    async def run(name: str) -> None:
        with called():
            answer = await made.run(MESSAGE)
        if answer.output != ANSWER:
            raise SystemExit(f"unexpected answer: {answer.output}")

    yield Peer(run, build=build)
    await client.close()


if __name__ == "__main__":
    serve(importlib.metadata.version("pydantic-ai-slim"), opened)
