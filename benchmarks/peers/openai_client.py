"""The bare client: ask, call the tool, ask again. What nothing can go below."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI

from peers.measuring import Peer, serve
from peers.server import ANSWER, MESSAGE, TOOL
from peers.tool import SCHEMA, file_note


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Peer]:
    """Open the client."""
    client = AsyncOpenAI(base_url=url, api_key="none")
    tools: Any = [{"type": "function", "function": {"name": TOOL, "parameters": SCHEMA}}]

    async def run(name: str) -> None:
        messages: list[Any] = [{"role": "user", "content": MESSAGE}]
        first = await client.chat.completions.create(model="m", messages=messages, tools=tools)
        asked = first.choices[0].message
        call: Any = (asked.tool_calls or [])[0]
        result = await file_note(**json.loads(call.function.arguments))
        answer = {"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)}
        messages += [asked.model_dump(exclude_none=True), answer]
        last = await client.chat.completions.create(model="m", messages=messages, tools=tools)
        if last.choices[0].message.content != ANSWER:
            raise SystemExit(f"unexpected answer: {last}")

    yield Peer(run)
    await client.close()


if __name__ == "__main__":
    serve(importlib.metadata.version("openai"), opened)
