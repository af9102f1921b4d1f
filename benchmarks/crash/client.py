"""How a worker and its tool speak to the counting service: one line of JSON there and back."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from typing import Any

__all__ = ["ask", "ask_async"]


def ask(op: str, **said: Any) -> Any:
    """Ask the service and wait for its answer."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(os.environ["CRASH_SERVICE"])
        line.sendall(_line(op, said))
        with line.makefile() as answer:
            return json.loads(answer.readline())


async def ask_async(op: str, **said: Any) -> Any:
    """Ask the service without holding up the event loop."""
    reader, writer = await asyncio.open_unix_connection(os.environ["CRASH_SERVICE"])
    try:
        writer.write(_line(op, said))
        return json.loads(await reader.readline())
    finally:
        writer.close()
        await writer.wait_closed()


def _line(op: str, said: dict[str, Any]) -> bytes:
    told = {"op": op, "scenario": os.environ["CRASH_SCENARIO"], "pid": os.getpid(), **said}
    return json.dumps(told).encode() + b"\n"
