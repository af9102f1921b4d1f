"""Agno on chat completions, its telemetry off; without a database it keeps nothing."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agno.agent import Agent
from agno.models.openai.like import OpenAILike

from peers.measuring import Peer, serve
from peers.server import ANSWER, MESSAGE
from peers.tool import called, file_note


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Peer]:
    """Make the agent."""
    model = OpenAILike(id="m", base_url=url, api_key="none")

    def build() -> Any:
        return Agent(model=model, tools=[file_note], telemetry=False)

    made = build()

    async def run(name: str) -> None:
        with called():
            answer = await made.arun(MESSAGE, session_id=name)
        if answer.content != ANSWER:
            raise SystemExit(f"unexpected answer: {answer.content}")

    yield Peer(run, build=build)


if __name__ == "__main__":
    serve(importlib.metadata.version("agno"), opened)
